"""What one statement may take of the engine, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field

from tailrace.core import limits


@dataclass(frozen=True)
class Bounds:
    """Bounds of one statement besides its time; 0 is none. Bytes are counted as in memory, not
    as packed on disk. The engine stops what passes one, with a StoreError whose code says which.
    """

    read_rows: int = 0
    read_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    memory_bytes: int = limits.QUERY_MEMORY_BYTES

    def within(self, other: Bounds) -> Bounds:
        """The tighter of both."""
        return Bounds(*(_least(a, b) for a, b in zip(astuple(self), astuple(other), strict=True)))


def _least(one: int, other: int) -> int:
    return min(one, other) if one and other else one or other


@dataclass
class Used:
    """What the statements of one query read, added up."""

    rows: int = 0
    bytes: int = 0

    def add(self, rows: int, read_bytes: int) -> None:
        """Count one statement."""
        self.rows += rows
        self.bytes += read_bytes


UNBOUND = Bounds()


@dataclass(frozen=True)
class Terms:
    """On which a statement runs: its time and bounds, and `settings` of the engine that bound
    nothing. What it reads is added to `used`."""

    timeout_s: float = limits.QUERY_SECONDS
    bounds: Bounds = UNBOUND
    used: Used | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


USUAL = Terms()
