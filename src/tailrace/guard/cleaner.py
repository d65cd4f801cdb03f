"""Payloads with personal and payment data taken out, and what was found in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tailrace.core.clock import Clock, SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.finding import Action, Place
from tailrace.core.frame import Codec, Header, Signal
from tailrace.guard import places
from tailrace.guard.approved import ApprovedValues
from tailrace.guard.catalogue import CATALOGUE, OFF
from tailrace.guard.custom import custom_detectors
from tailrace.guard.detectors.detector import Detector
from tailrace.guard.fields import field_rules
from tailrace.guard.finder import Finder, Hit
from tailrace.guard.keyrows import key_rows
from tailrace.guard.kinds import KINDS, all_kinds
from tailrace.guard.policy import Policy
from tailrace.guard.pseudonyms import Pseudonyms
from tailrace.guard.rewrite import Edit, rewritten
from tailrace.guard.settings import USUAL_FIELDS, Settings
from tailrace.guard.values import Quotes

_row = msgspec.json.Decoder(msgspec.Raw)


class Cleaned(NamedTuple):
    """`data` is the very object that was given when nothing in it changed. `rows` are left,
    `dropped` were taken out whole. `found`: how many values were at each place."""

    data: bytes
    rows: int
    dropped: int
    found: Mapping[Place, int]


class Cleaner:
    """Thread-safe; the same rows always become the same. Raises ConfigError."""

    def __init__(self, settings: Settings | None = None, clock: Clock | None = None) -> None:
        settings = settings or Settings()
        custom = custom_detectors(settings.detectors, KINDS)
        self.kinds = all_kinds(settings.detectors)
        names = frozenset(self.kinds)
        off = _off(settings, names)
        chosen = USUAL_FIELDS if settings.fields is None else settings.fields
        fields = field_rules(chosen, names)
        known: list[Detector] = [*fields, *custom, *CATALOGUE]
        self.detectors = [one for one in known if one.kind not in off]
        self._finder = Finder(self.detectors)
        self._policy = Policy(settings.rules, self.kinds)
        self.by_row = self._policy.by_row or bool(settings.approved)
        self.approved = ApprovedValues(settings.approved, names, clock or SystemClock())

    def clean(self, header: Header, data: bytes, secrets: Mapping[str, bytes]) -> Cleaned:
        """`data` are the rows of a frame with this header, `secrets` its tenant's by kind."""
        whole = data if data.endswith(b"\n") else data + b"\n"
        hits = key_rows(whole, self._finder.find(whole))
        if header.signal is Signal.METRICS:
            hits = [hit for hit in hits if not _is_number(whole, hit)]
        if not hits:
            return Cleaned(data, header.rows, 0, {})
        work = _Work(self, header, whole, secrets)
        work.run(hits)
        if not work.changed:
            return Cleaned(data, header.rows, 0, work.found)
        cleaned = work.result()
        if whole is not data and not work.last_dropped:
            cleaned = cleaned.removesuffix(b"\n")
        return Cleaned(cleaned, header.rows - work.dropped, work.dropped, work.found)

    def find(self, data: bytes) -> list[Hit]:
        """What is in rows, each with its newline, whatever is to be done with it."""
        return self._finder.find(data)

    def action(self, hit: Hit, service: str, environment: str) -> Action:
        """What is done with a hit there; "approved" where it passes or is marked."""
        if self.approved and self.approved.treatment(hit.kind, hit.value, service, environment):
            return "approved"
        return self._policy.action(hit.kind, service, environment)

    def text(self, hit: Hit, action: Action, pseudonyms: Pseudonyms) -> bytes:
        """What stands in the place of a hit."""
        kind = hit.kind.encode()
        if action == "pseudonymise":
            return pseudonyms.of(hit.value)
        if action == "approved":
            return b"[test:%b]" % kind
        mask = self.kinds[hit.kind].mask
        if action == "mask" and mask:
            return mask(hit.value)
        return b"[redacted:%b]" % kind


class _Work:
    """One payload on its way through."""

    def __init__(
        self, cleaner: Cleaner, header: Header, data: bytes, secrets: Mapping[str, bytes]
    ) -> None:
        self._cleaner = cleaner
        self._header = header
        self._data = data
        self._secrets = secrets
        self._origin = places.Origin(header)
        self._pieces: list[bytes] = []
        self._done = 0
        self._made: dict[str, Pseudonyms] = {}
        # The service of a row is looked for before the row is changed only where it matters then.
        self._by_row = cleaner.by_row
        self.found: Counter[Place] = Counter()
        self.changed = False
        self.dropped = 0
        self.last_dropped = False

    def run(self, hits: Sequence[Hit]) -> None:
        """`hits` are ascending."""
        data, at = self._data, 0
        while at < len(hits):
            start = data.rfind(b"\n", 0, hits[at].start) + 1
            stop = data.find(b"\n", hits[at].start)
            first = at
            while at < len(hits) and hits[at].start < stop:
                at += 1
            self._row(start, stop, hits[first:at])

    def result(self) -> bytes:
        """All rows that are left."""
        return b"".join((*self._pieces, self._data[self._done :]))

    def _row(self, start: int, stop: int, hits: Sequence[Hit]) -> None:
        row = cleaned = self._data[start:stop]
        service = environment = ""
        if self._by_row:
            service, _, environment = self._origin.of(row)
        decided = self._decided(hits, service, environment)
        if any(action == "drop_row" for _, action in decided):
            self._replace(start, stop + 1, b"")
            self.dropped += 1
            self.last_dropped = stop + 1 == len(self._data)
            cleaned = b""
        elif edits := list(self._edits(decided, service, environment)):
            cleaned = rewritten(self._data, start, stop, edits)
            if self._header.codec is Codec.RECORDS:
                _row.decode(cleaned)  # what is no JSON any more must not be taken for some
            self._replace(start, stop, cleaned)
        self._note(row, start, cleaned, decided)

    def _note(
        self, row: bytes, start: int, cleaned: bytes, decided: Sequence[tuple[Hit, Action]]
    ) -> None:
        """What is remembered of a row is read from what is left of it."""
        if any(action in ("alert_only", "approved") for _, action in decided):
            blanks = [Edit(start, stop, b"*") for start, stop, _, _ in _united(decided)]
            cleaned = rewritten(self._data, start, start + len(row), blanks)
        service, version, environment = self._origin.of(cleaned)
        code, tenant = places.code(cleaned), self._header.tenant
        counted: Counter[tuple[str, str, Action]] = Counter()
        outer = taken = -1
        for hit, action in decided:
            if hit.start >= taken:
                outer = hit.start
            # Of what lies within another value, the name is part of that value.
            field = places.field(row, outer - start, max(0, taken - start))
            taken = max(taken, hit.stop)
            counted[hit.kind, field, action] += 1
        for (kind, field, action), count in counted.items():
            place = Place(tenant, service, version, environment, kind, field, code, action)
            self.found[place] += count

    def _decided(
        self, hits: Sequence[Hit], service: str, environment: str
    ) -> list[tuple[Hit, Action]]:
        """With what is done to each, without those within an approved one or a larger one."""
        decide = self._cleaner.action
        decided = [(hit, decide(hit, service, environment)) for hit in hits]
        if len(decided) == 1:
            return decided
        left: list[tuple[Hit, Action]] = []
        until = -1  # the furthest end of the approved ones that began so far
        for hit, action in sorted(decided, key=_approved_first):
            if action == "approved":
                until = max(until, hit.stop)
            elif hit.stop <= until:
                continue
            left.append((hit, action))
        return left

    def _edits(
        self, decided: Sequence[tuple[Hit, Action]], service: str, environment: str
    ) -> Iterable[Edit]:
        """Ascending; of what overlaps, the more particular one's over the whole."""
        changing = [
            (hit, action)
            for hit, action in decided
            if action != "alert_only"
            and (action != "approved" or self._marked(hit, service, environment))
        ]
        for start, stop, best, action in _united(changing):
            text = self._cleaner.text(best, action, self._pseudonyms(best.kind))
            yield Edit(start, stop, text, drop=action == "drop_field")

    def _pseudonyms(self, kind: str) -> Pseudonyms:
        found = self._made.get(kind)
        if found is None:
            found = self._made[kind] = Pseudonyms(kind, self._secrets[kind])
        return found

    def _marked(self, hit: Hit, service: str, environment: str) -> bool:
        how = self._cleaner.approved.treatment(hit.kind, hit.value, service, environment)
        return how == "mark"

    def _replace(self, start: int, stop: int, text: bytes) -> None:
        self._pieces += (self._data[self._done : start], text)
        self._done = stop
        self.changed = True


def _united(decided: Sequence[tuple[Hit, Action]]) -> Iterator[tuple[int, int, Hit, Action]]:
    """Ascending, from where to where what overlaps reaches, and the most particular one of it."""
    waiting = sorted(decided, key=lambda one: (one[0].start, one[0].rank))
    at = 0
    while at < len(waiting):
        best, action = waiting[at]
        start, stop = best.start, best.stop
        at += 1
        while at < len(waiting) and waiting[at][0].start < stop:
            other, its = waiting[at]
            stop = max(stop, other.stop)
            if other.rank < best.rank:
                best, action = other, its
            at += 1
        yield start, stop, best, action


def _approved_first(decided: tuple[Hit, Action]) -> tuple[int, bool]:
    hit, action = decided
    return hit.start, action != "approved"


def _is_number(data: bytes, hit: Hit) -> bool:
    """Whether it is a number of JSON: of a sample that is its value or time."""
    start = data.rfind(b"\n", 0, hit.start) + 1
    stop = data.find(b"\n", hit.start)
    return Quotes(data, start, stop).of(hit.start, hit.stop) == b'"'


def _off(settings: Settings, kinds: frozenset[str]) -> frozenset[str]:
    for key in ("enable", "disable"):
        for kind in getattr(settings, key):
            if kind not in kinds:
                raise ConfigError(f"guard.{key}: {kind!r} is none of {', '.join(sorted(kinds))}")
    return (OFF - set(settings.enable)) | set(settings.disable)
