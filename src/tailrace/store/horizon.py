"""The horizon: from which event time on the hot tables are whole. What is older is in the archive.

Layout of the file: a line of checked.py with the horizon of each signal in UTC nanoseconds, and the
place in the queue up to which the archive reached when rows were last dropped. The file is replaced
whole, so a crash leaves the old line or the new one. Recovery: without a file every horizon is 0,
so nothing was ever dropped; a file that fails its checksum is refused, since an older horizon would
leave rows out of answers that are in the archive, and a newer one those that are not.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.disk import write_whole
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.core.frame import Signal
from tailrace.store import checked


class _Record(msgspec.Struct, frozen=True):
    """Horizons by signal, and how far the archive was."""

    horizons: dict[Signal, int] = {}
    archived: Position = Position(0, 0)


class Horizon:
    """`open` first. Reading is from memory; raising blocks, call it off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = _Record()

    def open(self, archived: Position) -> None:
        """Read the file. `archived`: how far the archive is.

        Raises Corrupt for a broken file, and ConfigError for an archive that ends before what was
        dropped because it had it.
        """
        if self._path.exists():
            self._record = self._read()
        if archived < self._record.archived:
            raise ConfigError(
                "archive.directory: this archive ends before the rows that were dropped from the "
                "hot store since they were archived; name the directory that has them"
            )

    def _read(self) -> _Record:
        record = checked.parse(self._path.read_bytes(), _Record)
        if record is None:
            raise Corrupt(
                f"{self._path} fails its checksum; restore it from a backup: it says which rows "
                "are to be read from the archive"
            )
        return record

    def of(self, signal: Signal) -> int:
        """The event time, UTC nanoseconds, from which on the hot table of `signal` is whole."""
        return self._record.horizons.get(signal, 0)

    def raise_to(self, time_ns: int, archived: Position) -> None:
        """Raise each horizon to `time_ns`, durably, where it is lower. `archived`: how far the
        archive is, which must have what is older. Raises OSError; then nothing changed."""
        horizons = {signal: max(time_ns, self.of(signal)) for signal in Signal}
        record = _Record(horizons, max(archived, self._record.archived))
        if record == self._record:
            return
        write_whole(self._path, checked.line(record))
        self._record = record
