"""The horizon: from which event time on the hot tables are whole. What is older is in the archive.

There is one for the rows of each signal, and one for each group of them that is kept apart.

Layout of the file: a line of checked.py with the horizon of each signal in UTC nanoseconds, the
place in the queue up to which the archive reached when rows were last dropped, and the horizons of
groups: signal, tenant, service, nanoseconds. A row is of the group of its tenant and its service,
where they are named at all, and null stands for those that are not. The file is replaced whole, so
a crash leaves the old line or the new one. Recovery: without a file every horizon is 0, so nothing
was ever dropped; a file that fails its checksum is refused, since an older horizon would leave rows
out of answers that are in the archive, and a newer one those that are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.disk import write_whole
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.core.frame import Signal
from tailrace.store import checked
from tailrace.store.keep import REST, Group, Groups, Targets


class _Named(msgspec.Struct, frozen=True, array_like=True):
    """Of one group that is not REST."""

    signal: Signal
    tenant: str | None
    service: str | None
    time_ns: int


class _Record(msgspec.Struct, frozen=True):
    """Horizons by signal, how far the archive was, and horizons by group."""

    horizons: dict[Signal, int] = {}
    archived: Position = Position(0, 0)
    groups: tuple[_Named, ...] = ()


@dataclass(frozen=True)
class Cut:
    """Where one tenant's rows are parted, UTC nanoseconds: at `rest_ns`, but for the `services`
    that are named."""

    rest_ns: int = 0
    services: Mapping[str, int] = field(default_factory=dict)

    def of(self, service: str) -> int:
        """Of one service."""
        return self.services.get(service, self.rest_ns)

    @property
    def last_ns(self) -> int:
        """From here on all is hot."""
        return max(self.rest_ns, *self.services.values(), 0)


class Horizon:
    """`open` first. Reading is from memory; raising blocks, call it off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._record = _Record()
        self._groups = Groups()
        self._times: dict[tuple[Signal, Group], int] = {}

    def open(self, archived: Position) -> None:
        """Read the file. `archived`: how far the archive is.

        Raises Corrupt for a broken file, and ConfigError for an archive that ends before what was
        dropped because it had it.
        """
        if self._path.exists():
            self._know(self._read())
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

    def _know(self, record: _Record) -> None:
        self._record = record
        self._groups = Groups()
        for one in record.groups:
            names = Groups(_some(one.tenant), _some(one.service))
            self._groups = self._groups.joined(names)
        self._times = {(signal, REST): time_ns for signal, time_ns in record.horizons.items()}
        for one in record.groups:
            self._times[one.signal, Group(one.tenant, one.service)] = one.time_ns

    @property
    def groups(self) -> Groups:
        """Which rows have a horizon of their own."""
        return self._groups

    def of(self, signal: Signal, group: Group = REST) -> int:
        """The event time, UTC nanoseconds, from which on the hot table of `signal` is whole for a
        group, also for one that is not known by name yet."""
        tenant = group.tenant if group.tenant in self._groups.tenants else None
        service = group.service if group.service in self._groups.services else None
        return self._times.get((signal, Group(tenant, service)), 0)

    def cut(self, signal: Signal, tenant: str) -> Cut:
        """Where the rows of a tenant are parted."""
        rest_ns = self.of(signal, Group(tenant))
        services = () if signal is Signal.METRICS else self._groups.services
        times = {name: self.of(signal, Group(tenant, name)) for name in services}
        return Cut(rest_ns, {name: time for name, time in times.items() if time != rest_ns})

    def last_ns(self, signal: Signal) -> int:
        """From which event time on the hot table is whole for everybody, UTC nanoseconds."""
        return max((ns for (one, _), ns in self._times.items() if one is signal), default=0)

    def times(self, groups: Groups) -> Targets:
        """The horizon of each group, of those that are known and of `groups`."""
        wanted = self._groups.joined(groups)
        return {(one, group): self.of(one, group) for one in Signal for group in wanted.all(one)}

    def raise_to(
        self, targets: int | Targets, archived: Position, named: Groups | None = None
    ) -> None:
        """Raise each horizon, durably, to what `targets` says of it, where it is lower. `archived`:
        how far the archive is, which must have what is older. Of names that are not among `named`
        those are forgotten of which nothing is apart any more. Raises OSError; then nothing
        changed."""
        whole = self._groups.joined(named or Groups())
        if isinstance(targets, int):
            targets = dict.fromkeys(self.times(whole), targets)
        times = {key: max(ns, targets.get(key, 0)) for key, ns in self.times(whole).items()}
        kept = whole if named is None else _apart(times, whole, named)
        record = _Record(
            {signal: times[signal, REST] for signal in Signal},
            max(archived, self._record.archived),
            tuple(
                _Named(signal, *group, times[signal, group])
                for signal in Signal
                for group in kept.all(signal)
                if group != REST
            ),
        )
        if record == self._record:
            return
        write_whole(self._path, checked.line(record))
        self._know(record)


def _apart(times: Targets, whole: Groups, named: Groups) -> Groups:
    """Names that tell rows apart, and those that are `named`."""

    def tells(group: Group, without: Group) -> bool:
        return any(
            times[signal, group] != times[signal, without]
            for signal in Signal
            if (signal, group) in times
        )

    services = (None, *whole.services)
    tenants = tuple(
        name
        for name in whole.tenants
        if name in named.tenants or any(tells(Group(name, s), Group(None, s)) for s in services)
    )
    return Groups(
        tenants,
        tuple(
            name
            for name in whole.services
            if name in named.services
            or any(tells(Group(t, name), Group(t)) for t in (None, *tenants))
        ),
    )


def _some(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)
