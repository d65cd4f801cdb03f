"""A hidden value in a record, a span or a sample of a metric: wherever such a thing has room."""

from __future__ import annotations

from bench.corpus import carriers, forms, hidden, jsontree, textlines
from bench.corpus.chance import Chance, Weighted
from bench.corpus.jsontree import Number, Style, Tree
from bench.corpus.names import HOSTS, LOGGERS, SERVICES
from bench.corpus.sample import Fragment, Sample, record
from tailrace.core.frame import Signal

START_NS = 1_790_000_000_000_000_000
_Object = dict[str | Fragment, Tree]


def time_ns(chance: Chance) -> int:
    return START_NS + chance.below(10**7) * 10**9 + chance.below(10**9)


def canonical(chance: Chance, body: Fragment | str) -> _Object:
    """A record of tailrace's own."""
    found: _Object = {
        "time": time_ns(chance),
        "severity": textlines.level(chance),
        "body": body,
        "service": chance.pick(SERVICES),
    }
    if chance.odds(0.5):
        found |= {"trace_id": chance.hex(32), "span_id": chance.hex(16)}
    return found


def attributes(chance: Chance) -> _Object:
    return {
        "http.method": "POST",
        "http.status_code": chance.pick((200, 400, 500)),
        "thread.id": chance.below(10**6),
        "request.id": chance.uuid(),
    }


def resource(chance: Chance) -> _Object:
    return {"host.name": chance.pick(HOSTS), "service.version": f"2.{chance.below(40)}.1"}


def leaf(chance: Chance, pair: hidden.Pair) -> Tree:
    """Its value as a string, or as a number where it could be one."""
    return Number(pair.value) if pair.number and chance.odds(0.4) else pair.value


def _in_body(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, hidden.sentence(chance, kind))
    whole["attributes"] = attributes(chance)
    return record(_json(chance, whole, kind), f"record: {kind} in the body")


def _in_attribute(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, "request refused")
    pair = hidden.pair(chance, kind)
    whole["attributes"] = attributes(chance) | {pair.key: leaf(chance, pair)}
    whole["resource"] = resource(chance)
    return record(_json(chance, whole, kind), f"record: {kind} in an attribute")


def _in_said_attribute(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, "request refused")
    whole["attributes"] = attributes(chance) | {"error.message": hidden.sentence(chance, kind)}
    return record(_json(chance, whole, kind), f"record: {kind} in a sentence of an attribute")


def _as_key(chance: Chance, kind: str) -> Sample:
    """A key that is a value: a map by customer."""
    whole = canonical(chance, "totals by customer")
    found = hidden.WRITERS[kind](chance, False) if kind in _NAMES else hidden.sentence(chance, kind)
    whole["attributes"] = {found: 3, "n": 1}
    return record(_json(chance, whole, kind), f"record: {kind} in a key")


def _nested(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, "payload")
    whole["attributes"] = {"request": carriers.tree(chance, kind), "n": 1}
    return record(_json(chance, whole, kind), f"record: {kind} in a nested object")


def _in_array(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, "batch")
    first, second = hidden.sentence(chance, kind), hidden.sentence(chance, kind)
    whole["attributes"] = {"errors": [first, "timeout", second]}
    return record(_json(chance, whole, kind), f"record: {kind} in an array")


def _in_resource(chance: Chance, kind: str) -> Sample:
    whole = canonical(chance, "started")
    pair = hidden.pair(chance, kind)
    whole["resource"] = resource(chance) | {pair.key: pair.value}
    return record(_json(chance, whole, kind), f"record: {kind} in the resource")


def _json_in_body(chance: Chance, kind: str) -> Sample:
    inner = jsontree.written(carriers.tree(chance, kind), jsontree.style(chance))
    depth = chance.below(2)
    for _ in range(depth):
        inner = inner.mapped(forms.json_text).within('"', '"')
    whole = canonical(chance, inner.within(chance.pick(("", "request: ", "-> "))))
    return record(
        _json(chance, whole, kind), f"record: {kind} in JSON in the body, {depth + 1} deep"
    )


def _in_address(chance: Chance, kind: str) -> Sample:
    pair = hidden.pair(chance, kind)
    found = hidden.needle_of(pair.value.mapped(forms.url_text), f"?{pair.key}=")
    url = found.within("https://shop.example.com/api/v1/orders", "&lang=de")
    whole = canonical(chance, "request")
    whole["attributes"] = attributes(chance) | {"url.full": url}
    return record(_json(chance, whole, kind), f"record: {kind} in an address")


def _text_in_body(chance: Chance, kind: str) -> Sample:
    """A line of another program as the body."""
    _, around = chance.weighted(textlines.AROUND)
    _, found = carriers.noted(chance, hidden.pair(chance, kind))
    whole = canonical(chance, around(chance, found))
    return record(_json(chance, whole, kind), f"record: {kind} in a line in the body")


_NAMES = ("pan", "email", "ssn", "phone", "iban")


def _foreign(chance: Chance, kind: str) -> Sample:
    """As the usual libraries of structured logs write it."""
    name, maker = chance.pick(tuple(FOREIGN_FORMS.items()))
    if chance.odds(0.5):
        whole = maker(chance, hidden.sentence(chance, kind))
    else:
        whole = maker(chance, "request refused")
        whole[chance.pick(("data", "ctx", "req", "extra"))] = carriers.tree(chance, kind)
    return record(_json(chance, whole, kind), f"{name}: {kind}", foreign=True)


def structlog(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "event": message,
        "level": textlines.level(chance).lower(),
        "timestamp": textlines.iso(chance, 6),
        "logger": chance.pick(LOGGERS),
        "request_id": chance.uuid(),
    }


def pino(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "level": chance.pick((20, 30, 40, 50)),
        "time": time_ns(chance) // 10**6,
        "pid": chance.below(99999),
        "hostname": chance.pick(HOSTS),
        "msg": message,
        "responseTime": chance.below(3000),
    }


def zap(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "level": textlines.level(chance).lower(),
        "ts": time_ns(chance) / 1e9,
        "caller": f"shop/handler.go:{chance.below(900)}",
        "msg": message,
        "trace_id": chance.hex(32),
    }


def logrus(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "level": textlines.level(chance).lower(),
        "msg": message,
        "time": textlines.iso(chance, 0),
        "size": chance.below(10**9),
    }


def serilog(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "@t": textlines.iso(chance, 7),
        "@m": message,
        "@i": chance.hex(8),
        "@l": "Warning",
        "SourceContext": "Example.Shop.Payments",
        "ConnectionId": chance.text(13, "0123456789ABCDEFGHJKMNPQRSTV"),
    }


def ecs(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "@timestamp": textlines.iso(chance),
        "log": {"level": textlines.level(chance), "logger": chance.pick(LOGGERS)},
        "message": message,
        "ecs": {"version": "8.11"},
        "process": {"pid": chance.below(99999), "thread": {"id": chance.below(200)}},
    }


def gelf(chance: Chance, message: Fragment | str) -> _Object:
    return {
        "version": "1.1",
        "host": chance.pick(HOSTS),
        "short_message": message,
        "timestamp": time_ns(chance) // 10**6 / 1000,
        "level": chance.below(8),
        "_request_id": chance.uuid(),
    }


FOREIGN_FORMS = {
    "structlog": structlog, "pino": pino, "zap": zap, "logrus": logrus, "serilog": serilog,
    "ecs": ecs, "gelf": gelf,
}  # fmt: skip


def span(chance: Chance, name: Fragment | str) -> _Object:
    return {
        "time": time_ns(chance),
        "name": name,
        "trace_id": chance.hex(32),
        "span_id": chance.hex(16),
        "duration": chance.below(10**10),
        "kind": chance.pick(("server", "client", "internal")),
        "service": chance.pick(SERVICES),
    }


def _span(chance: Chance, kind: str) -> Sample:
    place = chance.below(5)
    name: Fragment | str = "POST /checkout"
    if place == 0:
        name = hidden.sentence(chance, kind)
    whole = span(chance, name)
    pair = hidden.pair(chance, kind)
    texts: _Object = {"http.method": "POST", "net.peer.port": str(chance.below(65536))}
    if place == 1:
        whole |= {"status": "error", "status_message": hidden.sentence(chance, kind)}
    whole["attributes"] = texts | ({pair.key: pair.value} if place == 2 else {})
    if place == 3:
        said: _Object = {pair.key: pair.value, "exception.type": "ValueError"}
        event: _Object = {"time": time_ns(chance), "name": "exception", "attributes": said}
        whole["events"] = [event]
    if place == 4:
        whole["resource"] = {"host.name": chance.pick(HOSTS), pair.key: pair.value}
    where = ("name", "status", "attributes", "events", "resource")[place]
    return record(_json(chance, whole, kind), f"span: {kind} in its {where}", Signal.SPANS)


def sample(chance: Chance, labels: Tree) -> _Object:
    return {
        "time": time_ns(chance),
        "name": chance.pick(("http_requests_total", "queue_depth", "payments_total")),
        "value": chance.pick((1.0, 17.0, 0.25, float(chance.below(10**9)))),
        "kind": chance.pick(("gauge", "counter")),
        "attributes": labels,
    }


def _sample(chance: Chance, kind: str) -> Sample:
    pair = hidden.pair(chance, kind)
    labels: _Object = {"job": "shop", "instance": f"{textlines.address(chance)}:9100"}
    if chance.odds(0.8):
        whole = sample(chance, labels | {pair.key: pair.value})
        where = "a label"
    else:
        whole = sample(chance, labels)
        said: _Object = {pair.key: pair.value}
        exemplar: _Object = {"time": time_ns(chance), "value": 0.25, "attributes": said}
        whole["exemplars"] = [exemplar]
        where = "an exemplar"
    return record(_json(chance, whole, kind), f"metric: {kind} in {where}", Signal.METRICS)


def _json(chance: Chance, whole: _Object, kind: str) -> Fragment:
    how = jsontree.style(chance)
    if kind in forms.DISGUISED and chance.odds(0.015):
        how = Style(forms.json_digits, how.spaced)
    return jsontree.written(whole, how)


CARRIERS = Weighted(
    (
        (_in_body, 20), (_in_attribute, 14), (_in_said_attribute, 6), (_as_key, 2), (_nested, 8),
        (_in_array, 3), (_in_resource, 3), (_json_in_body, 10), (_in_address, 4),
        (_text_in_body, 6), (_foreign, 20), (_span, 8), (_sample, 3),
    )
)  # fmt: skip
