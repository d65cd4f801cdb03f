"""What a part is made with where nobody says otherwise: its limit."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.settings import AgentSettings
from tailrace.app.limits import LimitsConfig
from tailrace.core import limits
from tailrace.gateway.connections import Connections
from tailrace.gateway.door import Door
from tailrace.gateway.listening.forward import Forward
from tailrace.gateway.listening.syslogtcp import SyslogStreams
from tailrace.gateway.listening.syslogudp import SyslogDatagrams
from tailrace.logging.sender import Sender
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.sql import service as sql
from tailrace.query.steps import StepCache
from tailrace.queue.log import SegmentLog
from tailrace.wire.knownseries import KnownSeries
from tailrace.writer.archiver import Archiver

MADE: list[tuple[Callable[..., Any], dict[str, float]]] = [
    (
        Door,
        {
            "body_compressed_bytes": limits.BODY_COMPRESSED_BYTES,
            "body_bytes": limits.BODY_BYTES,
            "bodies_in_flight_bytes": limits.BODIES_IN_FLIGHT_BYTES,
            "read_deadline_s": limits.BODY_S,
        },
    ),
    (
        Connections,
        {
            "most": limits.CONNECTIONS,
            "most_per_peer": limits.CONNECTIONS_PER_PEER,
            "head_s": limits.HEAD_S,
        },
    ),
    (
        LimitsConfig,
        {
            "connections": limits.CONNECTIONS,
            "connections_per_peer": limits.CONNECTIONS_PER_PEER,
        },
    ),
    (
        SegmentLog,
        {
            "segment_bytes": limits.SEGMENT_BYTES,
            "queue_bytes": limits.QUEUE_BYTES,
            "dead_letter_bytes": limits.DEAD_LETTER_BYTES,
            "disk_reserve_bytes": limits.DISK_RESERVE_BYTES,
        },
    ),
    (Archiver, {"step_wait_s": limits.ARCHIVE_WAIT_S}),
    (KnownSeries, {"limit_bytes": limits.KNOWN_SERIES_BYTES}),
    (Forward, {"connections": limits.SOCKET_CONNECTIONS}),
    (
        SyslogStreams,
        {
            "connections": limits.SOCKET_CONNECTIONS,
            "limit_bytes": limits.MESSAGES_WAITING_BYTES,
        },
    ),
    (SyslogDatagrams, {"limit_bytes": limits.MESSAGES_WAITING_BYTES}),
    (
        Allowance,
        {
            "timeout_s": limits.QUERY_SECONDS,
            "read_rows": limits.QUERY_READ_ROWS,
            "read_bytes": limits.QUERY_READ_BYTES,
            "running": limits.QUERIES_PER_TENANT,
            "waiting": limits.QUERIES_WAITING,
        },
    ),
    (
        Policy,
        {
            "running": limits.QUERIES_IN_FLIGHT,
            "wait_s": limits.QUERY_WAIT_S,
            "slow_s": limits.SLOW_SECONDS,
        },
    ),
    (
        StepCache,
        {"max_bytes": limits.STEP_CACHE_BYTES, "lag_s": limits.STEP_CACHE_LAG_S},
    ),
    (AgentSettings, {"spool_bytes": limits.SPOOL_BYTES}),
    (Rejected, {"limit_bytes": limits.REJECTED_BYTES}),
    (
        Sender,
        {"queue_records": limits.APP_QUEUE_RECORDS, "queue_bytes": limits.APP_QUEUE_BYTES},
    ),
]


@pytest.mark.parametrize(("made", "expected"), MADE)
def test_what_nobody_says_is_the_limit(
    made: Callable[..., Any], expected: dict[str, float]
) -> None:
    parameters = inspect.signature(made).parameters
    assert {name: parameters[name].default for name in expected} == expected


def test_a_statement_of_sql_has_its_limits() -> None:
    own = sql._OWN
    assert (own.read_rows, own.read_bytes) == (limits.SQL_READ_ROWS, limits.SQL_READ_BYTES)
    assert (own.result_rows, own.memory_bytes) == (limits.SQL_RESULT_ROWS, limits.SQL_MEMORY_BYTES)
