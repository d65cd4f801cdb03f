"""Canonical records (see wire/records.py), one line each, that no gateway refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.logging import context
from tailrace.logging.values import clean, cut, plain, shown_name

_ID_CHARS = 64
_LATEST_NS = 2**63 - 1
# What a record that is too long is cut to, until it fits: characters of a value.
_SHORTER = (limits.APP_VALUE_CHARS, 1_000, 64)


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    time: int | None = None
    severity: str = ""
    body: str = ""
    service: str = ""
    trace_id: str = ""
    span_id: str = ""
    attributes: dict[str, Any] = {}
    resource: msgspec.Raw = msgspec.Raw(b"{}")


_encode = msgspec.json.Encoder().encode


class Records:
    """Writes the lines of one application. Thread-safe, and fast where values are ordinary."""

    def __init__(
        self,
        service: str,
        resource: Mapping[str, str] | None = None,
        contextvars: Sequence[ContextVar[Any]] = (),
    ) -> None:
        """Raises ConfigError when the service or the resource cannot be repeated in each line."""
        self._service = clean(cut(service, limits.APP_NAME_CHARS))
        self._resource = msgspec.Raw(_resource(resource or {}))
        self._variables = tuple((variable.name, variable) for variable in contextvars)

    def line(
        self,
        time_ns: int | None,
        severity: str,
        body: str,
        attributes: dict[str, Any],
        own: Mapping[str, Any],
    ) -> bytes:
        """`attributes` are plain already and may be changed; `own` is the application's, of any
        kind, and wins. `trace_id` and `span_id` in `own` go before those of the current span.
        """
        for name, variable in self._variables:
            if (value := variable.get(None)) is not None:
                attributes[name] = plain(value)
        for extra in (context.fields(), own):
            for key, value in extra.items():
                attributes[shown_name(key)] = plain(value)
        trace_id, span_id = _ids(attributes)
        line = _Line(
            time_ns if time_ns is not None and 0 <= time_ns <= _LATEST_NS else None,
            severity,
            body if len(body) <= limits.APP_BODY_CHARS else cut(body, limits.APP_BODY_CHARS),
            self._service,
            trace_id,
            span_id,
            attributes,
            self._resource,
        )
        if type(severity) is str and len(attributes) <= limits.APP_ATTRIBUTES:
            try:
                found = _encode(line)
                if len(found) <= limits.LINE_BYTES:
                    return found
            except (UnicodeEncodeError, TypeError, ValueError):
                pass  # a key or a character that JSON has not
        return _careful(line)


def _ids(attributes: dict[str, Any]) -> tuple[str, str]:
    """Taken out of the attributes where the application gave them, else the current span's."""
    if "trace_id" in attributes or "span_id" in attributes:
        trace_id, span_id = attributes.pop("trace_id", ""), attributes.pop("span_id", "")
        return _id(trace_id, "032x"), _id(span_id, "016x")
    return context.trace()


def _id(value: Any, form: str) -> str:
    """OpenTelemetry's own ids are numbers."""
    if type(value) is int and value > 0:
        return format(value, form)
    return cut(value, _ID_CHARS) if type(value) is str else ""


def _careful(line: _Line) -> bytes:
    """The same, with everything made to fit."""
    kept = list(line.attributes.items())[: limits.APP_ATTRIBUTES]
    line.severity = clean(cut(str(plain(line.severity)), _ID_CHARS))
    line.trace_id, line.span_id = clean(line.trace_id), clean(line.span_id)
    body = clean(str(line.body))
    for chars in _SHORTER:
        line.body = cut(body, 4 * chars)
        line.attributes = {
            cut(clean(str(key)), min(chars, limits.APP_NAME_CHARS)): _shorter(value, chars)
            for key, value in kept
        }
        found = _encode(line)
        if len(found) <= limits.LINE_BYTES:
            break
    return found


def _shorter(value: Any, chars: int) -> Any:
    value = clean(plain(value))
    if isinstance(value, dict | list):
        text = _encode(value).decode()
        return value if len(text) <= chars else cut(text, chars)
    return cut(value, chars) if isinstance(value, str) else value


def _resource(resource: Mapping[str, str]) -> bytes:
    pairs = {clean(str(key)): clean(str(value)) for key, value in resource.items()}
    found = _encode(pairs)
    if len(pairs) > limits.RESOURCE_ATTRIBUTES or len(found) > limits.APP_RESOURCE_BYTES:
        raise ConfigError(
            f"resource: more than {limits.RESOURCE_ATTRIBUTES} names or "
            f"{limits.APP_RESOURCE_BYTES} bytes; it is repeated in every record, so shorten it"
        )
    return found
