"""Payloads in shared memory do not outlive the process for longer than to its next start."""

from __future__ import annotations

from pathlib import Path

from tailrace.store.scratch import Scratch


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    shared = tmp_path / "shm"
    shared.mkdir()
    killed = Scratch(tmp_path, shared)
    killed.open()
    (killed.path / "1.zst").write_bytes(b"rows")
    following = Scratch(tmp_path, shared)
    following.open()
    assert [path.name for path in shared.iterdir()] == [following.path.name]
    assert following.path.stat().st_mode & 0o777 == 0o700
    following.close()
    assert list(shared.iterdir()) == []


def test_a_name_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / "scratch").write_text(f"{precious}\n")
    Scratch(tmp_path, tmp_path).open()
    assert precious.is_dir()


def test_without_shared_memory_it_lies_in_the_data_directory(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path, tmp_path / "none")
    scratch.open()
    assert scratch.path.parent == tmp_path
