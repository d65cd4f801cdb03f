"""`[space]` of the configuration: high-water marks of disks."""

from __future__ import annotations

import msgspec

from tailrace.core.errors import ConfigError
from tailrace.core.units import Size
from tailrace.governance.space.marks import Marks

_MARKS = ("bulk_slow", "bulk_stop", "hot_slow", "hot_stop")
# With less than this no mark is anything that a person could act on.
_LEAST_COUNTED = Size("1GiB")


class SpaceConfig(msgspec.Struct, forbid_unknown_fields=True):
    """High-water marks: shares of a disk, without its reserve, that are used. `counted`: of a
    larger disk only so much counts."""

    bulk_slow: float = 0.85
    bulk_stop: float = 0.90
    hot_slow: float = 0.92
    hot_stop: float = 0.95
    counted: Size = Size("100GiB")


def marks(config: SpaceConfig) -> Marks:
    """Raises ConfigError."""
    before = 0.0
    for name in _MARKS:
        value = getattr(config, name)
        if not before <= value <= 1.0:  # also what is no number
            least = f"{before:g}, the mark before it," if before else "0"
            raise ConfigError(f"space.{name}: a share of the disk, from {least} to 1")
        before = value
    if config.counted < _LEAST_COUNTED:
        raise ConfigError(f'space.counted: at least "{_LEAST_COUNTED.text}"')
    found = {name: getattr(config, name) for name in _MARKS}
    return Marks(**found, counted_bytes=int(config.counted))
