"""What an agent is told."""

from __future__ import annotations

from typing import Literal

import msgspec

from tailrace.core import limits


class Input(msgspec.Struct, frozen=True):
    """One application's files: globs, and who wrote them; or the journal of a machine.

    `start`: where files are read from that are there when this input is started for the first
    time. Files that appear later are always read from their beginning. `service`: empty means
    the file's name without its suffix, or what a journal's entry says. `units`: only their
    entries of the journal. `directory`: of its files, instead of the machine's own.
    """

    paths: list[str] = []
    exclude: list[str] = []
    service: str = ""
    codec: Literal["lines", "records"] = "lines"
    start: Literal["beginning", "end"] = "beginning"
    resource: dict[str, str] = {}
    journal: bool = False
    units: list[str] = []
    directory: str = ""


class AgentSettings(msgspec.Struct, frozen=True):
    """`directory` holds checkpoints and spool; files under a path in `never` are not tailed.

    `gateways`: base URLs such as "http://127.0.0.1:7480". `linger_s`: how long a rotated file
    must be quiet before its unfinished last line is taken and it is let go.
    """

    inputs: list[Input]
    directory: str
    gateways: list[str]
    token: str = ""
    spool_bytes: int = limits.SPOOL_BYTES
    poll_interval_s: float = 0.25
    flush_interval_s: float = 0.5
    chunk_bytes: int = limits.MIB
    never: list[str] = []
    linger_s: float = 5.0

    @property
    def read_bytes(self) -> int:
        """`chunk_bytes` within bounds: a chunk holds a whole line, and repaired fits a frame."""
        return max(2 * limits.LINE_BYTES, min(self.chunk_bytes, limits.FRAME_BYTES // 4))
