"""The frame: a header and a payload, the one thing every room knows."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

TENANT_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Lane(StrEnum):
    """Which readers of the queue a frame is for.

    A chunk that is not sampled travels once, as BOTH. A sampled chunk is split: its kept and
    sampled rows travel as HOT, the complete chunk as BULK.
    """

    HOT = "hot"
    BULK = "bulk"
    BOTH = "both"


class Signal(StrEnum):
    LOGS = "logs"
    SPANS = "spans"
    METRICS = "metrics"


class Codec(StrEnum):
    """LINES: raw text lines. RECORDS: NDJSON, one object a line, read with `Hints`; of metrics,
    samples as wire/samples.py writes them. OTLP: one request in protobuf, as a client sent it."""

    LINES = "lines"
    RECORDS = "records"
    OTLP = "otlp"


class Hints(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which keys of a record hold what.

    The defaults are the canonical record: `time` (UTC nanoseconds, integer), `severity`, `body`,
    `service`, `trace_id`, `span_id`, `attributes` (object), `resource` (object).
    `foreign` marks NDJSON with any other keys or time format, nested objects flattened with ".".
    A field whose hint is the default is found by its common names (core/names.py); keys that are
    no field become attributes.
    `time_unit` is one of auto, s, ms, us, ns, rfc3339; used for foreign records only.
    `newline`: the character that stands for a newline within a line, in frames of lines.
    """

    time: str = "time"
    severity: str = "severity"
    body: str = "body"
    service: str = "service"
    trace_id: str = "trace_id"
    span_id: str = "span_id"
    time_unit: str = "ns"
    foreign: bool = False
    newline: str = ""


CANONICAL = Hints()


class Header(msgspec.Struct, frozen=True):
    """What is known of a payload without opening it.

    `rows`, `bytes` and `checksum` (xxh3-64) describe the payload before compression.
    `first_ns`, `last_ns` bound the event times (0 when not known), `received_ns` is the time of
    ingest; all UTC nanoseconds. `(tenant, source, epoch, seq)` is the identity of a frame.
    `guarded`: rows that the guard took out of it. `diverted`: it goes the bulk lane alone since its
    sender was over a limit. A door sets both anew.
    """

    tenant: str
    source: str
    epoch: int
    seq: int
    rows: int
    bytes: int
    checksum: int
    received_ns: int
    lane: Lane = Lane.BOTH
    signal: Signal = Signal.LOGS
    codec: Codec = Codec.RECORDS
    hints: Hints = CANONICAL
    first_ns: int = 0
    last_ns: int = 0
    weight: int = 1
    resource: dict[str, str] = {}
    guarded: int = 0
    diverted: bool = False

    @property
    def key(self) -> tuple[str, str, int, int]:
        """The idempotency key: tenant, source, epoch, seq."""
        return (self.tenant, self.source, self.epoch, self.seq)


class Frame(msgspec.Struct, frozen=True):
    """A header and its payload, one or more concatenated zstd frames."""

    header: Header
    payload: bytes


def check_tenant(tenant: str) -> bool:
    """True when `tenant` may name a folder, a table row and a metric label."""
    return TENANT_PATTERN.fullmatch(tenant) is not None
