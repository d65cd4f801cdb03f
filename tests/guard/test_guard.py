"""The guard as a Sink: what is clean passes as it is, the rest cleaned, and nothing unguarded."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

import msgspec
import pytest

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Receipt
from tailrace.core.errors import Busy, ConfigError, Poison, StoreError
from tailrace.core.frame import Codec, Frame, Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe, expand
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.guard import Guard
from tailrace.guard.settings import Custom, Rule

from .cleaning import KEYS, USUAL, acting, cleaner, header, pseudonym
from .fakes import FakeAway, FakeFindings, FakeKeyring, FakeSink

JANE = pseudonym("email", b"jane@example.com")
DIRTY = b"one\nto jane@example.com\ntwo\n"
CLEANED = f"one\nto {JANE}\ntwo\n".encode()


class World:
    """A guard and its neighbours."""

    def __init__(self, load: Callable[[], Cleaner] = lambda: USUAL) -> None:
        self.sink = FakeSink()
        self.keyring = FakeKeyring()
        self.findings = FakeFindings()
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.away = FakeAway()
        self.guard = Guard(
            self.sink, load, self.keyring, self.findings, self.clock, self.metrics, self.away
        )

    def accept(self, *frames: Frame) -> Receipt:
        return asyncio.run(self.guard.accept(frames))


def frame(data: bytes, codec: Codec = Codec.LINES, **resource: str) -> Frame:
    facts = describe(data)
    named = {key.replace("__", "."): value for key, value in resource.items()}
    said = msgspec.structs.replace(
        header(data, codec, resource=named), bytes=facts.bytes, checksum=facts.checksum
    )
    return Frame(said, compress(data))


def test_a_clean_frame_passes_as_the_same_object() -> None:
    world, clean = World(), frame(b"nothing\nto see\n", service__name="pay")
    assert world.accept(clean) == Receipt(1, 2)
    assert world.sink.frames[0] is clean
    assert not world.findings.found
    assert world.metrics.get("tailrace_guard_rows_total") == 2


def test_a_frame_that_changes_says_what_it_holds_now() -> None:
    world, dirty = World(), frame(DIRTY)
    assert world.accept(dirty) == Receipt(1, 3)
    (passed,) = world.sink.frames
    data = expand(passed.payload, 1_000)
    assert data == CLEANED
    facts = describe(data)
    said = passed.header
    assert (said.rows, said.bytes, said.checksum) == (facts.rows, facts.bytes, facts.checksum)
    kept = msgspec.structs.replace(
        said, rows=dirty.header.rows, bytes=dirty.header.bytes, checksum=dirty.header.checksum
    )
    assert kept == dirty.header


def test_frames_pass_together_and_in_their_order() -> None:
    world = World()
    frames = [frame(b"a\n"), frame(DIRTY), frame(b"b\n")]
    assert world.accept(*frames) == Receipt(3, 5)
    passed = world.sink.frames
    assert (passed[0], passed[2]) == (frames[0], frames[2])
    assert expand(passed[1].payload, 1_000) == CLEANED


def test_the_same_frame_again_is_the_same_bytes() -> None:
    world = World()
    world.accept(frame(DIRTY))
    world.accept(frame(DIRTY))
    World().accept(frame(DIRTY))
    assert world.sink.frames[0] == world.sink.frames[1]


def test_a_find_is_noted_with_its_time_and_counted_by_kind() -> None:
    world = World()
    world.accept(frame(DIRTY), frame(b"jane@example.com 4111 1111 1111 1111\n"))
    assert sum(one.hits for one in world.findings.found) == 3
    now_ns = world.clock.wall_ns()
    assert {(one.first_ns, one.last_ns) for one in world.findings.found} == {(now_ns, now_ns)}
    assert world.metrics.labelled("tailrace_guard_hits_total") == {"email": 2, "pan": 1}


def test_finds_of_a_configurations_detector_share_a_label() -> None:
    custom = Custom("badge", "B-[0-9]{6}", ["B-123456"], ["B-12"])
    by = cleaner(detectors=[custom])
    world = World(lambda: by)
    world.accept(frame(b"B-123456\n"))
    assert world.metrics.labelled("tailrace_guard_hits_total") == {"custom": 1}


@pytest.mark.parametrize("failure", [Busy("full"), Poison("no"), StoreError("gone"), OSError("x")])
def test_nothing_is_noted_when_the_sink_behind_did_not_take_the_frames(failure: Exception) -> None:
    world = World()
    world.sink.failure = failure
    with pytest.raises(type(failure)):
        world.accept(frame(DIRTY))
    assert not world.findings.found
    assert not world.metrics.labelled("tailrace_guard_hits_total")
    assert world.metrics.get("tailrace_guard_rows_total") == 0
    world.sink.failure = None
    world.accept(frame(DIRTY))
    assert sum(one.hits for one in world.findings.found) == 1


def test_rows_that_are_dropped_are_counted_and_the_receipt_covers_them() -> None:
    by = acting("email", "drop_row")
    world = World(lambda: by)
    assert world.accept(frame(DIRTY)) == Receipt(1, 3)
    (passed,) = world.sink.frames
    assert (passed.header.rows, expand(passed.payload, 100)) == (2, b"one\ntwo\n")
    assert world.metrics.get("tailrace_guard_dropped_rows_total") == 1


def test_a_frame_of_which_nothing_is_left_does_not_pass_but_is_taken() -> None:
    by = acting("email", "drop_row")
    world, clean = World(lambda: by), frame(b"one\n")
    assert world.accept(frame(b"jane@example.com\n"), clean) == Receipt(2, 2)
    assert world.sink.frames == [clean]
    assert world.accept(frame(b"jane@example.com\n")) == Receipt(1, 1)
    assert world.sink.frames == [clean]
    assert sum(one.hits for one in world.findings.found) == 2


def test_a_frame_of_which_nothing_is_left_is_noted_before_it_is_acknowledged() -> None:
    by = acting("email", "drop_row")
    world, clean, gone = World(lambda: by), frame(b"one\n"), frame(b"jane@example.com\n")
    world.accept(clean, gone, frame(DIRTY))
    assert world.away.noted == [gone.header]
    world.away.failure = StoreError("not just now")
    before = list(world.sink.frames)
    with pytest.raises(Busy):
        world.accept(clean, gone)
    assert world.sink.frames == before
    world.accept(clean)


def test_identifiers_of_a_frame_are_cleaned_keys_and_values() -> None:
    world = World()
    plain = frame(b"one\n")
    resource = {"service.name": "pay", "owner": "jane@example.com", "jane@example.com": "x"}
    said = msgspec.structs.replace(plain.header, resource=resource)
    world.accept(Frame(said, plain.payload))
    (passed,) = world.sink.frames
    assert passed.header.resource == {"service.name": "pay", "owner": JANE, JANE: "x"}
    assert passed.payload is plain.payload
    assert sum(one.hits for one in world.findings.found) == 2


def test_finds_in_identifiers_and_rows_add_up_whatever_is_done() -> None:
    by = acting("email", "alert_only")
    world = World(lambda: by)
    alerted = frame(b'{"mail":"jane@example.com"}\n', mail="jane@example.com")
    world.accept(alerted)
    assert world.sink.frames[0] is alerted
    assert sum(one.hits for one in world.findings.found) == 2
    other = World()
    other.accept(frame(b'{"mail":"jane@example.com"}\n', mail="jane@example.com"))
    assert sum(one.hits for one in other.findings.found) == 2


@pytest.mark.parametrize("signal", list(Signal))
def test_every_signal_is_guarded(signal: Signal) -> None:
    world = World()
    row = (
        b'{"time":1,"name":"GET /jane@example.com","value":1,'
        b'"attributes":{"a":"jane@example.com"}}\n'
    )
    plain = frame(row, Codec.RECORDS)
    world.accept(Frame(msgspec.structs.replace(plain.header, signal=signal), plain.payload))
    (passed,) = world.sink.frames
    assert expand(passed.payload, 1_000).count(JANE.encode()) == 2


def test_a_request_of_otlp_that_was_not_decoded_is_poison() -> None:
    world = World()
    with pytest.raises(Poison):
        world.accept(frame(b"\n\x10jane@example.com", Codec.OTLP))
    assert not world.sink.frames
    assert world.metrics.get("tailrace_guard_refused_total") == 1


def test_a_payload_that_is_no_zstd_is_poison() -> None:
    world = World()
    with pytest.raises(Poison):
        world.accept(Frame(header(b"x\n"), b"jane@example.com"))
    assert not world.sink.frames


def test_one_frame_that_cannot_be_guarded_holds_all_of_them_back() -> None:
    world = World()
    with pytest.raises(Poison):
        world.accept(frame(b"a\n"), frame(b"x", Codec.OTLP))
    assert not world.sink.frames


SHORT = {**KEYS, "pan": b"short"}
MISSING = {kind: key for kind, key in KEYS.items() if kind != "email"}


@pytest.mark.parametrize(
    "failure", [StoreError("locked"), RuntimeError("jane@example.com"), OSError()]
)
def test_nothing_passes_while_keys_cannot_be_had(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    assert world.guard.ready()
    world.keyring.failure = failure
    for dirty in (frame(DIRTY), frame(b"clean\n")):
        with pytest.raises(Busy) as caught:
            world.accept(dirty)
        assert caught.value.overload
        assert caught.value.retry_after_s > 0
    assert not world.sink.frames
    assert not world.guard.ready()
    assert "jane" not in caplog.text
    world.keyring.failure = None
    world.accept(frame(DIRTY))
    assert world.guard.ready()
    assert len(world.sink.frames) == 1


@pytest.mark.parametrize("keys", [SHORT, MISSING, {}, {**KEYS, "pan": bytes(64)}], ids=len)
def test_nothing_passes_under_a_key_that_is_none(keys: dict[str, bytes]) -> None:
    world = World()
    world.keyring.keys = keys
    with pytest.raises(Busy):
        world.accept(frame(DIRTY))
    assert not world.sink.frames
    assert not world.guard.ready()


def test_keys_are_those_of_the_frames_tenant() -> None:
    world, one = World(), frame(DIRTY)
    other = Frame(msgspec.structs.replace(one.header, tenant="other"), one.payload)
    world.accept(one, other)
    assert world.keyring.asked == ["acme", "other"]
    assert {found.place.tenant for found in world.findings.found} == {"acme", "other"}


def test_a_guard_that_is_not_ready_becomes_ready_though_nobody_sends() -> None:
    world = World()
    world.keyring.failure = StoreError("locked")

    async def recovered() -> bool:
        with pytest.raises(Busy):
            await world.guard.accept([frame(DIRTY)])
        world.keyring.failure = None
        pauses = iter([True, False])

        async def pause(_seconds: float) -> None:
            if not next(pauses):
                raise asyncio.CancelledError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tailrace.guard.guard.asyncio.sleep", pause)
            with pytest.raises(asyncio.CancelledError):
                await world.guard.run()
        return world.guard.ready()

    assert asyncio.run(recovered())


class Loader:
    """Fails so often, then gives a cleaner."""

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.tried = 0

    def __call__(self) -> Cleaner:
        self.tried += 1
        if self.failures:
            raise self.failures.pop(0)
        return USUAL


def test_a_guard_that_cannot_be_loaded_takes_nothing_and_tries_again_after_ten_seconds() -> None:
    load = Loader([OSError("no"), RuntimeError("no")])
    world = World(load)
    assert (load.tried, world.guard.ready()) == (1, False)
    for _ in range(3):
        with pytest.raises(Busy):
            world.accept(frame(b"clean\n"))
    world.clock.advance(9.9)
    with pytest.raises(Busy):
        world.accept(frame(b"clean\n"))
    assert load.tried == 1
    world.clock.advance(0.2)
    with pytest.raises(Busy):
        world.accept(frame(b"clean\n"))
    assert load.tried == 2
    world.clock.advance(10.1)
    world.accept(frame(DIRTY))
    assert (load.tried, world.guard.ready(), len(world.sink.frames)) == (3, True, 1)


def test_a_guard_that_was_not_loaded_is_ready_again_though_nobody_sends() -> None:
    world = World(Loader([OSError("no")]))
    assert not world.guard.ready()
    world.clock.advance(10.1)
    assert world.guard.ready()


def test_a_configuration_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match=r"guard\.rules"):
        World(lambda: cleaner(rules=[Rule("nothing", "redact")]))


def test_room_and_pressure_are_those_of_the_sink_behind() -> None:
    world = World()
    assert world.guard.pressure() == 0.25
    world.sink.is_ready = False
    assert not world.guard.ready()


def test_closing_closes_the_sink_behind() -> None:
    world = World()
    asyncio.run(world.guard.close(1.0))
    assert world.sink.closed


def test_large_frames_are_guarded_in_a_thread_and_small_ones_on_the_loop() -> None:
    names: list[str] = []

    class Named(Cleaner):
        def clean(self, *args: object) -> object:  # type: ignore[override]
            names.append(threading.current_thread().name)
            return super().clean(*args)  # type: ignore[arg-type]

    by = Named()
    world = World(lambda: by)
    world.accept(frame(DIRTY))
    world.accept(frame(DIRTY * 10_000))
    assert names[0] == threading.main_thread().name
    assert names[-1].startswith("guard")
    assert expand(world.sink.frames[1].payload, 10_000_000) == CLEANED * 10_000


def test_nothing_of_a_value_is_in_errors_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Cleaner):
        def action(self, *_: object) -> object:  # type: ignore[override]
            raise RuntimeError("odd")

    by = Broken()
    world = World(lambda: by)
    with caplog.at_level(logging.DEBUG), pytest.raises(Poison) as caught:
        world.accept(frame(b"password=hunter2 jane@example.com\n"))
    assert not world.sink.frames
    for secret in ("jane", "hunter2"):
        assert secret not in caplog.text
        assert secret not in str(caught.value)


def test_a_record_that_would_be_no_json_any_more_is_poison() -> None:
    class Breaking(Cleaner):
        def text(self, *_: object) -> bytes:  # type: ignore[override]
            return b'"'

    by = Breaking()
    world = World(lambda: by)
    with pytest.raises(Poison):
        world.accept(frame(b'{"a":"jane@example.com"}\n', Codec.RECORDS))
    assert not world.sink.frames


def test_a_frame_that_grows_beyond_what_a_frame_may_have_is_poison(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, dirty = World(), frame(DIRTY)
    monkeypatch.setattr(limits, "GUARDED_BYTES", len(CLEANED))
    world.accept(dirty)
    monkeypatch.setattr(limits, "GUARDED_BYTES", len(CLEANED) - 1)
    with pytest.raises(Poison, match="send smaller batches"):
        world.accept(dirty)
    assert len(world.sink.frames) == 1
