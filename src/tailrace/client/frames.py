"""pyarrow, polars and pandas, imported when they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tailrace.core.errors import StoreError


def library(name: str) -> Any:
    """The module `name`. Raises StoreError, which names the extra, where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        message = f"this needs {name}; install it with pip install 'tailrace[frames]'"
        raise StoreError(message) from None


def polars(table: Any) -> Any:
    """A polars.DataFrame of an Arrow table."""
    return library("polars").from_arrow(table)


def pandas(table: Any) -> Any:
    """A pandas.DataFrame of an Arrow table; maps become dicts."""
    library("pandas")
    return table.to_pandas(maps_as_pydicts="strict")


def python_rows(table: Any) -> list[dict[str, Any]]:
    """Rows of an Arrow table as dicts. Times are datetimes, to the microsecond; maps are dicts."""
    pa = library("pyarrow")
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = _shorter(pa, field.type)
        columns.append(column if kind == field.type else column.cast(kind, safe=False))
    plain = pa.table(columns, names=[str(n) for n in range(len(columns))])
    names = table.schema.names
    values = [column.to_pylist(maps_as_pydicts="strict") for column in plain.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _shorter(pa: Any, kind: Any) -> Any:
    """The type with microseconds where it has nanoseconds, which Python has not."""
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_list(kind):
        return pa.list_(_shorter(pa, kind.value_type))
    return kind
