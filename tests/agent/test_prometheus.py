"""Scrapes of a real HTTP server."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answering import Answering, unused_port

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.feeders import feeders
from tailrace.agent.feeds.intake import Feeder
from tailrace.agent.feeds.prometheus import Target
from tailrace.agent.feeds.scheduled import Fetched
from tailrace.agent.inputs import PrometheusInput
from tailrace.agent.settings import AgentSettings
from tailrace.agent.source import Piece
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Codec, Signal
from tailrace.core.units import Seconds
from tailrace.wire import samples

TEXT = b"""\
# TYPE requests_total counter
requests_total{code="200",job="theirs"} 7
temperature 21.5
"""


def target(answering: Answering, path: str = "/metrics", **changes: Any) -> Target:
    source = PrometheusInput(**{"timeout": Seconds("2s"), **changes})
    return Target(source, answering.url + path, ManualClock())


def found(fetched: Fetched) -> dict[str, dict[str, Any]]:
    """Samples by name."""
    rows: list[dict[str, Any]] = []
    for batch in fetched.batches:
        samples.check(batch.data)
        assert batch.data.count(b"\n") == batch.rows
        assert (batch.signal, batch.codec, batch.checked) == (Signal.METRICS, Codec.RECORDS, True)
        rows += map(json.loads, batch.data.splitlines())
    return {row["name"]: row for row in rows}


def test_a_scrape_gives_the_samples_and_what_is_known_of_it(answering: Answering) -> None:
    answering.body = TEXT
    scraped = target(answering, service="shop").scrape()
    rows = found(scraped)
    labels = {"job": "shop", "instance": answering.host}
    assert scraped.failure == ""
    assert rows["requests_total"]["value"] == 7
    assert rows["requests_total"]["kind"] == "counter"
    assert rows["requests_total"]["attributes"] == {
        "code": "200",
        "exported_job": "theirs",
        **labels,
    }
    assert rows["up"]["value"] == 1
    assert rows["up"]["attributes"] == labels
    assert rows["scrape_samples_scraped"]["value"] == 2
    assert 0 < rows["scrape_duration_seconds"]["value"] < 5
    assert {row["time"] for row in rows.values()} == {ManualClock().wall_ns()}


def test_what_is_asked_says_what_is_understood(answering: Answering, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("example-token\n")
    asking = target(
        answering, "", headers={"X-Scope": "a"}, token_file=str(tmp_path / "token"), service="x"
    )
    asking.scrape()
    (tmp_path / "token").write_text("newer-token\n")
    asking.scrape()
    path, headers = answering.asked[0]
    assert path == "/metrics"
    assert headers["Accept"].startswith("application/openmetrics-text;version=1.0.0")
    assert (headers["X-Scope"], headers["Accept-Encoding"]) == ("a", "gzip")
    tokens = [headers["Authorization"] for _, headers in answering.asked]
    assert tokens == ["Bearer example-token", "Bearer newer-token"]


def test_the_media_type_decides_the_format(answering: Answering) -> None:
    answering.body = b"# TYPE a counter\na_total 1 1520879607.789\n# EOF\n"
    answering.headers = {"Content-Type": "application/openmetrics-text; version=1.0.0"}
    rows = found(target(answering).scrape())
    assert (rows["a_total"]["kind"], rows["a_total"]["time"]) == ("counter", 1520879607789000000)
    answering.body = answering.body.removesuffix(b"# EOF\n")
    assert found(target(answering).scrape())["up"]["value"] == 0


def test_a_compressed_answer_is_expanded(answering: Answering) -> None:
    answering.body = gzip.compress(TEXT)
    answering.headers = {"Content-Encoding": "gzip"}
    assert found(target(answering).scrape())["temperature"]["value"] == 21.5


def test_many_samples_come_in_batches_that_fit_a_frame(answering: Answering) -> None:
    answering.body = b"".join(b'a{n="%d"} 1\n' % n for n in range(20_000))
    scraped = target(answering).scrape()
    assert sum(batch.rows for batch in scraped.batches) == 20_003
    assert max(len(batch.data) for batch in scraped.batches) < limits.INTAKE_BYTES // 4


def endless(out: Any) -> None:
    out.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1000):
        out.write(b"# " + b"x" * 100_000 + b"\n")


def slow_header(out: Any) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    for _ in range(200):
        out.write(b"a")
        time.sleep(0.05)


def slow_body(out: Any) -> None:
    out.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(200):
        out.write(b"a 1\n")
        time.sleep(0.05)


def cut(out: Any) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n")


def cut_chunk(out: Any) -> None:
    out.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\na 1\n")


def gibberish(out: Any) -> None:
    out.write(b"SSH-2.0-example secret\r\n")


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (endless, "larger than"),
        (slow_header, "timed out"),
        (slow_body, "timed out"),
        (cut, "ended early"),
        (cut_chunk, "IncompleteRead"),
        (gibberish, "BadStatusLine"),
    ],
)
def test_a_target_that_answers_badly_is_down(
    answering: Answering, write: Callable[[Any], None], why: str
) -> None:
    answering.write = write
    start_s = time.monotonic()
    scraped = target(answering, timeout=Seconds("300ms")).scrape()
    assert time.monotonic() - start_s < 3.0
    assert why in scraped.failure
    rows = found(scraped)
    assert (rows["up"]["value"], rows["scrape_samples_scraped"]["value"], len(rows)) == (0, 0, 3)


BOMB = gzip.compress(b"\n" * (limits.SCRAPE_BYTES + 1))


@pytest.mark.parametrize(
    ("status", "headers", "body", "why"),
    [
        (503, {}, TEXT, "status 503"),
        (302, {"Location": "http://169.254.169.254/"}, b"", "redirects are not followed"),
        (200, {"Content-Encoding": "br"}, TEXT, "not gzip"),
        (200, {"Content-Encoding": "gzip"}, TEXT, "not valid gzip"),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(TEXT)[:-9], "whole gzip member"),
        (200, {"Content-Encoding": "gzip"}, BOMB, "larger than"),
        (200, {}, TEXT + b"secret{\n", "line 4"),
        (200, {}, b"a 1\n" * (limits.SCRAPE_SAMPLES + 1), "more than"),
        (200, {}, b'a{b="' + b"x" * 5000 + b'"} 1\n', "label is longer"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_whole(
    answering: Answering, status: int, headers: dict[str, str], body: bytes, why: str
) -> None:
    answering.status, answering.headers, answering.body = status, headers, body
    scraped = target(answering, timeout=Seconds("10s")).scrape()
    assert why in scraped.failure
    assert "secret" not in scraped.failure
    assert set(found(scraped)) == {"up", "scrape_duration_seconds", "scrape_samples_scraped"}
    assert len(answering.asked) == 1


def test_a_target_that_is_not_there_is_down() -> None:
    url = f"http://127.0.0.1:{unused_port()}/metrics"
    scraped = Target(PrometheusInput(), url).scrape()
    assert (scraped.failure, found(scraped)["up"]["value"]) == ("Connection refused", 0)


def test_numbers_that_json_has_not_arrive(answering: Answering) -> None:
    answering.body = b"a NaN\nb -Inf\n"
    rows = found(target(answering).scrape())
    assert (rows["a"]["value"], rows["b"]["value"]) == ("NaN", "-Inf")
    assert math.isnan(float(rows["a"]["value"]))


def test_the_instance_of_an_address_is_written_as_in_a_url() -> None:
    assert Target(PrometheusInput(), "https://[::1]/x").instance == "[::1]:443"
    assert Target(PrometheusInput(), "http://example.com").instance == "example.com:80"


def test_an_empty_block_of_gzip_after_another_ends(answering: Answering) -> None:
    packer = zlib.compressobj(wbits=31)
    stream = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    answering.headers = {"Content-Encoding": "gzip"}
    answering.body = stream + b"\x00\x00\x00\xff\xff" * (limits.SCRAPE_BYTES // 5 + 1)
    assert "larger than" in target(answering, timeout=Seconds("10s")).scrape().failure


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, with its key, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "both.pem"
    words = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
    )
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", "-"]
    made = subprocess.run([*words.split(), *extra], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


def encrypted(answering: Answering, certificate: Path) -> str:
    """From now on it speaks TLS; its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    plain = answering._server.socket
    answering._server.socket = context.wrap_socket(
        plain, server_side=True, do_handshake_on_connect=False
    )
    return f"https://{answering.host}/metrics"


def test_https_asks_only_whom_it_can_trust(
    answering: Answering, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = encrypted(answering, certificate)
    answering.body = TEXT
    source = PrometheusInput(timeout=Seconds("2s"))
    assert "certificate is not trusted" in Target(source, url).scrape().failure
    assert answering.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trusting = Target(source, url)
    for _ in range(2):
        assert found(trusting.scrape())["up"]["value"] == 1
    assert answering.asked[0][1]["Host"] == answering.host
    answering.write = slow_body
    slow = Target(PrometheusInput(timeout=Seconds("300ms")), url)
    assert slow.scrape().failure == "timed out"


def test_a_handshake_that_never_ends_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        scraped = Target(PrometheusInput(timeout=Seconds("200ms")), url).scrape()
    assert scraped.failure == "timed out"


def test_each_target_has_a_feeder_of_its_own(answering: Answering) -> None:
    answering.body = TEXT
    source = PrometheusInput(
        targets=[answering.url + "/a", f"http://127.0.0.1:{unused_port()}"],
        interval=Seconds("1s"),
    )
    woken = threading.Event()
    settings = AgentSettings([source], "unused", [])
    made = feeders(settings, State("agent", 1), woken.set)
    for feeder in made:
        feeder.start()
    try:
        assert answering.wait(1)
        pieces = [piece_of(feeder) for feeder in made]
    finally:
        for feeder in made:
            feeder.stop()
    assert [piece.signal for piece in pieces] == [Signal.METRICS] * 2
    assert b'"temperature"' in bytes(pieces[0].data)
    assert pieces[1].rows == 3
    assert len({feeder.intake.key for feeder in made}) == 2


def piece_of(feeder: Feeder) -> Piece:
    """The first piece of its intake."""
    end_s = time.monotonic() + 10.0
    while time.monotonic() < end_s:
        piece = feeder.intake.read(1 << 20, time.monotonic(), hurry=True)
        if piece is not None:
            return piece
        time.sleep(0.01)
    raise AssertionError("nothing came")
