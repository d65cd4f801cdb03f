"""1,000 rules over 200 services beside 5,000 rows a second: what they cost and whether in time.

Small requests whose rows are of SERVICES services, first without rules, then with them: the rules
cost what the server's CPU seconds differ by. With them, every few seconds one row is an event that
one rule waits for, until /api/v1/alerts shows its alert firing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
EVENT_EVERY_S = 5.0
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


@dataclass
class _Found:
    """The server's CPU seconds; its metrics before and after; how long after their slots groups
    were done, and seconds from each event to its alert."""

    cpu_s: float
    before: dict[str, float]
    after: dict[str, float]
    lags: list[float]
    seen: list[float]

    def grown(self, what: str) -> float:
        """By how much a metric of rules grew."""
        name = f"tailrace_rule_{what}_total"
        return self.after.get(name, 0.0) - self.before.get(name, 0.0)


def measure(scratch: Path) -> list[Figure]:
    """About five minutes. Raises RuntimeError."""
    rules = scratch / "rules.yml"
    rules.write_text("groups: []\n")
    more = f'\n[alerts]\nrules = ["{rules}"]\n'
    with Server(scratch / "server", more) as server, _load(server.port):
        time.sleep(SETTLE_S)
        without = _measured(server, events=False)
        rules.write_text("groups:" + "".join(map(_group, _services())))
        server.await_metric("tailrace_rule_evaluations_total", 5.0 * SERVICES, FIRING_S)
        time.sleep(SETTLE_S)
        loaded = _measured(server, events=True)
    return _figures(without, loaded)


def _figures(without: _Found, loaded: _Found) -> list[Figure]:
    grown = loaded.grown
    return [
        plain("rules", 5 * SERVICES, "rules"),
        plain("CPU without rules", without.cpu_s / SECONDS, "cores"),
        at_most("CPU of the rules", (loaded.cpu_s - without.cpu_s) / SECONDS, "cores", 0.5),
        plain("slots evaluated", grown("evaluations"), "slots"),
        at_most("slots missed", grown("missed") + grown("late"), "slots", 0),
        at_most("failures", grown("failures"), "failures", 0),
        plain("seconds that groups took", grown("seconds"), "s"),
        plain("slot to evaluated, p50", percentile(loaded.lags, 0.5), "s"),
        at_most("slot to evaluated, p99", percentile(loaded.lags, 0.99), "s", INTERVAL_S),
        plain("event to firing, p50", percentile(loaded.seen, 0.5), "s"),
        at_most("event to firing, worst", max(loaded.seen), "s", 2 * INTERVAL_S),
        plain("events", len(loaded.seen), "events"),
    ]


def _services() -> Sequence[str]:
    return [f"bench-{number:03d}" for number in range(SERVICES)]


def _group(service: str) -> str:
    return _GROUP.format(service=service, interval=INTERVAL_S)


def _measured(server: Server, events: bool) -> _Found:
    """SECONDS of it. Raises RuntimeError."""
    before, before_s = server.metrics(), process.cpu_s(server.pid)
    end_s = time.monotonic() + SECONDS
    lags, watch = [0.0], _Events(server)
    while (now_s := time.monotonic()) < end_s:
        lag_s = server.metrics().get("tailrace_rule_lag_seconds", 0.0)
        if lag_s != lags[-1]:
            lags.append(lag_s)
        watch.look(send=events and end_s - now_s > 2 * INTERVAL_S)
        time.sleep(min(POLL_S, max(end_s - time.monotonic(), 0)))
    spent_s = process.cpu_s(server.pid) - before_s
    if watch.awaited:
        raise RuntimeError(f"{len(watch.awaited)} events came to no alert")
    return _Found(spent_s, before, server.metrics(), lags[1:], watch.seen)


class _Events:
    """Sends one event after the other, each to another service, and looks for their alerts."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._services = iter(_services()[::7])
        self._next_s = 0.0
        self.awaited: dict[str, float] = {}
        self.seen: list[float] = []

    def look(self, send: bool) -> None:
        """Both costs as much without events: alerts are asked for each time."""
        if send and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVENT_EVERY_S
            service = next(self._services)
            row = {"severity": "INFO", "service": service, "body": "bench-event"}
            _post(self._connection, zstandard.compress(json.dumps(row).encode() + b"\n"))
            self.awaited[service] = time.monotonic()
        for alert in json.loads(self._server.get("/api/v1/alerts"))["data"]["alerts"]:
            labels = alert["labels"]
            if labels["alertname"] != "Event" or alert["state"] != "firing":
                continue
            sent_s = self.awaited.pop(labels["service"], None)
            if sent_s is not None:
                self.seen.append(time.monotonic() - sent_s)


@contextlib.contextmanager
def _load(port: int) -> Iterator[None]:
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
    names = _services()
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
            _post(connection, bodies[number % len(bodies)])
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        errors.append(error)
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/ingest/records", body, _HEADERS)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"POST /ingest/records: {answer.status} {text[:300]!r}")
