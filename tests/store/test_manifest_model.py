"""The manifest and its files against a model, through failing disks, kills and power cuts.

What takes the place of the engine writes small files, synced as the archive syncs them.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.disk import sync_directory
from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.store.archive import Archive
from tailrace.store.entries import DAY_NS, HOUR_NS, ArchiveFile, Step
from tailrace.store.leaving import GRACE_S
from tailrace.store.manifest import listed

from .losing import LosingDisk

TENANTS = ("a", "b")
DEAD = 12
# Its disk is of the test, so that nothing waits for a real one.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class ArchiveAgainstRows(RuleBasedStateMachine):
    """`rows` is the model: which rows the archive has, each with its tenant and time. A file here
    is a text of the numbers of its rows. Of what was cut short, either outcome may hold."""

    @initialize(seed=st.integers(0, 1 << 16))
    def start(self, seed: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(limits, "ARCHIVE_MANIFEST_DEAD", DEAD)
        self.chance = random.Random(seed)
        self.home = Path(tempfile.mkdtemp(prefix="archive-", dir=MEMORY))
        self.lives = 0
        self.rows: dict[int, tuple[str, int]] = {}
        # What a power cut may bring after a sync that failed.
        self.doubtful: dict[int, tuple[str, int]] | None = None
        self.next = 0
        self.clock = ManualClock(3 * DAY_NS)
        self._open(self.home / "0")

    def _open(self, folder: Path) -> None:
        self.folder = folder
        self.disk = LosingDisk(folder)
        self.archive = Archive(None, folder, self.clock)  # type: ignore[arg-type]
        with self.disk.watched(self.patch):
            asyncio.run(self.archive.open())
        for path in [folder, *folder.rglob("*")]:  # a disk that was mounted anew has all of it
            self.disk.synced(path)
        self.reading: list[tuple[float, list[str]]] = []
        self._check()

    def _write(self, tenant: str, rows: list[int]) -> ArchiveFile:
        times = [self.rows[row][1] if row in self.rows else self._time(row) for row in rows]
        path = f"tenant={tenant}/hour={min(times) // HOUR_NS}/{self.chance.random()}.parquet"
        whole = self.folder / path
        whole.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(" ".join(map(str, rows)))
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        for parent in (whole.parent, whole.parent.parent, self.folder):
            sync_directory(parent)
        size = whole.stat().st_size
        return ArchiveFile(path, tenant, len(rows), size, min(times), max(times))

    def _time(self, row: int) -> int:
        return row * 7 * HOUR_NS % (2 * DAY_NS)

    @rule(counts=st.lists(st.integers(1, 3), min_size=1, max_size=3), fails=st.booleans())
    def step(self, counts: list[int], fails: bool) -> None:
        files, added = [], {}
        with self.disk.watched(self.patch):
            for count in counts:
                tenant, row = TENANTS[self.next % 2], self.next
                rows = [row] if count == 1 else [row, row + 7 * 96]
                self.next += 1
                times = {one: (tenant, self._time(one)) for one in rows}
                files.append(self._write(tenant, rows))
                added |= times
            upto = Position(1, self.archive.upto.offset + 1)
            step = Step(upto, sum(file.rows for file in files), 1, files)
            self.doubtful = {**self.rows, **added}
            with self._failing(fails):
                self.archive.manifest.append(step)
                self.rows, self.doubtful = self.doubtful, None
        self._check()

    @rule(fails=st.booleans(), expires=st.booleans())
    def swap(self, fails: bool, expires: bool) -> None:
        days = list(self.archive.listing.days())
        if not days:
            return
        removed = self.chance.choice(days)
        rows = sorted(row for file in removed for row in self._rows_of(file.path))
        with self.disk.watched(self.patch):
            added = [] if expires else [self._write(removed[0].tenant, rows)]
            gone = set(rows) if expires else set()
            self.doubtful = {row: its for row, its in self.rows.items() if row not in gone}
            with self._failing(fails):
                asyncio.run(self.archive.swap("compacted", removed, added))
                self.rows, self.doubtful = self.doubtful, None
        self._check()

    @rule()
    def swap_of_what_is_gone(self) -> None:
        gone = ArchiveFile("tenant=a/hour=1/gone.parquet", "a", 1, 1, 0, 0)
        with pytest.raises(StoreError, match="does not list"):
            asyncio.run(self.archive.swap("expired", [gone], []))

    @rule(fails=st.booleans())
    def rewrite(self, fails: bool) -> None:
        lines = self.archive.listing.named
        with self.disk.watched(self.patch), self._failing(fails):
            if self.archive.manifest.rewrite():
                assert self.archive.listing.named < lines
                self.doubtful = None
        self._check()

    @rule()
    def query(self) -> None:
        """It may read these files for as long as a query may take."""
        paths = [file.path for file in self.archive.listing.files()]
        self.reading.append((self.clock.monotonic_s() + GRACE_S - 1, paths))

    @rule(seconds=st.sampled_from([60.0, GRACE_S]))
    def sweep(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.archive.leaving.sweep()
        self.reading = [one for one in self.reading if one[0] >= self.clock.monotonic_s()]
        for _, paths in self.reading:
            for path in paths:
                assert (self.folder / path).exists(), "deleted under a query"
        self._check()

    @rule(power=st.booleans())
    def crash(self, power: bool) -> None:
        self.lives += 1
        before = dict(self.rows)
        target = self.home / str(self.lives)
        if power:
            self.disk.cut(target, self.chance)
        else:
            shutil.copytree(self.folder, target)
        shutil.rmtree(self.folder)
        if power and self.doubtful is not None:
            found = listed(target / "manifest") if (target / "manifest").exists() else None
            rows = sum(file.rows for file in found.files()) if found else 0
            self.rows = self.doubtful if rows != len(before) else before
        self.doubtful = None
        self._open(target)
        counted = {str(self.folder / path) for path in self.archive.manifest.paths()}
        assert {str(path) for path in self.folder.rglob("*.parquet")} == counted

    def _rows_of(self, path: str) -> list[int]:
        return [int(row) for row in (self.folder / path).read_text().split()]

    def _failing(self, fails: bool) -> Any:
        return _Failing(self.patch, fails)

    def _check(self) -> None:
        listing = self.archive.listing
        assert sorted(r for f in listing.files() for r in self._rows_of(f.path)) == sorted(
            self.rows
        )
        again = listed(self.folder / "manifest") if listing.named else listing
        assert {f.path: f for f in again.files()} == {f.path: f for f in listing.files()}
        assert (again.upto, again.steps, again.rows) == (
            listing.upto, listing.steps, listing.rows,
        )  # fmt: skip
        for tenant in TENANTS:
            for start in range(0, 2 * DAY_NS, 5 * HOUR_NS):
                end = start + 5 * HOUR_NS
                files = listing.between(Signal.LOGS, tenant, start, end)
                found = {row for file in files for row in self._rows_of(file.path)}
                wanted = {
                    row for row, (of, time) in self.rows.items()
                    if of == tenant and start <= time <= end
                }  # fmt: skip
                assert wanted <= found
                assert len(files) == len({file.path for file in files})

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.patch.undo()
            shutil.rmtree(self.home)


class _Failing:
    """The next sync fails, if it `fails`, and the block ends there; the process goes on."""

    def __init__(self, patch: pytest.MonkeyPatch, fails: bool) -> None:
        self._patch, self._fails = patch, fails

    def __enter__(self) -> None:
        self._context = self._patch.context()
        patched = self._context.__enter__()
        if self._fails:

            def fail(_descriptor: int) -> None:
                raise OSError(5, "Input/output error")

            patched.setattr(os, "fsync", fail)

    def __exit__(self, kind: Any, error: Any, _trace: Any) -> bool:
        self._context.__exit__(None, None, None)
        return self._fails and isinstance(error, OSError | StoreError)


TestArchiveAgainstRows = ArchiveAgainstRows.TestCase
TestArchiveAgainstRows.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
