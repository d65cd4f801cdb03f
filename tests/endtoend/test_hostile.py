"""Hostile input to the real command: a clear answer, a counted reason, bounded memory."""

from __future__ import annotations

import gzip
import json
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import quote

import cramjam
import pytest
import zstandard
from running import Answer, Body, Server

# What one request may add: a body (16 MiB), what it expands to (32 MiB) and a copy of that.
GROWTH_BYTES = 96 << 20
# All together: BODIES_IN_FLIGHT_BYTES, and what the two threads of the door expand.
ALL_GROWTH_BYTES = 320 << 20
MIB = 1 << 20
GB = 1_000_000_000
KEYS = 10_000
JSON = {"Content_Type": "application/json"}


@dataclass(frozen=True)
class Case:
    """A request, the answer it must get and the reason it is counted under.

    `says`: words of the answer: which field or line, which limit, what to do.
    """

    name: str
    path: str
    body: Body
    status: int
    reason: str
    says: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)


class Repeated:
    """`block` over and over, `total` bytes, made as it is read: for a body larger than memory."""

    def __init__(self, block: bytes, total: int) -> None:
        self._block = block
        self._times = total // len(block)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._times):
            yield self._block


def keys() -> dict[str, str]:
    return {f"k{number}": "v" for number in range(KEYS)}


def ndjson(record: object) -> bytes:
    return b'{"body":"first"}\n' + json.dumps(record).encode() + b"\n"


def otlp_pairs() -> list[object]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in keys().items()]


def otlp(resource: list[object], record: list[object]) -> bytes:
    rows = [{"body": {"stringValue": "x"}, "attributes": record}]
    scopes = [{"logRecords": rows}]
    group = {"resource": {"attributes": resource}, "scopeLogs": scopes}
    return json.dumps({"resourceLogs": [group]}).encode()


def loki(labels: dict[str, str], metadata: dict[str, str]) -> bytes:
    entry = ["1790000000000000000", "x", metadata]
    return json.dumps({"streams": [{"stream": labels, "values": [entry]}]}).encode()


def zstd_bomb(size: int) -> bytes:
    """Zeros that expand 10,000-fold and more; the frame does not say how far."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    parts = [compressor.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join([*parts, compressor.flush()])


def gzip_bomb(size: int) -> bytes:
    """Zeros; gzip cannot make more than 1,030 bytes of one. A block that refers to none before it
    is the same each time, and is packed once."""
    block, times = bytes(MIB), size // MIB
    packer = zlib.compressobj(9, wbits=31)
    first, again = (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    checksum = 0
    for _ in range(times):
        checksum = zlib.crc32(block, checksum)
    last = b"\x03\0" + struct.pack("<II", checksum, times * MIB)
    return first + again * (times - 1) + last


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(0x80 | (number & 0x7F))
        number >>= 7
    return bytes([*out, number])


GZIP_BOMB, ZSTD_BOMB = gzip_bomb(GB), zstd_bomb(GB)
ATTRIBUTES = ("512", "10000", "put data into values")
EXPANDED = ("smaller batches",)
TOO_LARGE = ("16777216", "smaller batches")
RECORDS, OTLP, LOKI, LINES = "/ingest/records", "/v1/logs", "/loki/api/v1/push", "/ingest/lines"
ENDLESS = Repeated(b"x" * MIB, GB)
WRITE, BULK, HEC = "/api/v1/write", "/_bulk", "/services/collector/event"
PROTOBUF = {"Content_Type": "application/x-protobuf"}
GZIP, ZSTD = {"Content_Encoding": "gzip"}, {"Content_Encoding": "zstd"}
SNAPPY_CLAIM = varint(4 * GB) + b"\xfe\x01\x00" * 32
SNAPPY_BOMB = bytes(cramjam.snappy.compress_raw(bytes(64 * MIB)))

CASES = [
    Case("canonical attributes", RECORDS, ndjson({"body": "x", "attributes": keys()}),
         413, "attributes", ("line 2", *ATTRIBUTES)),
    Case("canonical resource", RECORDS, ndjson({"body": "x", "resource": keys()}),
         413, "attributes", ("line 2", *ATTRIBUTES)),
    Case("foreign keys", RECORDS + "?body_key=msg", ndjson(keys()),
         413, "attributes", ("line 2", *ATTRIBUTES)),
    Case("otlp attributes", OTLP, otlp([], otlp_pairs()),
         413, "attributes", ("record 1", *ATTRIBUTES), JSON),
    Case("otlp resource", OTLP, otlp(otlp_pairs(), []),
         413, "resource", ("resource", "10000", "64"), JSON),
    Case("loki labels", LOKI, loki(keys(), {}), 413, "resource", ("10000", "64"), JSON),
    Case("loki metadata", LOKI, loki({"app": "a"}, keys()),
         413, "attributes", ("record 1", *ATTRIBUTES), JSON),
    Case("gzip", LINES, GZIP_BOMB, 413, "expanded", EXPANDED,
         {"Content_Encoding": "gzip"}),
    Case("zstd", LINES, ZSTD_BOMB, 413, "expanded", EXPANDED, {"Content_Encoding": "zstd"}),
    Case("zstd claim", OTLP, zstandard.compress(bytes(256 * MIB)), 413, "expanded", EXPANDED,
         JSON | {"Content_Encoding": "zstd"}),
    Case("snappy claim", LOKI, SNAPPY_CLAIM, 413, "expanded", EXPANDED),
    Case("snappy", LOKI, SNAPPY_BOMB, 413, "expanded", EXPANDED),
    Case("snappy claim, remote write", WRITE, SNAPPY_CLAIM, 413, "expanded", EXPANDED, PROTOBUF),
    Case("snappy, remote write", WRITE, SNAPPY_BOMB, 413, "expanded", EXPANDED, PROTOBUF),
    *[
        Case(f"{name} {path}", path, bomb, 413, "expanded", EXPANDED, kind | encoded)
        for path, kind in (
            (OTLP, PROTOBUF), ("/v1/metrics", PROTOBUF), ("/v1/traces", JSON), (BULK, {}),
            (HEC, {}), (LOKI, JSON), ("/ingest/frames", {}),
        )
        for name, bomb, encoded in (("gzip", GZIP_BOMB, GZIP), ("zstd", ZSTD_BOMB, ZSTD))
    ],
    Case("gzip in gzip", OTLP, gzip.compress(GZIP_BOMB), 400, "protobuf", (), PROTOBUF | GZIP),
    Case("two encodings", LINES, GZIP_BOMB, 415, "encoding", ("identity, gzip or zstd",),
         {"Content_Encoding": "gzip, gzip"}),
    Case("1 GB of a bulk body", BULK, ENDLESS, 413, "body", TOO_LARGE),
    Case("1 GB of an event", HEC, ENDLESS, 413, "body", ()),
    Case("1 GB line", LINES, ENDLESS, 413, "body", TOO_LARGE),
    Case("1 GB line, announced", LINES, ENDLESS, 413, "body", TOO_LARGE,
         {"Content_Length": str(GB // MIB * MIB)}),
    Case("1 GB record", RECORDS, ENDLESS, 413, "body", TOO_LARGE),
    Case("20 MB line", LINES, b"x" * (20 * MIB), 413, "body", TOO_LARGE),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("hostile"))
    found.start()
    yield found
    found.kill()


def growth(server: Server, path: str, body: Body, headers: dict[str, str]) -> tuple[Answer, int]:
    """The answer, and how far the resident size rose above where it was."""
    before = server.forget_peak()
    answer = server.post(path, body, **headers)
    return answer, server.peak_bytes() - before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_and_counted_within_bounded_memory(server: Server, case: Case) -> None:
    counted = server.metric("tailrace_ingest_rejected_total", case.reason)
    answer, grown = growth(server, case.path, case.body, case.headers)
    text = answer.body.decode(errors="replace")
    assert answer.status == case.status, text
    assert all(words in text for words in case.says), text
    assert server.metric("tailrace_ingest_rejected_total", case.reason) == counted + 1
    assert grown <= GROWTH_BYTES


def test_many_hostile_bodies_at_once_stay_within_the_bound_of_all_bodies(server: Server) -> None:
    bodies = [case for case in CASES if case.reason in ("body", "expanded")] * 2
    before = server.forget_peak()
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = pool.map(lambda case: server.post(case.path, case.body, **case.headers), bodies)
        # One that must wait too long for its turn is told to come again.
        assert {answer.status for answer in answers} <= {413, 503}
    assert server.peak_bytes() - before <= ALL_GROWTH_BYTES


@pytest.mark.parametrize(
    ("reason", "line", "kept"),
    [("utf8", b"bad \xff byte", "bad \ufffd byte"), ("nul", b"a \0 byte", "a \ufffd byte")],
)
def test_a_broken_line_is_kept_repaired_and_counted(
    server: Server, reason: str, line: bytes, kept: str
) -> None:
    counted = server.metric("tailrace_ingest_repaired_total", reason)
    answer = server.post(f"/ingest/lines?service={reason}", line + b"\n")
    assert (answer.status, answer.json()) == (200, {"accepted": 1, "repaired": {reason: 1}})
    assert server.metric("tailrace_ingest_repaired_total", reason) == counted + 1
    server.until(lambda: server.counts(reason) == {reason: 1}, "stored")
    query = f"/loki/api/v1/query_range?query=%7Bservice_name%3D%22{reason}%22%7D"
    [stream] = server.get(query).json()["data"]["result"]
    assert stream["values"][0][1] == kept


def test_rows_of_many_days_in_one_body_hold_nobody_up(server: Server) -> None:
    days = (86_400_000_000_000 * day for day in range(1, 201))
    body = b"".join(b'{"time":%d,"body":"x","service":"days"}\n' % day for day in days)
    assert server.post("/ingest/records", body).status == 200
    assert server.post("/ingest/lines?service=behind", b"x\n").status == 200
    server.until(lambda: server.counts("behind") == {"behind": 1}, "stored")


def test_a_broken_record_is_named_and_nothing_of_its_body_is_taken(server: Server) -> None:
    body = b'{"body":"x","service":"half"}\n{"body":"\xff\n'
    answer = server.post("/ingest/records", body)
    assert (answer.status, answer.json()["reason"]) == (400, "json")
    assert "line 2" in answer.json()["error"]
    assert server.counts("half") == {}


def test_a_hundred_thousand_distinct_labels_hold_nobody_up(server: Server) -> None:
    before = server.forget_peak()
    for start in range(0, 100_000, 20_000):
        streams = [
            {"stream": {"service": "labelled", "pod": f"pod-{number}"},
             "values": [[str(time.time_ns()), f"line {number}"]]}
            for number in range(start, start + 20_000)
        ]  # fmt: skip
        answer = server.post(LOKI, json.dumps({"streams": streams}).encode(), **JSON)
        assert answer.status == 204, answer.body
    server.until(lambda: server.counts("labelled") == {"labelled": 100_000}, "all are stored")
    assert server.peak_bytes() - before <= ALL_GROWTH_BYTES
    query = quote('{service_name="labelled", pod="pod-77777"}')
    found = server.get(f"/loki/api/v1/query_range?query={query}&since=1h").json()["data"]["result"]
    assert [line for one in found for _, line in one["values"]] == ["line 77777"]


@pytest.mark.parametrize("name", ["../../etc", "a\nb", "nul\0", "x" * 10_000])
def test_an_odd_name_is_only_data(server: Server, name: str) -> None:
    """As an index, a tag, a label or an event's source it reaches no file and no statement."""
    action = json.dumps({"create": {"_index": name}})
    document = json.dumps({"message": f"odd {len(name)}", "service": {"name": name}})
    assert server.post(BULK, f"{action}\n{document}\n".encode()).status in (200, 400)
    event = {
        "event": f"odd {len(name)}",
        "source": name,
        "index": name,
        "fields": {"service": name},
    }
    assert server.post(HEC, json.dumps(event).encode()).status in (200, 400, 413)
    labels = {"service": name, "tenant": name}
    streams = [{"stream": labels, "values": [[str(time.time_ns()), f"odd {len(name)}"]]}]
    body = json.dumps({"streams": streams}).encode()
    assert server.post(LOKI, body, **JSON, X_Scope_OrgID="other").status in (204, 400, 413)
    assert server.get("/ready").status == 200


def test_the_server_stops_cleanly_after_all_that(server: Server) -> None:
    assert server.stop() == 0, server.log()
    errors = [line for line in (server.home / "server.log").read_text().splitlines()
              if '"severity":"ERROR"' in line]  # fmt: skip
    assert errors == []
