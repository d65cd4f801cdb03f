"""Somebody else's clients send to the doors of the real command; a query finds what they sent."""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest
from elasticsearch import Elasticsearch, helpers
from fluent.sender import FluentSender
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetrics,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetrics,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from running import Server, free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))
sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from certificates import authority, signed
from exposition import served
from test_opentelemetry import Exporters, speak

DEBIAN = Path(__file__).resolve().parents[2] / ".venv/debian"
PROMETHEUS = DEBIAN / "usr/bin/prometheus"
SYSLOG_NG = DEBIAN / "usr/sbin/syslog-ng"
TYPES = (
    "otlp", "otlp-grpc", "loki", "elasticsearch", "splunk", "prometheus", "syslog-udp",
    "syslog-tcp", "forward",
)  # fmt: skip
Ports = dict[str, int]


def datagram_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports() -> Ports:
    return {kind: datagram_port() if kind == "syslog-udp" else free_port() for kind in TYPES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> Iterator[Server]:
    doors = ", ".join(
        f'{{type="{kind}", listen="127.0.0.1:{port}"}}' for kind, port in ports.items()
    )
    found = Server(tmp_path_factory.mktemp("doors"), TAILRACE_SERVER__DOORS=f"[{doors}]")
    found.start()
    yield found
    found.kill()


def entries(server: Server, query: str) -> list[tuple[dict[str, str], str]]:
    """Labels and line of each row that a query of the last hours finds."""
    path = f"/loki/api/v1/query_range?query={quote(query)}&since=6h&limit=1000"
    result = server.get(path).json()["data"]["result"]
    return [(one["stream"], line) for one in result for _, line in one["values"]]


def found(server: Server, query: str, count: int = 1) -> list[tuple[dict[str, str], str]]:
    """The rows, as soon as there are so many."""
    rows: list[tuple[dict[str, str], str]] = []

    def there() -> bool:
        rows[:] = entries(server, query)
        return len(rows) >= count

    server.until(there, f"{count} rows of {query}")
    assert len(rows) == count
    return rows


def series(server: Server, query: str) -> list[dict[str, Any]]:
    """The series of an instant query of metrics, as soon as there is one."""
    result: list[dict[str, Any]] = []

    def there() -> bool:
        result[:] = server.get(f"/api/v1/query?query={quote(query)}").json()["data"]["result"]
        return bool(result)

    server.until(there, f"a series of {query}", 60.0)
    return result


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_opentelemetrys_sdk(server: Server, ports: Ports, protocol: str) -> None:
    if protocol == "grpc":
        address: dict[str, Any] = {
            "endpoint": f"127.0.0.1:{ports['otlp-grpc']}", "insecure": True,
        }  # fmt: skip
        made = Exporters(GrpcLogs(**address), GrpcMetrics(**address), GrpcSpans(**address))
    else:
        url = f"http://127.0.0.1:{ports['otlp']}/v1"
        made = Exporters(
            HttpLogs(f"{url}/logs"), HttpMetrics(f"{url}/metrics"), HttpSpans(f"{url}/traces")
        )
    trace_id, span_id = speak(made)
    rows: list[tuple[dict[str, str], str]] = []

    def logged() -> bool:
        rows[:] = [
            (labels, line)
            for labels, line in entries(server, '{service_name="shop"} |= "is late"')
            if labels.get("trace_id") == trace_id
        ]
        return bool(rows)

    server.until(logged, "the log record")
    ((labels, line),) = rows
    assert (line, labels["level"], labels["host_name"]) == ("order 7 is late", "warn", "h1")
    server.until(lambda: server.get(f"/api/traces/{trace_id}").status == 200, "the trace")
    (trace,) = server.get(f"/api/traces/{trace_id}").json()["data"]
    assert [(one["operationName"], one["spanID"]) for one in trace["spans"]] == [("pay", span_id)]
    (orders,) = series(server, 'orders{country="ch"}')
    assert orders["value"][1] == "3"
    assert series(server, "latency_bucket")


def test_the_bulk_helper_of_elasticsearchs_client(server: Server, ports: Ports) -> None:
    with Elasticsearch(f"http://127.0.0.1:{ports['elasticsearch']}") as client:
        documents = [
            {"_op_type": "create", "_index": "logs-shop-default", "message": f"from bulk {n}",
             "log": {"level": "error"}, "service": {"name": "bulk-shop"}, "host": {"name": "h2"}}
            for n in range(50)
        ]  # fmt: skip
        assert helpers.bulk(client, documents) == (50, [])
    rows = found(server, '{service_name="bulk-shop"} |= "from bulk"', 50)
    assert {line for _, line in rows} == {f"from bulk {n}" for n in range(50)}
    assert {(labels["level"], labels["host_name"]) for labels, _ in rows} == {("error", "h2")}


def test_fluent_logger(server: Server, ports: Ports) -> None:
    sender = FluentSender("shop", "127.0.0.1", ports["forward"], nanosecond_precision=True)
    try:
        assert sender.emit("cart", {"message": "from fluent", "level": "warn", "service": "cart"})
    finally:
        sender.close()
    ((labels, line),) = found(server, '{service_name="cart"} |= "from fluent"')
    assert (line, labels["level"], labels["fluent_tag"]) == ("from fluent", "warn", "shop.cart")


@pytest.mark.parametrize("way", [["--udp"], ["--tcp", "--octet-count"]], ids=["udp", "tcp"])
def test_logger_of_util_linux(server: Server, ports: Ports, way: list[str]) -> None:
    door = "syslog-udp" if way == ["--udp"] else "syslog-tcp"
    address = ["--server", "127.0.0.1", "--port", str(ports[door])]
    words = ["--tag", "deploy", "--priority", "user.err", f"from logger {door}"]
    subprocess.run(["logger", *address, *way, *words], check=True)
    ((labels, _),) = found(server, f'{{service_name="deploy"}} |= "from logger {door}"')
    assert (labels["level"], labels["syslog_facility"]) == ("error", "user")


def test_pythons_syslog_handler(server: Server, ports: Ports) -> None:
    handler = logging.handlers.SysLogHandler(("127.0.0.1", ports["syslog-udp"]))
    handler.setFormatter(logging.Formatter("pyshop[%(process)d]: %(message)s"))
    handler.handle(logging.makeLogRecord({"msg": "from python", "levelname": "WARNING"}))
    handler.close()
    ((labels, _),) = found(server, '{service_name="pyshop"} |= "from python"')
    assert labels["syslog_procid"] == str(os.getpid())


@contextlib.contextmanager
def running(*command: str, **variables: str) -> Iterator[None]:
    silent = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdout=silent, stderr=silent, env={**os.environ, **variables}
    ) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.skipif(not shutil.which("rsyslogd"), reason="rsyslogd is not installed")
def test_rsyslog(server: Server, ports: Ports, tmp_path: Path) -> None:
    (tmp_path / "in.log").write_text("from rsyslog\n")
    config = tmp_path / "rsyslog.conf"
    config.write_text(
        f'global(workDirectory="{tmp_path}")\n'
        'module(load="imfile" PollingInterval="1")\n'
        f'input(type="imfile" File="{tmp_path}/in.log" Tag="rshop:" Severity="warning")\n'
        f'action(type="omfwd" target="127.0.0.1" port="{ports["syslog-tcp"]}" protocol="tcp"\n'
        ' TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")\n'
    )
    with running("rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "pid")):
        ((labels, _),) = found(server, '{service_name="rshop"} |= "from rsyslog"')
    assert labels["level"] == "warn"


@pytest.mark.skipif(not SYSLOG_NG.exists(), reason="syslog-ng is not unpacked")
def test_syslog_ng(server: Server, ports: Ports, tmp_path: Path) -> None:
    (tmp_path / "in.log").write_text("from syslog-ng\n")
    config = tmp_path / "syslog-ng.conf"
    config.write_text(
        "@version: 3.38\n"
        f'source s {{ file("{tmp_path}/in.log" flags(no-parse) program-override("ngshop")); }};\n'
        f'destination d {{ syslog("127.0.0.1" port({ports["syslog-tcp"]}) transport("tcp")); }};\n'
        "log { source(s); destination(d); };\n"
    )
    libraries = ("usr/lib/syslog-ng", "usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
    words = [
        "--foreground", "--cfgfile", str(config), "--persist-file", str(tmp_path / "persist"),
        "--pidfile", str(tmp_path / "pid"), "--control", str(tmp_path / "ctl"),
        "--module-path", str(DEBIAN / "usr/lib/syslog-ng/3.38"),
    ]  # fmt: skip
    path = ":".join(str(DEBIAN / one) for one in libraries)
    with running(str(SYSLOG_NG), *words, LD_LIBRARY_PATH=path):
        found(server, '{service_name="ngshop"} |= "from syslog-ng"')


def test_an_otlp_series_ends_where_a_point_has_no_recorded_value(server: Server) -> None:
    now = int(time.time())
    points = [
        {"timeUnixNano": f"{now - 60}000000000", "asInt": "7"},
        {"timeUnixNano": f"{now - 30}000000000", "flags": 1},
    ]
    metric = {"name": "ended.gauge", "gauge": {"dataPoints": points}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).encode()
    assert server.post("/otlp/v1/metrics", body, content_type="application/json").status == 200

    def at(before_s: int) -> list[str]:
        answer = server.get(f"/api/v1/query?query=ended_gauge&time={now - before_s}")
        return [one["value"][1] for one in answer.json()["data"]["result"]]

    server.until(lambda: at(40) == ["7"], "the value")
    assert at(20) == []


@contextlib.contextmanager
def scraping(directory: Path, target: int, door: int) -> Iterator[None]:
    """Prometheus, which takes native histograms too and writes all to the door."""
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        "scrape_configs:\n"
        f'  - {{job_name: itself, static_configs: [{{targets: ["127.0.0.1:{target}"]}}]}}\n'
        "remote_write:\n"
        f"  - url: http://127.0.0.1:{door}/api/v1/write\n"
        "    send_native_histograms: true\n"
        "    queue_config: {batch_send_deadline: 500ms}\n"
    )
    words = [
        f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0", "--enable-feature=native-histograms",
    ]  # fmt: skip
    with running(str(PROMETHEUS), *words):
        yield


@pytest.mark.skipif(not PROMETHEUS.exists(), reason="Prometheus is not unpacked")
def test_prometheus_writes_native_histograms_that_queries_find_as_classic_ones(
    server: Server, ports: Ports, tmp_path: Path
) -> None:
    with served() as target, scraping(tmp_path, target, ports["prometheus"]):
        found = series(server, "max by (le) (shop_wait_seconds_bucket)")
        assert {one["metric"]["le"]: float(one["value"][1]) for one in found} == {
            "-1": 0, "-0.5": 1, "0.001": 3, "0.5": 3, "1": 6, "2": 6, "4": 6, "8": 10, "+Inf": 10,
        }  # fmt: skip
        (total,) = series(server, 'shop_wait_seconds_sum{kind="paid"}')
        assert total["value"][1] == "25.5"


@pytest.mark.skipif(not PROMETHEUS.exists(), reason="Prometheus is not unpacked")
def test_prometheus_writes_what_it_scraped(server: Server, ports: Ports, tmp_path: Path) -> None:
    with scraping(tmp_path, server.port, ports["prometheus"]):
        (up,) = series(server, 'up{job="itself"}')
        assert up["value"][1] == "1"
        server.until(
            lambda: bool(series(server, 'rate(tailrace_ingest_rows_total{job="itself"}[1m])')),
            "a rate of its own counter",
            60.0,
        )


@pytest.mark.parametrize(
    ("door", "path", "body", "headers"),
    [
        ("splunk", "/services/collector/event",
         '{"event":"from curl splunk","sourcetype":"x","fields":{"service":"curl-splunk"}}', ()),
        ("loki", "/loki/api/v1/push",
         '{"streams":[{"stream":{"service":"curl-loki"},"values":[["NOW","from curl loki"]]}]}',
         ("-H", "Content-Type: application/json")),
    ],
)  # fmt: skip
def test_curl(
    server: Server, ports: Ports, door: str, path: str, body: str, headers: tuple[str, ...]
) -> None:
    url = f"http://127.0.0.1:{ports[door]}{path}"
    data = body.replace("NOW", str(time.time_ns()))
    done = subprocess.run(
        ["curl", "--silent", "--fail", *headers, "--data", data, url], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    found(server, f'{{service_name=~".+"}} |= "from curl {door}"')


def test_a_door_serves_its_own_protocol_alone(server: Server, ports: Ports) -> None:
    def status(port: int, path: str) -> int:
        url = f"http://127.0.0.1:{port}{path}"
        words = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data", "x"]
        return int(subprocess.run(["curl", *words, url], capture_output=True).stdout)

    assert status(ports["loki"], "/v1/logs") == 404
    assert status(ports["otlp"], "/ingest/lines") == 404
    assert status(ports["otlp"], "/loki/api/v1/query") == 404
    assert server.post("/ingest/lines?service=main", b"x\n").status == 200


def test_a_usual_door_whose_address_is_taken_stays_closed(start: Callable[..., Server]) -> None:
    first = start()
    del first.environment["TAILRACE_SERVER__DOORS"]
    with contextlib.ExitStack() as held:
        for port in (4317, 4318):
            taken = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody else has it, which will do
                taken.bind(("127.0.0.1", port))
                taken.listen()
        assert first.stop() == 0
        first.start()
        assert first.log().count("a usual door stays closed") == 2


def test_a_door_whose_address_is_taken_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for kind in ("loki", "otlp-grpc", "syslog-tcp", "forward"):
            doors = f'[{{type="{kind}", listen="{address}"}}]'
            server = Server(tmp_path / kind, TAILRACE_SERVER__DOORS=doors)
            server.home.mkdir()
            server.launch()
            assert server.process
            assert server.process.wait(60.0) in (1, 2)
            assert server.log().splitlines()[-1].startswith("tailrace: ")
            assert address.partition(":")[2] in server.log().splitlines()[-1]


@contextlib.contextmanager
def connected(tls: ssl.SSLContext, port: int) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        tls.wrap_socket(plain, server_hostname="127.0.0.1") as over,
    ):
        yield over


def test_doors_over_tls(tmp_path: Path) -> None:
    authority(tmp_path)
    signed(tmp_path, "server")
    (tmp_path / "forward.key").write_text("a shared key\n")
    ports = {kind: free_port() for kind in ("otlp-grpc", "loki", "syslog-tcp", "forward")}
    key = f', shared_key_file="{tmp_path}/forward.key"'
    doors = ", ".join(
        f'{{type="{kind}", listen="127.0.0.1:{port}", tls=true{key if kind == "forward" else ""}}}'
        for kind, port in ports.items()
    )
    ca = str(tmp_path / "ca.pem")
    server = Server(
        tmp_path,
        TAILRACE_SERVER__DOORS=f"[{doors}]",
        TAILRACE_SERVER__TLS_CERT=str(tmp_path / "server.pem"),
        TAILRACE_SERVER__TLS_KEY=str(tmp_path / "server.key"),
    )
    server.tls = ssl.create_default_context(cafile=ca)
    server.start()
    try:
        credentials = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
        address: dict[str, Any] = {
            "endpoint": f"127.0.0.1:{ports['otlp-grpc']}", "credentials": credentials,
        }  # fmt: skip
        speak(Exporters(GrpcLogs(**address), GrpcMetrics(**address), GrpcSpans(**address)))
        found(server, '{service_name="shop"} |= "is late"')
        entry = f'[["{time.time_ns()}","over tls"]]'
        body = f'{{"streams":[{{"stream":{{"service":"tls"}},"values":{entry}}}]}}'
        url = f"https://127.0.0.1:{ports['loki']}/loki/api/v1/push"
        words = ["--silent", "--fail", "--cacert", ca, "-H", "Content-Type: application/json"]
        subprocess.run(["curl", *words, "--data", body, url], check=True)
        found(server, '{service_name="tls"}')
        with connected(server.tls, ports["syslog-tcp"]) as over:
            over.sendall(b"<11>tlsd[1]: over tls\n")
        found(server, '{service_name="tlsd"} |= "over tls"')
        with connected(server.tls, ports["forward"]) as over:
            assert b"HELO" in over.recv(1024)  # it wants to know the key first
    finally:
        server.kill()
