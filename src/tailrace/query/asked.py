"""What a client of the query APIs asked, from the URL and the form together."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection, Request

from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.errors import QueryError
from tailrace.query.times import HOUR_NS, parse_span, parse_time

# What no count of anything reaches.
_MOST = 999_999_999
Identify = Callable[[HTTPConnection], str]


def credential_tenant(connection: HTTPConnection) -> str:
    """The tenant of a connection's credential, never one that it names itself."""
    return principal_of(connection.scope).tenant


class Asked:
    """One request: its tenant and parameters, from the URL and the form together."""

    def __init__(
        self, request: Request, tenant: str, form: QueryParams | None, now_ns: int
    ) -> None:
        self.request = request
        self.tenant = tenant
        self.now_ns = now_ns
        self._query: QueryParams = request.query_params
        self._form = form

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [*self._query.getlist(name), *(self._form.getlist(name) if self._form else [])]

    def get(self, name: str) -> str:
        """The first value, or ""."""
        return next(iter(self.all(name)), "")

    def need(self, name: str) -> str:
        """The first value. Raises QueryError when there is none."""
        if not self.get(name):
            raise QueryError(f"the parameter {name} is missing")
        return self.get(name)

    def time(self, name: str, default_ns: int) -> int:
        """A time in UTC nanoseconds."""
        return parse_time(self.get(name), name) if self.get(name) else default_ns

    def range(self, back_ns: int = HOUR_NS) -> tuple[int, int]:
        """`start` and `end`; by default the last hour, or `since`."""
        end = self.time("end", self.now_ns)
        if self.get("since"):
            back_ns = parse_span(self.get("since"), "since")
        start = self.time("start", max(min(end, self.now_ns) - back_ns, 0))
        if end < start:
            raise QueryError(f"end={self.get('end')[:64]} is before start={self.get('start')[:64]}")
        return start, end

    def limit(self) -> int:
        """Lines wanted, 100 by default."""
        return whole(self.get("limit") or "100", "limit")

    def forward(self) -> bool:
        """The direction, backward by default."""
        text = (self.get("direction") or "backward").lower()
        if text not in ("forward", "backward"):
            raise QueryError(f"direction={text[:32]!r} is neither forward nor backward")
        return text == "forward"

    def flag(self, name: str) -> bool:
        """A parameter that is true or false, false by default."""
        text = self.get(name).lower() or "false"
        if text not in ("true", "1", "false", "0"):
            raise QueryError(f"{name}={text[:32]!r} is neither true nor false")
        return text in ("true", "1")


def whole(text: str, name: str, least: int = 0, most: int = _MOST) -> int:
    """A number from `least` to `most`. Raises QueryError naming the parameter `name`."""
    found = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(most)) else -1
    if not least <= found <= most:
        end = f" to {most}" if most < _MOST else ""
        raise QueryError(f"{name}={text[:32]!r} is no number from {least}{end}")
    return found


async def form_of(request: Request) -> QueryParams | None:
    """The fields of a posted form. Raises QueryError when it is too large."""
    kind = request.headers.get("content-type", "")
    if request.method != "POST" or not kind.startswith("application/x-www-form-urlencoded"):
        return None
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > 4 * limits.QUERY_TEXT_BYTES:
        raise QueryError(f"a form needs a Content-Length up to {4 * limits.QUERY_TEXT_BYTES} bytes")
    body = await request.body()
    if body.count(b"&") >= limits.QUERY_FORM_FIELDS:
        raise QueryError(f"the form has more than {limits.QUERY_FORM_FIELDS} fields")
    return QueryParams(body)
