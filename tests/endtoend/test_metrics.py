"""Metrics through the real command: frames in, answers and Parquet out, beside logs."""

from __future__ import annotations

import time
from urllib.parse import quote

import msgspec
import pyarrow.parquet as pq
from running import Server, Start

from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.payload import compress, describe
from tailrace.store.manifest import Manifest
from tailrace.wire import frames, samples
from tailrace.wire.samples import Sample

SECOND = 1_000_000_000
POINTS = 20
HOSTS = 3


def frame(data: bytes, seq: int, source: str, signal: Signal, **resource: str) -> Frame:
    facts = describe(data)
    named = {key.replace("_", "."): value for key, value in resource.items()}
    header = Header(
        "default", source, 1, seq, facts.rows, facts.bytes, facts.checksum, time.time_ns(),
        signal=signal, codec=Codec.RECORDS, resource=named,
    )  # fmt: skip
    return Frame(header, compress(data))


def batch(now_ns: int) -> list[Frame]:
    """Of each host a frame of samples and one of logs."""
    found: list[Frame] = []
    for host in range(HOSTS):
        name = f"h{host}"
        points = [
            Sample(now_ns - n * SECOND, "system.cpu.time", 100.0 - n, "counter", "s", {"cpu": "0"})
            for n in range(POINTS)
        ]
        data = samples.encode(points)
        found.append(frame(data, 1, f"{name}-metrics", Signal.METRICS, host_name=name))
        logs = b'{"body":"beside","service":"web"}\n' * 5
        found.append(frame(logs, 1, f"{name}-logs", Signal.LOGS, host_name=name))
    return found


def vector(server: Server, query: str) -> dict[str, float]:
    answer = server.get(f"/api/v1/query?query={quote(query)}")
    assert answer.status == 200, answer
    result = answer.json()["data"]["result"]
    return {one["metric"].get("host_name", ""): float(one["value"][1]) for one in result}


def broken(server: Server, good: Frame) -> None:
    """A line that is no sample is refused whole, and says which one it is."""
    line = b'{"time":1,"name":"x","value":"much"}\n'
    bad = frame(samples.encode([Sample(1, "x", 1)]) + line, 9, "bad", Signal.METRICS)
    answer = server.post("/ingest/frames", frames.encode([good, bad]))
    assert (answer.status, answer.json()["reason"]) == (400, "field")
    assert "frame 2: line 2" in answer.json()["error"]


def test_samples_are_answered_and_archived_once_beside_logs(start: Start) -> None:
    server = start()
    now_ns = time.time_ns()
    sent = batch(now_ns)
    broken(server, sent[0])
    # The engine reads this one otherwise than its header says: it goes the slow way, alone.
    twice = b'{"time":%d,"name":"twice","name":"twice","value":1}\n' % now_ns
    odd = frame(twice, 1, "odd", Signal.METRICS)
    body = frames.encode([odd, *sent])
    for _ in range(2):  # the second time they are duplicates
        answer = server.post("/ingest/frames", body)
        assert answer.json()["accepted"] == HOSTS * (POINTS + 5) + 1
    server.until(lambda: len(vector(server, "system_cpu_time")) == HOSTS, "stored")
    hosts = {f"h{n}" for n in range(HOSTS)}
    assert vector(server, "system_cpu_time") == dict.fromkeys(hosts, 100.0)
    assert vector(server, 'sum({"system.cpu.time"})') == {"": 100.0 * HOSTS}
    server.until(lambda: vector(server, "twice") == {"": 1.0}, "repaired")
    rates = vector(server, 'rate(system_cpu_time{cpu="0"}[1m])')
    assert rates.keys() == hosts and all(0.3 < rate < 1.1 for rate in rates.values())
    server.until(lambda: server.counts("web") == {"web": 5 * HOSTS}, "stored")
    rows = HOSTS * (POINTS + 5) + 1
    server.until(lambda: server.metric("tailrace_archive_rows_total") == rows, "archived")
    assert server.metric("tailrace_dead_letters_total") == 0
    assert server.metric("tailrace_writer_repaired_total") == 1
    assert server.stop() == 0, server.log()
    check_archive(server)


def check_archive(server: Server) -> None:
    folder = server.data / "archive"
    found = []
    for path in Manifest(folder / "manifest").paths():
        if path.startswith("metrics/"):
            found += pq.ParquetFile(folder / path).read(["Labels", "Value"]).to_pylist()
    assert len(found) == HOSTS * POINTS + 1
    hosts = {dict(row["Labels"]).get("host.name", "") for row in found}
    assert hosts == {"", "h0", "h1", "h2"}


def test_metrics_and_logs_of_a_killed_server_are_there_once(start: Start) -> None:
    server = start()
    now_ns = time.time_ns()
    for n in range(3):
        for one in batch(now_ns):
            header = msgspec.structs.replace(one.header, seq=n)
            again = Frame(header, one.payload)
            assert server.post("/ingest/frames", frames.encode([again])).status == 200
    server.kill()
    server.start()
    server.until(lambda: server.counts("web") == {"web": 15 * HOSTS}, "stored")
    rows = HOSTS * (POINTS + 5) * 3
    server.until(lambda: archived(server) == rows, "archived")
    assert server.stop() == 0, server.log()
    assert archived(server) == rows


def archived(server: Server) -> int:
    return Manifest(server.data / "archive" / "manifest").listing.rows
