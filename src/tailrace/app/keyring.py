"""The keys of pseudonyms as the configuration wants them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailrace.app.config import Config
from tailrace.app.keys import master_source
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.keys import Keys
from tailrace.governance.keyschedule import Schedule
from tailrace.governance.masterkey import MasterSource


def master_key(config: Config) -> MasterSource:
    """Where it is. Raises ConfigError."""
    return master_source(config.guard, Path(config.server.data_dir), bool(config.server.control))


def schedule(config: Config) -> Schedule:
    """When keys end."""
    return Schedule(config.guard.key_rotation, config.guard.key_retention)


def keyring(
    config: Config, control: Control, clock: Clock, metrics: Metrics, kinds: Sequence[str]
) -> Keys:
    """Not open yet. `kinds`: of the values that the guard makes pseudonyms of. Raises
    ConfigError."""
    return Keys(control, clock, metrics, master_key(config), kinds, schedule(config))
