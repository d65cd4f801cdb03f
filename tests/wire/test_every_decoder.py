"""Whatever bytes a decoder is given, it gives back rows that can be stored, or an InputError."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tailrace.wire
from tailrace.core.errors import InputError
from tailrace.core.frame import Codec, Signal
from tailrace.wire import (
    elastic,
    exposition,
    forward,
    frames,
    journal,
    labels,
    lines,
    loki,
    msgpack,
    mysql,
    postgresql,
    records,
    remotewrite,
    remotewrite2,
    samples,
    snappy,
    spans,
    splunk,
    syslog,
    syslogframing,
)
from tailrace.wire.content import Content
from tailrace.wire.knownseries import KnownSeries
from tailrace.wire.otlp import logs, metrics, traces, walk
from tailrace.wire.rows import Rows

from . import bodies
from .mutations import mutated, replacements

NOW = bodies.NOW
KNOWN = KnownSeries()
OTLP: dict[str, Any] = {"logs": logs, "metrics": metrics, "traces": traces}


class Decoder(NamedTuple):
    """`function` is what `decode` tests; `decode` may first wrap the bytes, so that what is inside
    of a compression or a frame is broken, and not only the wrapping."""

    name: str
    function: Callable[..., Any]
    decode: Callable[[bytes], Any]
    examples: tuple[bytes, ...]


def _syslog(data: bytes) -> Content:
    messages = syslogframing.Messages()
    return syslog.decode(messages.feed(data) + messages.close(), NOW)


def _forward(data: bytes) -> list[Content]:
    chunk = forward.read(data)
    rows, repaired = Rows(), dict[str, int]()
    if chunk is not None:
        forward.decode(chunk, rows, "192.0.2.7", repaired)
    return forward.content(rows, repaired)


def _framed(signal: Signal, codec: Codec, rows: int | None = None) -> Callable[[bytes], Any]:
    return lambda data: frames.decode(bodies.frame(data, signal, codec, rows))


DECODERS = (
    Decoder("lines", lines.decode, lines.decode, bodies.LINES),
    Decoder("records", records.decode, records.decode, bodies.RECORDS),
    Decoder("loki json", loki.decode_json, loki.decode_json, bodies.LOKI_JSON),
    Decoder("loki protobuf", loki.decode_protobuf, loki.decode_protobuf, bodies.LOKI_PROTOBUF),
    Decoder(
        "snappy", snappy.expand, snappy.expand, tuple(map(bodies.snappy, bodies.LOKI_PROTOBUF))
    ),
    Decoder(
        "remote write",
        remotewrite.decode,
        lambda data: remotewrite.decode(data, KnownSeries()),
        bodies.REMOTE,
    ),
    Decoder(
        "remote write known",
        remotewrite.decode,
        lambda data: remotewrite.decode(data, KNOWN),
        bodies.REMOTE,
    ),
    Decoder("remote write 2", remotewrite2.decode, remotewrite2.decode, bodies.REMOTE2),
    *(
        Decoder(f"otlp {name} json", module.decode_json, module.decode_json, bodies.OTLP_JSON[name])
        for name, module in OTLP.items()
    ),
    *(
        Decoder(
            f"otlp {name} protobuf",
            module.decode_protobuf,
            module.decode_protobuf,
            bodies.OTLP_PROTOBUF[name],
        )
        for name, module in OTLP.items()
    ),
    Decoder("syslog", syslog.decode, _syslog, bodies.SYSLOG),
    Decoder(
        "syslog from a peer",
        syslog.decode,
        lambda data: syslog.decode(data.split(b"\n"), NOW, peer="192.0.2.7"),
        bodies.SYSLOG,
    ),
    Decoder("bulk", elastic.decode, lambda data: elastic.decode(data, "logs").content, bodies.BULK),
    Decoder("splunk", splunk.decode, lambda data: splunk.decode(data, {}, NOW), bodies.HEC),
    Decoder(
        "splunk lines",
        splunk.decode_raw,
        lambda data: splunk.decode_raw(data, {"host.name": "h1"}),
        bodies.LINES,
    ),
    Decoder(
        "splunk lines of a time",
        splunk.decode_raw,
        lambda data: splunk.decode_raw(data, {}, "1790000000"),
        bodies.LINES,
    ),
    Decoder("forward", forward.decode, _forward, bodies.FORWARD),
    Decoder("msgpack", msgpack.decode, lambda data: msgpack.decode(data, {}), bodies.FORWARD),
    Decoder("journal", journal.decode, journal.decode, bodies.JOURNAL),
    Decoder("mysql", mysql.decode, mysql.decode, bodies.MYSQL),
    Decoder("postgresql", postgresql.decode, postgresql.decode, bodies.POSTGRESQL),
    Decoder("frames", frames.decode, frames.decode, bodies.FRAMES),
    Decoder("frames of lines", frames.decode, _framed(Signal.LOGS, Codec.LINES), bodies.LINES),
    Decoder(
        "frames of records",
        frames.decode,
        _framed(Signal.LOGS, Codec.RECORDS),
        bodies.RECORDS[:1],
    ),
    Decoder(
        "frames of samples", frames.decode, _framed(Signal.METRICS, Codec.RECORDS), bodies.SAMPLES
    ),
    Decoder("frames of spans", frames.decode, _framed(Signal.SPANS, Codec.RECORDS), bodies.SPANS),
    Decoder(
        "frames of otlp",
        frames.decode,
        _framed(Signal.LOGS, Codec.OTLP, 1),
        bodies.OTLP_PROTOBUF["logs"],
    ),
    Decoder(
        "exposition",
        exposition.parse,
        lambda data: list(exposition.parse(data, NOW)),
        bodies.EXPOSITION,
    ),
    Decoder(
        "openmetrics",
        exposition.parse,
        lambda data: list(exposition.parse(data, NOW, openmetrics=True)),
        bodies.OPENMETRICS,
    ),
    Decoder(
        "labels",
        labels.parse,
        lambda data: labels.parse(data.decode(errors="replace")),
        bodies.LABELS,
    ),
    Decoder(
        "otlp walk",
        walk.split,
        lambda data: list(walk.split(data, 100, 2)),
        bodies.OTLP_PROTOBUF["logs"],
    ),
)
every_decoder = pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)


def attempt(decoder: Decoder, data: bytes) -> None:
    """Any exception but an InputError is a failure, and so are rows that nothing could read."""
    try:
        found = decoder.decode(data)
    except InputError as error:
        assert error.reason
        return
    several = getattr(found, "contents", found)
    for one in several if isinstance(several, list) else [several]:
        content = getattr(one, "content", one)
        if isinstance(content, Content):
            check(content)


def check(content: Content) -> None:
    assert content.rows == content.data.count(b"\n") + bool(content.data[-1:].strip(b"\n"))
    content.data.decode()
    assert b"\0" not in content.data
    if content.signal is Signal.METRICS:
        samples.check(content.data)
    elif content.signal is Signal.SPANS:
        spans.check(content.data)
    elif content.codec is Codec.RECORDS and content.rows:
        assert records.check(content.data, content.hints) == content.hints
    msgspec.json.encode(content.resource)


@every_decoder
def test_the_examples_are_decoded(decoder: Decoder) -> None:
    for example in decoder.examples:
        assert decoder.decode(example)


@every_decoder
def test_an_example_that_ends_anywhere_is_refused_or_taken(decoder: Decoder) -> None:
    for example in decoder.examples:
        for end in range(len(example)):
            attempt(decoder, example[:end])


@every_decoder
def test_an_example_with_any_byte_changed_is_refused_or_taken(decoder: Decoder) -> None:
    for example in decoder.examples:
        for place in range(len(example)):
            for byte in (0, 0x7F, 0xFF, example[place] ^ 1):
                attempt(decoder, example[:place] + bytes((byte,)) + example[place + 1 :])


@every_decoder
def test_an_example_with_any_value_of_its_json_replaced_is_refused_or_taken(
    decoder: Decoder,
) -> None:
    for example in decoder.examples:
        for data in replacements(example):
            attempt(decoder, data)


def fuzz(decoder: Decoder, examples: int, derandomize: bool) -> None:
    everything = tuple(example for other in DECODERS for example in other.examples)

    @settings(
        max_examples=examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=200) | mutated(decoder.examples, everything))
    def run(data: bytes) -> None:
        attempt(decoder, data)

    run()


@every_decoder
def test_random_and_broken_bytes_are_refused_or_taken(decoder: Decoder) -> None:
    fuzz(decoder, 50, derandomize=False)


@pytest.mark.soak
@every_decoder
def test_many_random_and_broken_bytes_are_refused_or_taken(decoder: Decoder) -> None:
    fuzz(decoder, 5_000, derandomize=False)


def test_every_decoder_of_the_room_is_here() -> None:
    known = {decoder.function for decoder in DECODERS}
    for info in pkgutil.walk_packages(tailrace.wire.__path__, "tailrace.wire."):
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("decode") and function.__module__ == info.name:
                assert function in known, f"{info.name}.{name} is not in DECODERS"
