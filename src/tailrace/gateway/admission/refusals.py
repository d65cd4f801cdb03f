"""What was refused or diverted, by reason: counted, and kept for whoever asks why."""

from __future__ import annotations

from typing import Literal

import msgspec

Reason = Literal[
    "bytes_rate",
    "rows_rate",
    "service_bytes_rate",
    "service_rows_rate",
    "bytes_day",
    "requests",
    "services",
    "label_sets",
    "labels",
    "attributes",
    "line_bytes",
    "body_bytes",
    "overload_bulk",
    "overload_metrics",
    "overload_all",
    "space_bulk",
    "space_hot",
]


class Refusals(msgspec.Struct):
    """`rows` and `bytes` of requests that were read; those refused before that have none."""

    requests: int = 0
    rows: int = 0
    bytes: int = 0
    last_ns: int = 0

    def add(self, rows: int, bytes_: int, now_ns: int) -> None:
        self.requests += 1
        self.rows += rows
        self.bytes += bytes_
        self.last_ns = now_ns


class Excess(msgspec.Struct, frozen=True):
    """Why a load may not come in now, and when it may. `message` holds no data of the sender."""

    reason: Reason
    wait_s: float
    message: str
