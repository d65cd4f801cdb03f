"""The guard: a Sink before the queue, past which no frame goes as it came unless it is clean."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Away, BoundedSink, Findings, Receipt
from tailrace.core.errors import Busy, ConfigError, InputError, Poison, StoreError
from tailrace.core.finding import Finding, Place
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.keys import SECRET_BYTES, Keyring
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe, expand
from tailrace.core.work import Work
from tailrace.guard.cleaner import Cleaned, Cleaner
from tailrace.guard.kinds import KINDS

_log = get("guard")
# How long a guard that could not be loaded waits before it tries again.
_RELOAD_S = 10.0
_RETRY_S = 5.0
# A tenant whose keys are asked for before anyone has sent.
_ANYONE = "default"


class Guarded(msgspec.Struct, frozen=True):
    """A frame as it may pass, None when none of its rows may, and what was in it."""

    frame: Frame | None
    dropped: int
    found: Mapping[Place, int]


class Guard:
    """A BoundedSink in front of one. Raises Busy while it cannot run, whatever the reason:
    then nothing passes. A frame that it cannot clean is Poison.

    Returning promises what the sink behind it promises for what is left of the frames. Rows that a
    rule drops are gone on purpose, and counted. The same frame always becomes the same while the
    keys are the same, so that it may be sent again.
    """

    def __init__(
        self,
        behind: BoundedSink,
        load: Callable[[], Cleaner],
        keyring: Keyring,
        findings: Findings,
        clock: Clock,
        metrics: Metrics,
        away: Away | None = None,
    ) -> None:
        """`load` compiles the detectors. Raises ConfigError from it; what else goes wrong there is
        tried again. `away` hears of frames of which no row may pass."""
        self._behind = behind
        self._load = load
        self._keyring = keyring
        self._findings = findings
        self._clock = clock
        self._metrics = metrics
        self._away = away
        self._work = Work("guard")
        self._cleaner: Cleaner | None = None
        self._tried_s: float | None = None
        # Whose keys could not be had.
        self._failed = ""
        self._loaded()

    def pressure(self) -> float:
        """See Pressure."""
        return self._behind.pressure()

    def ready(self) -> bool:
        """See BoundedSink. False as long as the last frame could not be guarded."""
        return not self._failed and self._loaded() is not None and self._behind.ready()

    @property
    def loaded(self) -> bool:
        """Whether there is something that cleans."""
        return self._cleaner is not None

    def cleaner(self) -> Cleaner:
        """What cleans. Raises Busy when it cannot be had."""
        cleaner = self._loaded()
        if cleaner is None:
            raise _cannot_run()
        return cleaner

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        """See Sink."""
        cleaner = self.cleaner()
        cleaner.approved.watch()
        guarded = [await self._guard(cleaner, frame) for frame in frames]
        passing = [one.frame for one in guarded if one.frame is not None]
        if len(passing) < len(frames):
            await self._note_away(frames, guarded)
        if passing:
            await self._behind.accept(passing)
        self._count(frames, guarded)
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def _note_away(self, frames: Sequence[Frame], guarded: Sequence[Guarded]) -> None:
        """Before they are acknowledged: who looks for them later must not miss them."""
        if self._away is None:
            return
        gone = zip(frames, guarded, strict=True)
        try:
            await self._away.note([frame.header for frame, one in gone if one.frame is None])
        except StoreError as error:
            _log.error("what the guard drops cannot be noted: %s", error)
            raise Busy("logs cannot be kept just now; try again", _RETRY_S) from error

    async def close(self, deadline_s: float) -> None:
        """See Sink."""
        self._work.close()
        await self._behind.close(deadline_s)

    async def _guard(self, cleaner: Cleaner, frame: Frame) -> Guarded:
        header = frame.header
        secrets = await self._secrets(cleaner, header.tenant)

        def task() -> Guarded:
            return guarded(cleaner, frame, secrets)

        try:
            return await self._work.run(header.bytes, False, header.tenant, task)
        except InputError as error:
            self._metrics.add("tailrace_guard_refused_total")
            raise Poison(f"the guard cannot read it: {error}") from error

    async def _secrets(self, cleaner: Cleaner, tenant: str) -> Mapping[str, bytes]:
        """Of every kind. Raises Busy."""
        try:
            secrets = await self._keyring.secrets(tenant)
        except Exception as error:
            known = str(error) if isinstance(error, StoreError) else type(error).__name__
            self._stopped(f"its keys cannot be had: {known}", tenant)
            raise _cannot_run() from error
        if any(len(secrets.get(kind, b"")) != SECRET_BYTES for kind in cleaner.kinds):
            self._stopped("a key is missing or has another length", tenant)
            raise _cannot_run()
        self._failed = ""
        return secrets

    async def run(self) -> None:
        """Look whether it can run again, until cancelled: nobody sends to what is not ready."""
        while True:
            await asyncio.sleep(_RETRY_S)
            if self._failed:
                with contextlib.suppress(Busy):
                    await self._secrets(self.cleaner(), self._failed)

    def stop(self, why: str) -> None:
        """Take nothing in until the keys can be had."""
        self._stopped(why, _ANYONE)

    def _count(self, frames: Sequence[Frame], guarded: Sequence[Guarded]) -> None:
        now_ns = self._clock.wall_ns()
        found: dict[Place, int] = {}
        hits: dict[str, float] = {}
        for one in guarded:
            for place, count in one.found.items():
                found[place] = found.get(place, 0) + count
                hits[place.detector] = hits.get(place.detector, 0) + count
        self._metrics.add("tailrace_guard_rows_total", sum(one.header.rows for one in frames))
        if dropped := sum(one.dropped for one in guarded):
            self._metrics.add("tailrace_guard_dropped_rows_total", dropped)
        if found:
            self._metrics.add_each("tailrace_guard_hits_total", _by_known(hits))
            self._findings.note([Finding(p, n, now_ns, now_ns) for p, n in found.items()])

    def _loaded(self) -> Cleaner | None:
        now_s = self._clock.monotonic_s()
        if self._cleaner is None and (self._tried_s is None or now_s - self._tried_s > _RELOAD_S):
            self._tried_s = now_s
            try:
                self._cleaner = self._load()
            except ConfigError:
                raise
            except Exception as error:
                _log.error("the guard cannot be loaded, and nothing is taken in: %s", error)
        return self._cleaner

    def _stopped(self, why: str, tenant: str) -> None:
        self._failed = tenant
        _log.error("the guard cannot run, and nothing is taken in: %s", why)


def guarded(cleaner: Cleaner, frame: Frame, secrets: Mapping[str, bytes]) -> Guarded:
    """The frame as it may pass: the very same one when it is clean. Raises InputError."""
    header = frame.header
    if header.codec is Codec.OTLP:
        raise InputError("a request of OTLP has to be decoded before it is guarded", "codec")
    data = expand(frame.payload, limits.GUARDED_BYTES)
    cleaned = cleaner.clean(header, data, secrets)
    resource, found = _resource(cleaner, header, secrets)
    if found:
        cleaned = cleaned._replace(found=Counter(cleaned.found) + Counter(found))
    same = cleaned.data is data
    if same and resource is header.resource:
        return Guarded(frame, 0, cleaned.found)
    if not cleaned.rows:
        return Guarded(None, cleaned.dropped, cleaned.found)
    return Guarded(_frame(frame, cleaned, same, resource), cleaned.dropped, cleaned.found)


def _frame(frame: Frame, cleaned: Cleaned, same: bool, resource: dict[str, str]) -> Frame:
    if same:
        return Frame(msgspec.structs.replace(frame.header, resource=resource), frame.payload)
    if len(cleaned.data) > limits.GUARDED_BYTES:
        raise InputError(
            f"with what was taken out replaced it has {len(cleaned.data)} bytes, more than "
            f"{limits.GUARDED_BYTES}; send smaller batches",
            "guarded_size",
        )
    facts = describe(cleaned.data, cleaned.rows)
    header = msgspec.structs.replace(
        frame.header,
        rows=facts.rows,
        bytes=facts.bytes,
        checksum=facts.checksum,
        resource=resource,
        guarded=frame.header.guarded + cleaned.dropped,
    )
    return Frame(header, compress(cleaned.data))


def _resource(
    cleaner: Cleaner, header: Header, secrets: Mapping[str, bytes]
) -> tuple[dict[str, str], Mapping[Place, int]]:
    """The identifiers of a frame, keys and values, cleaned as a row of their own."""
    if not header.resource:
        return header.resource, {}
    row = msgspec.json.encode(header.resource)
    said = msgspec.structs.replace(header, rows=1, codec=Codec.RECORDS, signal=Signal.LOGS)
    cleaned = cleaner.clean(said, row, secrets)
    if cleaned.data is row:
        return header.resource, cleaned.found
    if not cleaned.rows:
        return {}, cleaned.found
    try:
        return msgspec.json.decode(cleaned.data, type=dict[str, str]), cleaned.found
    except msgspec.MsgspecError as error:
        raise InputError(f"its resource cannot be cleaned: {error}", "resource") from error


def _by_known(hits: Mapping[str, float]) -> dict[str, float]:
    """By kind; those of a configuration together, for labels are constants of the code."""
    found: dict[str, float] = {}
    for kind, count in hits.items():
        label = kind if kind in KINDS else "custom"
        found[label] = found.get(label, 0) + count
    return found


def _cannot_run() -> Busy:
    return Busy(
        "the guard cannot run just now, so nothing is taken; try again", _RETRY_S, True, "guard"
    )
