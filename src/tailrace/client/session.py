"""The client: one object for one server and one token."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from tailrace.client import api, following
from tailrace.client.results import Lines, Samples, Table, Trace
from tailrace.client.server import Server
from tailrace.client.times import SECOND_NS, Span, Time, span_ns, time_ns
from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_STEPS
from tailrace.core.line import Line
from tailrace.core.tls import context

DEFAULT_SINCE = "1h"
DEFAULT_LINES = 1_000
# Points of a metric where no step is given: more than a screen shows are not worth their time.
DEFAULT_POINTS = 250


def connect(
    url: str = "http://127.0.0.1:7480",
    token: str = "",
    *,
    ca: str | None = None,
    cert: str | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Client:
    """A client of the server at `url`; nothing is asked yet.

    `token` is the bearer token, where the server wants one. `ca` is a PEM file to verify an https
    server with, `cert` one with the certificate to show and its key. Raises OSError for a file that
    cannot be used.
    """
    return Client(url, token, context(ca, cert), clock)


class Client:
    """Asks one server. Safe to use from several threads: it keeps no connection.

    A range is `[start, end)`. `end` is now unless it is given, `start` is `since` before it, and
    `since` is an hour unless it is given. All methods raise QueryError when the server refuses
    what is asked, and StoreError when it cannot be asked.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.url = url
        self._server = Server(url, token, tls)
        self._clock = clock

    def __repr__(self) -> str:
        return f"tailrace.connect({self.url!r})"

    def logs(
        self,
        query: str,
        start: Time | None = None,
        end: Time | None = None,
        since: Span | None = None,
        limit: int = DEFAULT_LINES,
        *,
        forward: bool = False,
        exact: bool = False,
    ) -> Lines | Samples:
        """At most `limit` lines that LogQL or plain words select, newest first unless `forward`.

        A metric query, such as `sum(rate({service_name="web"}[5m]))`, gives Samples. `exact`: from
        the archive alone, where no row is sampled out.
        """
        first, last = self._range(start, end, since)
        source = "archive" if exact else ""
        if "{" in query and api.is_metric(query):
            found = api.metric(self._server, query, first, last, source)
            return Samples(found)
        direction = "forward" if forward else "backward"
        asked = (self._server, api.logql(query), first, last, limit, direction)
        return Lines(list(api.query(*asked, source)))

    def metrics(
        self,
        query: str,
        start: Time | None = None,
        end: Time | None = None,
        step: Span | None = None,
        since: Span | None = None,
    ) -> Samples:
        """The value of a PromQL query at every `step` from `start` to `end`.

        Without `step` there are some DEFAULT_POINTS of them.
        """
        first, last = self._range(start, end, since)
        width = span_ns(step) if step is not None else _step(last - first)
        if (last - first) // width >= QUERY_STEPS:
            raise QueryError(f"more than {QUERY_STEPS} steps (QUERY_STEPS); use a longer step")
        return Samples(api.samples(self._server, query, first, last, width))

    def sql(
        self,
        query: str,
        start: Time | None = None,
        end: Time | None = None,
        since: Span | None = None,
    ) -> Table:
        """The rows of a SELECT over the views of docs/sql.md.

        They are asked for as Arrow where pyarrow is installed, else as JSON; either is held whole.
        """
        first, last = self._range(start, end, since)
        form = "arrow" if find_spec("pyarrow") else "json"
        pieces = api.sql(self._server, query, first, last, form)
        return Table(b"".join(pieces), form)

    def trace(self, trace_id: str) -> Trace:
        """The spans of one trace, earliest first."""
        if not trace_id.isalnum() or not trace_id.isascii():
            raise QueryError(f"{trace_id[:64]!r} is no trace id: up to 32 hexadecimal digits")
        return Trace(api.trace(self._server, trace_id))

    def follow(self, query: str) -> Iterator[Line]:
        """Lines as they arrive, without end; after a lost connection it connects again.

        The first connection must succeed. Needs the extra `tailrace[frames]`.
        """
        return following.tail(self._server, api.logql(query))

    def _range(self, start: Time | None, end: Time | None, since: Span | None) -> tuple[int, int]:
        last = self._clock() if end is None else time_ns(end)
        if start is not None and since is not None:
            raise QueryError("start and since cannot both be given")
        back = span_ns(DEFAULT_SINCE if since is None else since)
        first = last - back if start is None else time_ns(start)
        if first > last:
            raise QueryError("end is before start")
        return max(first, 0), last


def _step(range_ns: int) -> int:
    """In whole seconds."""
    return max(-(-range_ns // (DEFAULT_POINTS * SECOND_NS)), 1) * SECOND_NS
