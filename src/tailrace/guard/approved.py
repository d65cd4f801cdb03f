"""Values that are known to be nobody's: test cards, sandbox accounts, until they expire."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.guard.normal import normalise
from tailrace.guard.settings import Approved
from tailrace.guard.testcards import TEST_CARDS

_log = log.get("guard")
_DAY_NS = 86_400_000_000_000
# An entry that outlives whoever wrote it approves what nobody knows any more.
_LONGEST_DAYS = 731


class _Entry(NamedTuple):
    name: str
    treatment: Literal["pass", "mark"]
    service: str
    environment: str
    expires_ns: int


class ApprovedValues:
    """Raises ConfigError for entries that cannot be. Those that have expired are said at once, and
    others when they do."""

    def __init__(self, entries: Sequence[Approved], kinds: frozenset[str], clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, bytes], list[_Entry]] = {}
        self._expiring: list[tuple[int, str, str]] = []
        for number, entry in enumerate(entries):
            self._add(f"guard.approved[{number}]", entry, kinds)
        self._expiring.sort()
        self.watch()

    def _add(self, key: str, entry: Approved, kinds: frozenset[str]) -> None:
        if entry.kind not in kinds:
            raise ConfigError(f"{key}.kind: {entry.kind!r} is no kind that is detected")
        for field in ("name", "owner", "reason"):
            if not getattr(entry, field).strip():
                raise ConfigError(f"{key}.{field}: must say something")
        if entry.set and entry.kind != "pan":
            raise ConfigError(f"{key}.set: test-cards are of the kind pan")
        values = [*entry.values, *(TEST_CARDS if entry.set else ())]
        if not values:
            raise ConfigError(f'{key}.values: at least one, or set = "test-cards"')
        expires_ns = _midnight_ns(entry.expires)
        if expires_ns > self._clock.wall_ns() + _LONGEST_DAYS * _DAY_NS:
            raise ConfigError(f"{key}.expires: at most two years from now")
        found = _Entry(entry.name, entry.treatment, entry.service, entry.environment, expires_ns)
        for value in values:
            if not normalise(entry.kind, value.encode()):
                raise ConfigError(f"{key}.values: {value!r} is no value of {entry.kind}")
            self._entries.setdefault(
                (entry.kind, normalise(entry.kind, value.encode())), []
            ).append(found)
        self._expiring.append((expires_ns, entry.name, entry.owner))

    def __bool__(self) -> bool:
        return bool(self._entries)

    def treatment(
        self, kind: str, value: bytes, service: str, environment: str
    ) -> Literal["pass", "mark"] | None:
        """What an entry says of the normalised value; None without one that counts."""
        for entry in self._entries.get((kind, value), ()):
            fits = fnmatchcase(service, entry.service) and fnmatchcase(
                environment, entry.environment
            )
            if fits and self._clock.wall_ns() < entry.expires_ns:
                return entry.treatment
        return None

    def watch(self) -> None:
        """Say which entries have expired since this was last called."""
        now_ns = self._clock.wall_ns()
        while self._expiring and self._expiring[0][0] <= now_ns:
            _, name, owner = self._expiring.pop(0)
            _log.warning(
                "an approved entry has expired and its values are treated as any other: ask its "
                "owner, or remove it",
                extra={"entry": name, "owner": owner},
            )


def _midnight_ns(day: datetime.date) -> int:
    midnight = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    return int(midnight.timestamp()) * 1_000_000_000
