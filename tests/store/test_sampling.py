"""An audit's sample of what is stored: of every place, and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.sampling import StoredRows

from .building import HOUR_NS, NOW, frame
from .conftest import Use


def test_no_more_files_of_the_archive_are_opened_than_may_be(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        archive = Archive(engine, tmp_path / "archive")
        await archive.open()
        hours = [NOW + number * HOUR_NS for number in range(10)]
        frames = [
            frame(b'{"time":%d,"body":"x"}\n' % time_ns, seq)
            for seq, time_ns in enumerate(hours, 1)
        ]
        await table.insert(frames)
        await archive.step([one.header for one in frames], [], Position(1, 1))
        assert await archived(engine, archive) == 10
        monkeypatch.setattr(limits, "AUDIT_FILES", 4)
        assert await archived(engine, archive) <= 4

    use(body)


async def archived(engine: Engine, archive: Archive) -> int:
    """Files, of a row each, that were looked into."""
    stored = StoredRows(engine, archive)
    return sum(
        [
            len(some)
            async for some in stored.sample("default", 0, 100)
            if some and "archived" in some[0].place
        ]
    )
