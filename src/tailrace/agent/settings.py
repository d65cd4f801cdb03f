"""What an agent is told."""

from __future__ import annotations

from typing import Literal

import msgspec

from tailrace.core import limits


class Input(msgspec.Struct, frozen=True):
    """One application's files: globs, and who wrote them.

    `start`: where files that are there at the first start are read from.
    """

    paths: list[str]
    exclude: list[str] = []
    service: str = ""
    codec: Literal["lines", "records"] = "lines"
    start: Literal["beginning", "end"] = "beginning"
    resource: dict[str, str] = {}


class AgentSettings(msgspec.Struct, frozen=True):
    """`directory` holds checkpoints and spool; files under a path in `never` are not tailed."""

    inputs: list[Input]
    directory: str
    gateways: list[str]
    token: str = ""
    spool_bytes: int = limits.SPOOL_BYTES
    poll_interval_s: float = 0.25
    flush_interval_s: float = 0.5
    chunk_bytes: int = limits.MIB
    never: list[str] = []
