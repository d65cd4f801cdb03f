"""kill -9 while an archive is packed: each row is there once, as another reader reads it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tailrace.core.contracts import Position
from tailrace.store.entries import DAY_NS, HOUR_NS, ArchiveFile, Step
from tailrace.store.manifest import Manifest, listed
from tailrace.store.parquet import checksum

PACKER = Path(__file__).with_name("packer.py")
START = 20_000 * DAY_NS
HOURS, FILES, ROWS = 4, 6, 4_000


def written(folder: Path) -> None:
    """An archive with hours of small files, as another writer would write them."""
    manifest = Manifest(folder / "manifest")
    for number in range(HOURS * FILES):
        hour = number // FILES
        first_ns = START + hour * HOUR_NS + number
        path = f"tenant=a/day=2024-10-04/hour={hour:02d}/logs-{number}.parquet"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows(number, first_ns), folder / path)
        size = (folder / path).stat().st_size
        last_ns = first_ns + (ROWS - 1) * 1_000
        sum_ = checksum(folder / path)
        file = ArchiveFile(path, "a", ROWS, size, first_ns, last_ns, sum_)
        manifest.append(Step(Position(1, number), ROWS, 1, [file]))


def rows(number: int, first_ns: int) -> pa.Table:
    times = pa.array([first_ns + n * 1_000 for n in range(ROWS)], pa.timestamp("ns", "UTC"))
    text = pa.array([f"{number}-{n} " + "x" * 100 for n in range(ROWS)])
    same = {
        "Tenant": "a", "TraceId": "", "SpanId": "", "SeverityText": "INFO", "ServiceName": "shop",
        "HostName": "h", "Source": "s",
    }  # fmt: skip
    numbers = {"TraceFlags": pa.uint8(), "SeverityNumber": pa.uint8(), "Weight": pa.uint32(),
               "Epoch": pa.uint64(), "Seq": pa.uint64()}  # fmt: skip
    maps = pa.array([[("k", "v")]] * ROWS, pa.map_(pa.string(), pa.string()))
    return pa.table(
        {
            "Timestamp": times, "IngestTime": times, "Body": text,
            **{name: pa.array([value] * ROWS) for name, value in same.items()},
            **{name: pa.array([number % 200] * ROWS, kind) for name, kind in numbers.items()},
            "ResourceAttributes": maps, "LogAttributes": maps,
        }
    )  # fmt: skip


def check(folder: Path) -> int:
    """Every row is there once; how many files there are."""
    files = listed(folder / "manifest").files()
    bodies: list[str] = []
    for file in files:
        bodies += pq.ParquetFile(folder / file.path).read(["Body"]).column(0).to_pylist()
    assert len(bodies) == len(set(bodies)) == HOURS * FILES * ROWS
    return len(files)


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.soak)])
def test_a_packing_that_is_killed_again_and_again_loses_nothing(kills: int, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    written(archive)
    chance = random.Random(kills)
    words = [sys.executable, str(PACKER), str(tmp_path / "engine"), str(archive)]
    words.append(str(START + 9 * HOUR_NS))
    counts = []
    for _ in range(kills):
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ)) as packer:
            assert packer.stdout is not None
            assert packer.stdout.readline() == b"packing\n"
            time.sleep(chance.random() * 0.6)  # anywhere within it
            packer.kill()
        counts.append(check(archive))
    assert subprocess.run(words, capture_output=True, check=True).stdout == b"packing\ndone\n"
    assert check(archive) == HOURS
    on_disk = {str(path.relative_to(archive)) for path in archive.rglob("*.parquet")}
    assert on_disk == {file.path for file in listed(archive / "manifest").files()}
    assert counts == sorted(counts, reverse=True)
