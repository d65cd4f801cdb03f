"""What is known of damaged files outlives the process, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.store.damage import Damage


def opened(path: Path) -> Damage:
    damage = Damage(path)
    damage.open()
    return damage


def test_what_was_found_is_known_after_a_restart_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    damage = opened(path)
    assert damage.known == {}
    assert damage.note("a.parquet", "it is gone")
    assert not damage.note("a.parquet", "it is gone")
    assert damage.note("b.parquet", "it has 1 bytes, not 2")
    again = opened(path)
    assert again.known == {"a.parquet": "it is gone", "b.parquet": "it has 1 bytes, not 2"}
    again.forget(["a.parquet", "c.parquet"])
    assert opened(path).known == {"b.parquet": "it has 1 bytes, not 2"}


def test_a_broken_file_says_that_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    opened(path).note("a.parquet", "it is gone")
    path.write_bytes(path.read_bytes()[:-3])
    assert opened(path).known == {}


def test_so_many_are_known_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_DAMAGED", 3)
    damage = opened(tmp_path / "damaged")
    found = [damage.note(f"{n}.parquet", "it is gone") for n in range(5)]
    assert found == [True, True, True, False, False]
    assert len(opened(tmp_path / "damaged").known) == 3
