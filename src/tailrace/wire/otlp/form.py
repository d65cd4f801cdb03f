"""What the walks ask of an encoding, and what both encodings share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import flat

# An id that was sent but is none.
BAD_ID = "id"
_BATCH = 64
# How OpenTelemetry calls the count of attributes that a client left out.
DROPPED = "otel.dropped_attributes_count"
# A time, as nanoseconds, is before this.
TIMES_END = 2**63


class Form(Protocol):
    """One request in one encoding. Messages have the field names of the protocol in both.

    `errors` are raised while something is opened that is malformed; `reason` counts them.
    `repaired` counts what was changed on the way in: "utf8", and "id" for ids that are none.
    """

    repaired: dict[str, int]
    errors: tuple[type[Exception], ...]
    reason: str

    def request(self, data: bytes) -> Any:
        """The outermost message; records in it are not opened."""
        ...

    def opener(self, message: str) -> Callable[[Any], Any]:
        """What opens an unopened message of this name."""
        ...

    def text(self, raw: Any) -> str: ...

    def trace_id(self, raw: Any) -> str:
        """Lower-case hex; "" for none, for zeros, and for another size, which is counted."""
        ...

    def span_id(self, raw: Any) -> str:
        """The same."""
        ...

    def value(self, raw: Any) -> Any:
        """An AnyValue as Python's own; bytes as base64."""
        ...

    def attributes(self, raw: Any) -> dict[str, Any]:
        """Attributes by dotted name, see wire/flat.py; the caller may change them.

        Raises TooLarge ("attributes") for more than ATTRIBUTES_PER_RECORD.
        """
        ...

    def has(self, message: Any, field: str) -> bool:
        """Whether a field was set that is optional, or one of several."""
        ...


def number_of(raw: int | str, names: Mapping[str, int]) -> int:
    """The number of an enumeration, 0 for one that is not known."""
    if isinstance(raw, int):
        return raw
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 4 else names.get(raw, 0)


def texts(form: Form, raw: Any) -> dict[str, str]:
    """Attributes by dotted name, all as text."""
    return {
        name: value if type(value) is str else flat.text(value)
        for name, value in form.attributes(raw).items()
    }


def batches(raws: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Unopened messages, some at a time: a list of all might take many times their bytes."""
    for start in range(0, len(raws), _BATCH):
        yield raws[start : start + _BATCH]


def opened(form: Form, message: str, raws: Sequence[Any]) -> Iterator[Any]:
    """Each of these messages."""
    opener = form.opener(message)
    for some in batches(raws):
        yield from map(opener, some)


def resource_of(form: Form, raw: Any) -> dict[str, str]:
    """The attributes of a resource as text. Raises TooLarge ("resource", "attributes")."""
    if len(raw) > limits.RESOURCE_ATTRIBUTES:
        raise TooLarge(
            f"resource has {len(raw)} attributes, more than {limits.RESOURCE_ATTRIBUTES}",
            "resource",
        )
    return texts(form, raw)


def scope_attributes(form: Form, scope: Any, named: bool = True) -> dict[str, str]:
    """What a scope says, as attributes of each of its records; `named` with name and version."""
    found = {f"otel.scope.{name}": value for name, value in texts(form, scope.attributes).items()}
    for field in ("name", "version") if named else ():
        if value := form.text(getattr(scope, field)):
            found[f"otel.scope.{field}"] = value
    return found


def first(form: Form, message: Any, fields: Sequence[str]) -> str:
    """The field that is set of several of which one may be; "" when none is."""
    return next((field for field in fields if form.has(message, field)), "")


def refused(form: Form, signal: str, error: Exception) -> InputError:
    """What to answer to a request that is malformed."""
    encoding = " in JSON" if form.reason == "json" else ""
    return InputError(f"body is not an OTLP {signal} request{encoding}: {error}", form.reason)
