"""1,000 rules in PromQL over 200 jobs beside 5,000 rows a second: what they cost.

As alerts.py has it for rules in LogQL: the same load of rows, and samples of 1,200 series, six of
each job, every 15 seconds; first without rules, then with them. The rules cost what the server's
CPU seconds differ by.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import cramjam

from bench.alerts import (
    INTERVAL_S,
    SERVICES,
    Measured,
    figures_of_rules,
    load,
    measured,
    services,
)
from bench.doorbodies import REMOTE_WRITE, written
from bench.figures import Figure, plain
from bench.server import Server

SECONDS = 75
SETTLE_S = 20.0
# Samples of so long ago are there from the beginning, so that the windows of all rules are full.
BEFORE_S = 600
FIRING_S = 60.0
_RULES = 5 * SERVICES
_GROUP = """
- name: {job}
  interval: {interval}s
  rules:
  - alert: Errors
    expr: >
      sum(rate(http_requests_total{{job="{job}", code="500"}}[5m]))
      / sum(rate(http_requests_total{{job="{job}"}}[5m])) > 0.5
    for: 1m
    labels: {{severity: page}}
    annotations: {{summary: "{{{{ $value | humanizePercentage }}}} of requests fail"}}
  - alert: Slow
    expr: >
      rate(http_seconds_sum{{job="{job}"}}[5m]) / rate(http_seconds_count{{job="{job}"}}[5m]) > 1
    for: 1m
  - alert: Queue
    expr: max_over_time(queue_length{{job="{job}"}}[5m]) > 1000
  - alert: Down
    expr: up{{job="{job}"}} == 0
    for: 1m
  - alert: Gone
    expr: absent(up{{job="{job}"}})
"""
_CONFIG = """
[alerts]
rules = ["{rules}"]
"""


def measure(scratch: Path) -> list[Figure]:
    """Less than four minutes. Raises RuntimeError."""
    rules = scratch / "rules.yml"
    rules.write_text("groups: []\n")
    with (
        Server(scratch / "server", _CONFIG.format(rules=rules)) as server,
        _samples(server.port),
        load(server.port),
    ):
        time.sleep(SETTLE_S)
        without = measured(server, SECONDS)
        groups = (_GROUP.format(job=job, interval=INTERVAL_S) for job in services())
        rules.write_text("groups:" + "".join(groups))
        server.await_metric("tailrace_rule_evaluations_total", _RULES, FIRING_S)
        time.sleep(SETTLE_S)
        loaded = measured(server, SECONDS)
    return _figures(without, loaded)


def _figures(without: Measured, loaded: Measured) -> list[Figure]:
    return [
        plain("rules in PromQL", _RULES, "rules"),
        *figures_of_rules(without, loaded, SECONDS),
    ]


@contextlib.contextmanager
def _samples(port: int) -> Iterator[None]:
    """A sample of each series every INTERVAL_S while inside, and those of BEFORE_S. Raises
    RuntimeError."""
    stop = threading.Event()
    errors: list[Exception] = []
    first_s = time.time() - BEFORE_S
    sender = threading.Thread(target=_send, args=(port, first_s, stop, errors))
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()
    if errors:
        raise RuntimeError(f"samples: {errors[0]!r}")


def _send(port: int, at_s: float, stop: threading.Event, errors: list[Exception]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        while not stop.wait(max(at_s - time.time(), 0)):
            series = b"".join(map(_of_job, services(), [at_s] * SERVICES))
            body = bytes(cramjam.snappy.compress_raw(series))
            connection.request("POST", "/api/v1/write", body, REMOTE_WRITE)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"POST /api/v1/write: {answer.status} {text[:300]!r}")
            at_s += INTERVAL_S
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        errors.append(error)
    finally:
        connection.close()


def _of_job(job: str, at_s: float) -> bytes:
    """Counters that grow with time, and gauges that stay."""
    values: list[tuple[Mapping[str, str], float]] = [
        ({"__name__": "http_requests_total", "code": "200"}, 50 * at_s),
        ({"__name__": "http_requests_total", "code": "500"}, at_s),
        ({"__name__": "http_seconds_count"}, 51 * at_s),
        ({"__name__": "http_seconds_sum"}, 4 * at_s),
        ({"__name__": "queue_length"}, 12),
        ({"__name__": "up"}, 1),
    ]
    common = {"job": job, "instance": f"{job}:9100"}
    return b"".join(
        written(dict(sorted({**labels, **common}.items())), value, int(at_s * 1000))
        for labels, value in values
    )
