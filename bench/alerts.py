"""1,000 rules over 200 services beside 5,000 rows a second: what they cost and whether in time.

Small requests whose rows are of SERVICES services, first without rules, then with them: the rules
cost what the server's CPU seconds differ by. With them, at random moments a row is an event that
one rule waits for, evaluated or with a stream, until a webhook is told of its alert.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import zstandard

from bench import process
from bench.figures import Figure, at_most, percentile, plain
from bench.server import Server
from tailrace.app.demo.shop import records

SERVICES = 200
ROWS_PER_S = 5_000
REQUEST_ROWS = 50
SENDERS = 2
SECONDS = 120
INTERVAL_S = 15
# Rows of so many seconds are sent again and again, each time as if they were new.
LOAD_S = 20
SETTLE_S = 30.0
# Drawn between 0 and twice this, so that events are anywhere between two slots.
EVENT_EVERY_S = 0.5
POLL_S = 0.25
FIRING_S = 60.0
SEED = 20_260_104
_HEADERS = {"Content-Type": "application/x-ndjson", "Content-Encoding": "zstd"}
_GROUP = """
- name: {service}
  interval: {interval}s
  rules:
  - alert: Errors
    expr: >
      sum(rate({{service_name="{service}", level="error"}}[5m]))
      / sum(rate({{service_name="{service}"}}[5m])) > 0.5
    for: 1m
    labels: {{severity: page}}
    annotations: {{summary: "{{{{ $value | humanizePercentage }}}} of lines are errors"}}
  - alert: Warnings
    expr: >
      sum by (host_name) (count_over_time({{service_name="{service}", level="warn"}}[1m])) > 1000
  - alert: Slow
    expr: sum(count_over_time({{service_name="{service}"}} |= "slow query" [1m])) > 1000
    for: 1m
  - alert: Silent
    expr: absent_over_time({{service_name="{service}"}}[5m])
  - alert: Event
    expr: sum(count_over_time({{service_name="{service}"}} |= "bench-event" [1m])) > 0
    labels: {{service: {service}}}
"""
_STREAM = """
- name: urgent
  rules:
  - alert: Urgent
    stream: '{service_name=~"bench-.+"} |= "bench-urgent"'
    by: [service_name]
    labels: {service: "{{ $labels.service_name }}"}
"""
_CONFIG = """
[alerts]
rules = ["{rules}"]
group_by = ["alertname", "service"]

[[alerts.receivers]]
name = "bench"
kind = "webhook"
url = "http://127.0.0.1:{port}/"
"""
# Alerts and the texts that they wait for.
_EVENTS = {"Event": "bench-event", "Urgent": "bench-urgent"}


@dataclass
class Measured:
    """The server's CPU seconds; its metrics before and after; how long after their slots groups
    were done, and by alert the seconds from each event to its webhook."""

    cpu_s: float
    before: dict[str, float]
    after: dict[str, float]
    lags: list[float]
    seen: dict[str, list[float]]

    def grown(self, what: str) -> float:
        """By how much a metric of rules grew."""
        name = f"tailrace_rule_{what}_total"
        return self.after.get(name, 0.0) - self.before.get(name, 0.0)


def measure(scratch: Path) -> list[Figure]:
    """About five minutes. Raises RuntimeError."""
    rules = scratch / "rules.yml"
    rules.write_text("groups: []\n")
    with Webhook() as webhook:
        more = _CONFIG.format(rules=rules, port=webhook.port)
        with Server(scratch / "server", more) as server, load(server.port):
            time.sleep(SETTLE_S)
            without = measured(server, SECONDS)
            rules.write_text("groups:" + "".join(map(_group, services())) + _STREAM)
            server.await_metric("tailrace_rule_evaluations_total", 5.0 * SERVICES, FIRING_S)
            time.sleep(SETTLE_S)
            loaded = measured(server, SECONDS, _Events(server.port, webhook))
    return _figures(without, loaded)


def figures_of_rules(without: Measured, loaded: Measured, seconds: float) -> list[Figure]:
    """What rules cost that were measured for so long, and whether they were in time."""
    grown = loaded.grown
    return [
        plain("CPU without rules", without.cpu_s / seconds, "cores"),
        at_most("CPU of the rules", (loaded.cpu_s - without.cpu_s) / seconds, "cores", 0.5),
        plain("slots evaluated", grown("evaluations"), "slots"),
        at_most("slots missed", grown("missed") + grown("late"), "slots", 0),
        at_most("failures", grown("failures"), "failures", 0),
        plain("seconds that groups took", grown("seconds"), "s"),
        plain("slot to evaluated, p50", percentile(loaded.lags, 0.5), "s"),
        at_most("slot to evaluated, p99", percentile(loaded.lags, 0.99), "s", INTERVAL_S),
    ]


def _figures(without: Measured, loaded: Measured) -> list[Figure]:
    event, urgent = loaded.seen["Event"], loaded.seen["Urgent"]
    return [
        plain("rules", 5 * SERVICES + 1, "rules"),
        *figures_of_rules(without, loaded, SECONDS),
        at_most("event to webhook, p50", percentile(event, 0.5), "s", 10),
        at_most("event to webhook, p99", percentile(event, 0.99), "s", 20),
        at_most("event to webhook, worst", max(event), "s", 60),
        plain("event to webhook with a stream, p50", percentile(urgent, 0.5), "s"),
        at_most("event to webhook with a stream, p99", percentile(urgent, 0.99), "s", 2),
        plain("events of each", min(len(event), len(urgent)), "events"),
    ]


def services() -> Sequence[str]:
    """Their names."""
    return [f"bench-{number:03d}" for number in range(SERVICES)]


def _group(service: str) -> str:
    return _GROUP.format(service=service, interval=INTERVAL_S)


def measured(server: Server, seconds: float, events: _Events | None = None) -> Measured:
    """So many seconds of it. Raises RuntimeError."""
    before, before_s = server.metrics(), process.cpu_s(server.pid)
    end_s = time.monotonic() + seconds
    lags = [0.0]
    while (now_s := time.monotonic()) < end_s:
        lag_s = server.metrics().get("tailrace_rule_lag_seconds", 0.0)
        if lag_s != lags[-1]:
            lags.append(lag_s)
        if events and end_s - now_s > 2 * INTERVAL_S:
            events.send_due()
        time.sleep(min(POLL_S, max(end_s - time.monotonic(), 0)))
    spent_s = process.cpu_s(server.pid) - before_s
    return Measured(spent_s, before, server.metrics(), lags[1:], events.seen() if events else {})


class Webhook:
    """Hears of alerts, each at the moment it is first told of."""

    def __init__(self) -> None:
        heard: dict[tuple[str, str], float] = {}

        class Taker(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                now_s = time.monotonic()
                for alert in json.loads(body)["alerts"]:
                    labels = alert["labels"]
                    key = (labels["alertname"], labels.get("service", ""))
                    heard.setdefault(key, now_s)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing: the figures are what is printed."""

        self.heard = heard
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Webhook:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Events:
    """Sends one event after the other, of each service one of each kind at most."""

    def __init__(self, port: int, webhook: Webhook) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._webhook = webhook
        self._random = random.Random(SEED)
        self._left = [(alert, service) for service in services() for alert in _EVENTS]
        self._random.shuffle(self._left)
        self._sent: dict[tuple[str, str], float] = {}
        self._next_s = time.monotonic()

    def send_due(self) -> None:
        """All events whose time has come, but for the last ones when there are no more services."""
        while self._left and self._next_s <= time.monotonic():
            alert, service = self._left.pop()
            row = {"severity": "INFO", "service": service, "body": _EVENTS[alert]}
            body = zstandard.compress(json.dumps(row).encode() + b"\n")
            self._sent[alert, service] = time.monotonic()
            post(self._connection, body)
            self._next_s += self._random.uniform(0, 2 * EVENT_EVERY_S)

    def seen(self) -> dict[str, list[float]]:
        """By alert, seconds from each event to the webhook. Raises RuntimeError for one that came
        to none."""
        heard = self._webhook.heard
        if missing := self._sent.keys() - heard.keys():
            raise RuntimeError(f"{len(missing)} events came to no webhook: {sorted(missing)[:5]}")
        found: dict[str, list[float]] = {alert: [] for alert in _EVENTS}
        for (alert, service), sent_s in self._sent.items():
            found[alert].append(heard[alert, service] - sent_s)
        return found


@contextlib.contextmanager
def load(port: int) -> Iterator[None]:
    """ROWS_PER_S rows a second while inside. Raises RuntimeError."""
    bodies = _bodies()
    stop = threading.Event()
    errors: list[Exception] = []
    senders = [
        threading.Thread(target=_send, args=(port, bodies[n::SENDERS], stop, errors))
        for n in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    try:
        yield
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    if errors:
        raise RuntimeError(f"alerts: {errors[0]!r}")


def _bodies() -> list[bytes]:
    """The shop's rows in the name of many services and without a time of their own."""
    names = services()
    numbers = count()

    def named(found: re.Match[bytes]) -> bytes:
        return b'{"service":"%s"' % names[next(numbers) * 7 % SERVICES].encode()

    row = re.compile(rb'^\{"time":\d+,(.*?),"service":"[^"]*"', re.MULTILINE)
    compressor = zstandard.ZstdCompressor(level=1)
    blocks = records(LOAD_S * ROWS_PER_S, SEED, time.time_ns(), 1, REQUEST_ROWS)
    return [
        compressor.compress(row.sub(lambda one: named(one) + b"," + one[1], block))
        for block in blocks
    ]


def _send(
    port: int, bodies: Sequence[bytes], stop: threading.Event, errors: list[Exception]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    every_s = SENDERS * REQUEST_ROWS / ROWS_PER_S
    start_s = time.monotonic()
    try:
        for number in count():
            if stop.wait(max(start_s + number * every_s - time.monotonic(), 0)):
                return
            post(connection, bodies[number % len(bodies)])
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        errors.append(error)
    finally:
        connection.close()


def post(connection: http.client.HTTPConnection, body: bytes) -> None:
    """Records in NDJSON, zstd. Raises RuntimeError for any answer but 200."""
    connection.request("POST", "/ingest/records", body, _HEADERS)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"POST /ingest/records: {answer.status} {text[:300]!r}")
