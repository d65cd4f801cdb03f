"""What applications log all day, with nothing personal in it and many long numbers."""

from __future__ import annotations

import json
from collections.abc import Callable

from bench.corpus import textlines
from bench.corpus.chance import LETTERS, Chance, Weighted
from bench.corpus.names import FILES, HOSTS, LOGGERS, PATHS, SERVICES
from bench.corpus.recordlines import FOREIGN_FORMS, time_ns
from bench.corpus.sample import Fragment, Sample, line, record
from tailrace.core.frame import Signal

_TABLES = ("orders", "order_items", "stock", "shipments", "prices", "sessions")


def message(chance: Chance) -> str:
    """One sentence."""
    n = chance.below
    return chance.pick(_MESSAGES)(chance, n)


_Say = Callable[[Chance, Callable[[int], int]], str]
_MESSAGES: tuple[_Say, ...] = (
    lambda c, n: (
        f"order {c.hex(10)} placed, {n(9) + 1} items, {n(90000) / 100} EUR in {n(2000)} ms"
    ),
    lambda c, n: f"GET {c.pick(PATHS)} 200 {n(10**6)} bytes in {n(900) / 10}ms",
    lambda c, n: f"request {c.uuid()} took {n(10**9)} ns",
    lambda c, n: (
        f"checkpoint complete: wrote {n(9999)} buffers (0.{n(99)}%); sync={n(99) / 1000} s"
    ),
    lambda c, n: (
        f"duration: {n(10**7) / 1000:.3f} ms  statement: SELECT * FROM {c.pick(_TABLES)} "
        f"WHERE id = {n(10**9)}"
    ),
    lambda c, n: (
        f"consumer group shop-{c.pick(SERVICES)} rebalanced, generation {n(900)}, "
        f"offset {n(10**10)}"
    ),
    lambda c, n: f"Committed offset {n(10**10)} for partition orders-{n(64)}",
    lambda c, n: f"GC pause (young) {n(4096)}M->{n(1024)}M(8192M) {n(99999) / 1000}ms",
    lambda c, n: f"connection from {textlines.address(c)}:{n(65536)} accepted",
    lambda c, n: f"upstream {textlines.address(c)}:8080 timed out after {n(30000)} ms",
    lambda c, n: f"cache miss for key product:{n(10**7)}:v{n(9)}",
    lambda c, n: f"started {c.pick(SERVICES)} pid {n(4194303)} at {time_ns(c)}",
    lambda c, n: f"trace_id={c.hex(32)} span_id={c.hex(16)} sampled={n(2)}",
    lambda c, n: f"retry {n(5)} of 5 for job {c.uuid()} in {n(60)} s",
    lambda c, n: f"user {n(10**6)} logged in from {textlines.address(c)}",
    lambda c, n: f"pulled image registry.example.com/shop/{c.pick(SERVICES)}@sha256:{c.hex(64)}",
    lambda c, n: f"Scaled up replica set {c.pick(SERVICES)}-{c.hex(10)} to {n(9)}",
    lambda c, n: f"at {c.pick(LOGGERS)}.call({c.pick(FILES)}:{n(900)})",
    lambda c, n: f"flushed {n(10**8)} rows, {n(10**12)} bytes, last time {time_ns(c)}",
    lambda c, n: f"lag={n(10**7)} head={n(10**12)} tail={n(10**12)}",
)


def _text(chance: Chance) -> Sample:
    name, around = chance.weighted(textlines.AROUND)
    return line(around(chance, Fragment(message(chance))), f"text {name}: ordinary")


def _access(chance: Chance) -> Sample:
    path = f"{chance.pick(PATHS)}/{chance.below(10**8)}?page={chance.below(90)}&ts={_ms(chance)}"
    return line(textlines.access(chance, Fragment(path)), "access log: ordinary")


def _ms(chance: Chance) -> int:
    return time_ns(chance) // 10**6


def _record(chance: Chance) -> Sample:
    return record(json_line(chance, message(chance)), "record: ordinary")


def json_line(chance: Chance, body: str, extra: dict[str, object] | None = None) -> str:
    """A canonical record, rich in long numbers."""
    whole: dict[str, object] = {
        "time": time_ns(chance),
        "severity": textlines.level(chance),
        "body": body,
        "service": chance.pick(SERVICES),
        "trace_id": chance.hex(32),
        "span_id": chance.hex(16),
        "attributes": {
            "thread.id": chance.below(10**6),
            "request.id": chance.uuid(),
            "order.id": chance.below(10**9),
            "start_ns": time_ns(chance),
            "http.status_code": 200,
            "code.lineno": chance.below(900),
            **(extra or {}),
        },
        "resource": {"host.name": chance.pick(HOSTS), "k8s.pod.name": pod(chance)},
    }
    return json.dumps(whole, separators=(",", ":"))


def pod(chance: Chance) -> str:
    return f"{chance.pick(SERVICES)}-{chance.hex(10)}-{chance.text(5, LETTERS)}"


def _foreign(chance: Chance) -> Sample:
    name, maker = chance.pick(tuple(FOREIGN_FORMS.items()))
    whole = maker(chance, message(chance))
    return record(json.dumps(whole), f"{name}: ordinary", foreign=True)


def _span(chance: Chance) -> Sample:
    whole = {
        "time": time_ns(chance),
        "name": f"{chance.pick(('GET', 'POST'))} {chance.pick(PATHS)}",
        "trace_id": chance.hex(32),
        "span_id": chance.hex(16),
        "parent_span_id": chance.hex(16),
        "duration": chance.below(10**10),
        "kind": "server",
        "service": chance.pick(SERVICES),
        "attributes": {"http.status_code": "200", "db.rows": str(chance.below(10**6))},
        "resource": {"host.name": chance.pick(HOSTS), "k8s.pod.name": pod(chance)},
    }
    return record(json.dumps(whole, separators=(",", ":")), "span: ordinary", Signal.SPANS)


def _sample(chance: Chance) -> Sample:
    whole = {
        "time": time_ns(chance),
        "name": chance.pick(("http_requests_total", "process_start_time_seconds", "heap_bytes")),
        "value": chance.pick((float(chance.below(10**16)), chance.random(), 0.0)),
        "kind": "gauge",
        "attributes": {
            "instance": f"{textlines.address(chance)}:9100",
            "pod": pod(chance),
            "le": chance.pick(("0.005", "0.25", "+Inf", "1e+06")),
        },
    }
    return record(json.dumps(whole, separators=(",", ":")), "metric: ordinary", Signal.METRICS)


CARRIERS: Weighted[Callable[[Chance], Sample]] = Weighted(
    ((_text, 35), (_access, 12), (_record, 25), (_foreign, 14), (_span, 8), (_sample, 6))
)
