"""Tags of a search as conditions on a span: what Jaeger calls tags, here stands in columns.

A tag is found in the attributes of the span, of its resource, and of its events; those that
shape.py makes of a column are found there, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_TERMS
from tailrace.query.binder import Binder

# Tags with a column of their own, whose values are as they are stored.
_COLUMNS = {
    "otel.status_description": "StatusMessage",
    "otel.scope.name": "ScopeName",
    "otel.scope.version": "ScopeVersion",
    "otel.library.name": "ScopeName",
    "otel.library.version": "ScopeVersion",
    "w3c.tracestate": "TraceState",
    "service.name": "ServiceName",
}
# Columns that hold one word, written with a capital.
_WORDS = {"span.kind": "SpanKind", "otel.status_code": "StatusCode"}
# OpenTelemetry renamed what everybody searches for: either name finds both.
_RENAMED = (
    ("http.status_code", "http.response.status_code"),
    ("http.method", "http.request.method"),
    ("http.url", "url.full"),
)
_OTHER_NAME = {one: other for old, new in _RENAMED for one, other in ((old, new), (new, old))}


def parse(simple: list[str], json: list[str]) -> dict[str, str]:
    """Tags of `tag=key:value` and of `tags={"key": "value"}`. Raises QueryError."""
    found: dict[str, str] = {}
    for text in simple:
        key, colon, value = text.partition(":")
        if not colon:
            raise QueryError(f"tag={text[:64]!r} has no colon; write tag=key:value")
        found[key] = value
    for text in json:
        found.update(_object(text))
    if len(found) > QUERY_TERMS:
        raise QueryError(f"more than {QUERY_TERMS} tags (QUERY_TERMS)")
    if "" in found:
        raise QueryError("a tag without a name; write tag=key:value")
    return found


def _object(text: str) -> Iterator[tuple[str, str]]:
    try:
        decoded = msgspec.json.decode(text, type=dict[str, str | bool | int | float])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise QueryError(
            f'tags={text[:64]!r} is no JSON object of texts such as {{"http.route":"/cart"}}'
        ) from None
    for key, value in decoded.items():
        yield key, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def conditions(tags: Mapping[str, str], bind: Binder) -> list[str]:
    """SQL conditions on a row of `spans`, all of which must hold."""
    return [_condition(key, value, bind) for key, value in tags.items()]


def _condition(key: str, value: str, bind: Binder) -> str:
    if key == "error" and value in ("true", "false"):
        failed = f"(StatusCode = 'Error' OR {_attribute('error', 'true', bind)})"
        return failed if value == "true" else f"NOT {failed}"
    either = [_attribute(name, value, bind) for name in (key, _OTHER_NAME.get(key)) if name]
    if key in _COLUMNS:
        either.append(f"{_COLUMNS[key]} = {bind.text(value)}")
    if key in _WORDS:
        either.append(f"{_WORDS[key]} = {bind.text(value.lower().capitalize())}")
    if key == "event":
        either.append(f"has(Events.Name, {bind.text(value)})")
    return f"({' OR '.join(either)})"


def _attribute(key: str, value: str, bind: Binder) -> str:
    """An absent key of a map reads as "", so a value of "" needs the key to be there."""
    name, wanted = bind.text(key), bind.text(value)

    def holds(attributes: str) -> str:
        equal = f"{attributes}[{name}] = {wanted}"
        return equal if value else f"(mapContains({attributes}, {name}) AND {equal})"

    of_events = f"arrayExists(a -> {holds('a')}, Events.Attributes)"
    return f"({holds('SpanAttributes')} OR {holds('ResourceAttributes')} OR {of_events})"
