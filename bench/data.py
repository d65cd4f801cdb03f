"""The rows of a run: NDJSON bodies of about 2 MB, `1.ndjson` to `N.ndjson` in one directory.

The same files are what the client sends and what the bare engine reads. They live in shared memory
where there is room, so that neither side reads a disk for its input.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tailrace.app.demo.shop import records

BODY_BYTES = 2_000_000
ROW_BYTES = 360  # with room to spare, to judge whether shared memory is large enough
SEED = 20_260_101
NEEDLES = 64
INTERVAL_NS = 1_500_000
_SHARED_MEMORY = Path("/dev/shm")
_ORDER = re.compile(rb"order ([0-9a-f]{10}) placed")
_TRACE = re.compile(rb'"trace_id":"([0-9a-f]{32})"')
_REQUEST = re.compile(rb'"request.id":"([^"]+)"')


@dataclass(frozen=True)
class Data:
    """`files` bodies with `rows` rows in `bytes` bytes, from `start_ns` to before `end_ns`.

    `needles` are order numbers that one row each holds, `traces` ids that some rows have,
    `requests` the attribute `request.id` of one row each, all of them spread over the rows.
    """

    directory: Path
    files: int
    rows: int
    bytes: int
    start_ns: int
    end_ns: int
    needles: tuple[str, ...]
    traces: tuple[str, ...]
    requests: tuple[str, ...]

    def path(self, number: int) -> Path:
        """The file of a body, numbered from 1."""
        return self.directory / f"{number}.ndjson"


def generate(rows: int, scratch: Path, seed: int = SEED, end_ns: int = 0) -> Data:
    """Write `rows` rows whose times end at `end_ns`, or a minute ago.

    `scratch` is used when shared memory is short.
    """
    end_ns = end_ns or time.time_ns() - 60_000_000_000
    start_ns = end_ns - rows * INTERVAL_NS
    home = _home(rows, scratch)
    directory = Path(tempfile.mkdtemp(prefix="tailrace-bench-", dir=home))
    files = total = 0
    body: list[bytes] = []
    size = 0
    found: dict[re.Pattern[bytes], list[str]] = {_ORDER: [], _TRACE: [], _REQUEST: []}
    for block in records(rows, seed, start_ns, INTERVAL_NS, block_rows=1_000):
        body.append(block)
        size += len(block)
        for pattern, texts in found.items():
            texts += _first(pattern, block)
        if size >= BODY_BYTES:
            files += 1
            total += size
            (directory / f"{files}.ndjson").write_bytes(b"".join(body))
            body, size = [], 0
    if body:
        files += 1
        total += size
        (directory / f"{files}.ndjson").write_bytes(b"".join(body))
    some = (tuple(_spread(texts)) for texts in found.values())
    return Data(directory, files, rows, total, start_ns, end_ns, *some)


def _spread(texts: list[str]) -> list[str]:
    return texts[:: max(len(texts) // NEEDLES, 1)][:NEEDLES]


def occurrences(data: Data, token: str) -> int:
    """How often `token` stands in the rows: what a query must find."""
    wanted = token.encode()
    return sum(data.path(n).read_bytes().count(wanted) for n in range(1, data.files + 1))


def remove(data: Data) -> None:
    """Give the space back."""
    shutil.rmtree(data.directory, ignore_errors=True)


def _first(pattern: re.Pattern[bytes], block: bytes) -> list[str]:
    found = pattern.search(block)
    return [found.group(1).decode()] if found else []


def _home(rows: int, scratch: Path) -> Path:
    needed = rows * ROW_BYTES * 2
    if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > needed:
        return _SHARED_MEMORY
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch
