"""A server's logs, metrics and traces in Python: `tailrace.connect`; docs/python-client.md.

Needs nothing but the base install, until a data frame or a live tail is asked for; these are in
the extra `tailrace[frames]`.
"""

from tailrace.client.results import Lines, Result, Samples, Table, Trace
from tailrace.client.session import Client, connect
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.line import Line

__all__ = [
    "Client",
    "Line",
    "Lines",
    "QueryError",
    "Result",
    "Samples",
    "StoreError",
    "Table",
    "Trace",
    "connect",
]
