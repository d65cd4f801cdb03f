"""One statement on one connection: its settings, its result, its errors. All of it blocks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from tailrace.core import limits
from tailrace.core.bounds import Bounds, Terms, Used
from tailrace.core.errors import StoreError
from tailrace.store import forms
from tailrace.store.handover import Handover

_T = TypeVar("_T")
_CODE = re.compile(r"Code: (\d{1,6})")  # the first one: later text may be input
# What the engine puts before bytes of the input: "expected '{' before: 'some line'"; and before the
# statement with its values.
_QUOTED = re.compile(r" before: | here: |\(while reading|: [Ww]hile |\.? In scope ")
TIMED_OUT = 159
# Free memory for each thread of a query. At the engine's default of 1 GiB, which is more than it
# may use here, every query would run on one core.
THREAD_BYTES = 64 * limits.MIB
# Formats of which the driver gives a result block by block: blocks of them can simply be joined.
JOINED = frozenset({"Native", "TabSeparated", "CSV", "RowBinary", "JSONEachRow"})
STREAMED = JOINED | forms.TEXT | forms.ARROW
# Made in one piece, of at most QUERY_RESULT_BYTES.
WHOLE = frozenset({"JSON"})
_PIECE_BYTES = 256 * limits.KIB


@dataclass(frozen=True)
class Asked:
    """One SELECT. `name` is how `stop` finds it in the engine; values are in `parameters`."""

    name: str
    sql: str
    parameters: Mapping[str, object]
    terms: Terms

    @property
    def settings(self) -> dict[str, object]:
        """Every bound is said, also that of 0: none of an earlier statement stays."""
        bounds = self.terms.bounds
        return {
            **self.terms.settings,
            "readonly": 2,
            "log_comment": self.name,
            "max_execution_time": self.terms.timeout_s,
            "max_rows_to_read": bounds.read_rows,
            "max_bytes_to_read": bounds.read_bytes,
            "max_result_rows": bounds.result_rows,
            "max_result_bytes": bounds.result_bytes,
            "max_memory_usage": bounds.memory_bytes,
            "max_threads_min_free_memory_per_thread": THREAD_BYTES,
            # The folders of archived files are no columns: a tenant's name may read as a number.
            "use_hive_partitioning": 0,
        }


def bounds_of(form: str, bounds: Bounds) -> Bounds:
    """Those of a result in the format `form`. Raises StoreError for what is none."""
    if form in STREAMED:
        return bounds
    if form not in WHOLE:
        raise StoreError(f"{form!r} is not a format of results")
    most = bounds.result_bytes or limits.QUERY_RESULT_BYTES
    return replace(bounds, result_bytes=min(most, limits.QUERY_RESULT_BYTES))


def select(client: Any, asked: Asked) -> list[tuple[Any, ...]]:
    """All rows at once. Raises StoreError."""
    with _counted(client, asked.terms.used), _store_errors(client):
        found = client.query(asked.sql, parameters=dict(asked.parameters), settings=asked.settings)
        return list(found.result_rows)


def pump_blocks(client: Any, asked: Asked, into: Handover[Any]) -> None:
    """Hand over the columns of one block after another."""

    def opened() -> AbstractContextManager[Any]:
        stream: AbstractContextManager[Any] = client.query_column_block_stream(
            asked.sql, parameters=dict(asked.parameters), settings=asked.settings
        )
        return stream

    _pump(client, asked, opened, into)


def pump_bytes(client: Any, asked: Asked, form: str, into: Handover[bytes]) -> None:
    """Hand over the bytes of the result in the format `form`."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        # As text and not as the driver's settings: with those it would not stream.
        settings = ", ".join(f"{name}={_value(value)}" for name, value in asked.settings.items())
        tail, parameters = f"\nSETTINGS {settings}", dict(asked.parameters)
        if form in forms.TEXT | forms.ARROW:
            with closing(forms.pieces(client, asked.sql, tail, parameters, form)) as pieces:
                yield pieces
            return
        with closing(client.raw_stream(asked.sql + tail, parameters=parameters, fmt=form)) as file:
            yield iter(lambda: file.read(_PIECE_BYTES), b"")

    _pump(client, asked, opened, into)


def _value(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _pump(
    client: Any,
    asked: Asked,
    opened: Callable[[], AbstractContextManager[Any]],
    into: Handover[_T],
) -> None:
    timeout_s = asked.terms.timeout_s
    deadline_s = time.monotonic() + timeout_s
    try:
        with _counted(client, asked.terms.used), _store_errors(client), opened() as stream:
            left = not all(into.put(item, deadline_s) for item in stream)
        if left:
            _forget(client)
            return
        into.end()
    except TimeoutError:
        message = f"the result was not taken within the {timeout_s:g} s of the statement"
        into.end(StoreError(message, TIMED_OUT))
    except Exception as error:
        into.end(error)


def command(client: Any, sql: str) -> None:
    """Run what gives no rows. Raises StoreError."""
    with _store_errors(client):
        client.command(sql)


def stop(client: Any, name: str) -> None:
    """End the statement of this name on whichever connection it runs. Raises StoreError."""
    command(client, f"KILL QUERY WHERE Settings['log_comment'] = '{name}' ASYNC")


def make_read_only(client: Any) -> None:
    """No statement of this connection changes a table, whatever it sets; nothing takes it back.

    Its statements may be QUERY_SQL_BYTES long, which none can say of itself: it is read before.
    """
    command(client, f"SET max_query_size = {limits.QUERY_SQL_BYTES}")
    command(client, "SET readonly = 2")


@contextmanager
def _store_errors(client: Any) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        _forget(client)
        if isinstance(error, ClickHouseError):
            raise store_error(error) from None
        raise


def _forget(client: Any) -> None:
    """After a statement that failed or was left: what it had found already stays in the connection
    (chDB 4.4), and would stand before the rows of the next one, whosever that is."""
    with suppress(Exception):
        client.command("SELECT 1")


@contextmanager
def _counted(client: Any, used: Used | None) -> Iterator[None]:
    """Add what the statement reads to `used`, while it does. The driver's own summary counts only
    the result, so this listens to the engine's progress: every 100 ms and at the end, the sum so
    far."""
    if used is None:
        yield
        return
    last = (0, 0)

    def progressed(so_far: Mapping[str, int]) -> None:
        nonlocal last
        rows, read_bytes = so_far["read_rows"], so_far["read_bytes"]
        used.add(rows - last[0], read_bytes - last[1])
        last = rows, read_bytes

    connection = client._backend._handle.conn
    connection.set_progress_callback(progressed)
    try:
        yield
    finally:
        connection.set_progress_callback(None)


def store_error(error: Exception) -> StoreError:
    """The engine's words without the row data that it may quote after them."""
    first = str(error).split("\n", 1)[0]
    found = _CODE.search(first)
    return StoreError(_QUOTED.split(first, maxsplit=1)[0][:300], int(found[1]) if found else 0)
