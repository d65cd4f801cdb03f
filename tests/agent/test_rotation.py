"""Every way in which files are rotated: nothing is lost, nothing is read twice."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from driving import Bench

from tailrace.agent.checkpoints import Checkpoints
from tailrace.agent.files.discovery import key_of, related
from tailrace.agent.files.tailed import TailedFile
from tailrace.agent.inputs import Files


@pytest.fixture(params=["*.log", "*.log*"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    """The rotated names are matched by the pattern, or they are not."""
    return Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / request.param)])])


def pack_gz(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def pack_zst(path: Path) -> Path:
    target = path.with_name(path.name + ".zst")
    target.write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes()))
    path.unlink()
    return target


def copytruncate(path: Path) -> Path:
    copy = path.with_name(path.name + ".1")
    shutil.copyfile(path, copy)
    os.truncate(path, 0)
    return copy


def settle(bench: Bench) -> list[bytes]:
    """Long enough for whatever waits."""
    for _ in range(60):
        bench.step(3.0)
    return bench.lines


@pytest.mark.parametrize("after", [b"x\n", b"another one\n", b"much longer than before\n"])
@pytest.mark.parametrize("stopped", [True, False])
def test_what_was_not_read_before_a_copytruncate_is_read_from_the_copy(
    bench: Bench, after: bytes, stopped: bool
) -> None:
    bench.write(b"first line\n")
    bench.step()
    bench.write(b"unread\n")
    copytruncate(bench.log)
    bench.write(after)
    if stopped:
        bench.restart()
    assert sorted(settle(bench)) == sorted([b"first line", b"unread", after[:-1]])


@pytest.mark.parametrize("rotate", [copytruncate, lambda path: pack_gz(copytruncate(path))])
def test_a_file_that_was_empty_at_the_end_and_rotated_while_stopped_is_read(
    bench: Bench, rotate: Callable[[Path], Path]
) -> None:
    """What was written has no bytes that are known: its name and its time are all there is."""
    bench.write(b"first line\n")
    bench.step()
    os.truncate(bench.log, 0)
    bench.step()
    bench.write(b"while stopped\n")
    rotate(bench.log)
    bench.write(b"after\n")
    bench.restart()
    assert sorted(settle(bench)) == sorted([b"first line", b"while stopped", b"after"])


def test_a_copy_that_is_seen_before_the_truncation_is_not_read_twice(bench: Bench) -> None:
    bench.write(b"first line\nsecond line\n")
    bench.step()
    shutil.copyfile(bench.log, bench.log.with_name("a.log.1"))
    bench.step()
    os.truncate(bench.log, 0)
    bench.write(b"third\n")
    assert settle(bench) == [b"first line", b"second line", b"third"]


def test_two_files_that_begin_alike_are_both_read(bench: Bench) -> None:
    bench.write(b"# the same banner\n")
    bench.step()
    other = bench.log.with_name("a2.log")
    bench.write(b"# the same banner\nother\n", other)
    bench.step()
    bench.write(b"mine\n")
    assert sorted(settle(bench)) == [b"# the same banner", b"# the same banner", b"mine", b"other"]


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_file_that_is_compressed_after_it_was_read_is_not_read_again(
    bench: Bench, pack: Callable[[Path], Path], stopped: bool
) -> None:
    bench.write(b"one\ntwo\n")
    bench.step()
    pack(bench.log.rename(bench.log.with_name("a.log.1")))
    bench.write(b"three\n")
    if stopped:
        bench.restart()
    assert settle(bench) == [b"one", b"two", b"three"]
    bench.restart()
    assert settle(bench) == [b"one", b"two", b"three"]


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
def test_what_was_not_read_before_it_was_compressed_is_read_from_there(
    bench: Bench, pack: Callable[[Path], Path]
) -> None:
    bench.write(b"one\n")
    bench.step()
    bench.write(b"two\nthree without an end")
    pack(bench.log.rename(bench.log.with_name("a.log.1")))
    bench.write(b"four\n")
    bench.restart()
    assert sorted(settle(bench)) == [b"four", b"one", b"three without an end", b"two"]


def test_compressed_files_that_match_are_read_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*")])])
    lines = [b"line %d" % number for number in range(50_000)]
    text = b"\n".join(lines)
    (tmp_path / "logs/a.log.1.gz").write_bytes(gzip.compress(text[:99]) + gzip.compress(text[99:]))
    packed = zstandard.ZstdCompressor().compress(b"z\n")
    (tmp_path / "logs/b.log.1.zst").write_bytes(packed)
    assert sorted(settle(bench)) == sorted([*lines, b"z"])
    bench.restart()
    (tmp_path / "logs/a.log.1.gz").rename(tmp_path / "logs/a.log.2.gz")
    assert sorted(settle(bench)) == sorted([*lines, b"z"])


def test_a_compressed_file_that_is_still_being_written_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.gz")])])
    whole = gzip.compress(b"one\ntwo\n")
    path = tmp_path / "logs/a.log.gz"
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        assert bench.step() == []
    path.write_bytes(whole)
    assert settle(bench) == [b"one", b"two"]


def test_a_damaged_compressed_file_gives_what_it_holds_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.gz")])])
    lines = b"".join(b"%d\n" % random.Random(n).random().hex().__hash__() for n in range(9_000))
    (tmp_path / "logs/a.gz").write_bytes(gzip.compress(lines)[:-20_000])
    found = settle(bench)
    assert found == lines.splitlines()[: len(found) - 1] + found[-1:]
    assert "ends early" in caplog.text


def test_a_reused_inode_is_another_file(bench: Bench) -> None:
    bench.write(b"the first file\n")
    bench.step()
    bench.close()
    bench.log.unlink()
    bench.write(b"second\n")
    checkpoints = Checkpoints(Path(bench.settings.directory))
    state = checkpoints.load().state
    assert state is not None
    ((_, mark),) = state.files.items()
    state.files = {key_of(bench.log.stat()): mark}
    checkpoints.save(state)
    bench.restart()
    assert settle(bench) == [b"the first file", b"second"]


def test_a_hole_left_by_a_writer_that_does_not_append_is_left_out(bench: Bench) -> None:
    with bench.log.open("wb", buffering=0) as writer:
        writer.write(b"before the truncation\n")
        bench.step()
        os.truncate(bench.log, 0)
        writer.write(b"after it\n")
        assert settle(bench) == [b"before the truncation", b"after it"]


@pytest.mark.parametrize("inside", [True, False])
def test_links_lead_no_further_than_the_roots(tmp_path: Path, inside: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_bytes(b"secret\n")
    (tmp_path / "logs/deep").mkdir(parents=True)
    (tmp_path / "logs/a.log").symlink_to(tmp_path / "elsewhere/x")
    (tmp_path / "logs/deep/folder").symlink_to(tmp_path / "elsewhere")
    roots = [str(tmp_path / "elsewhere")] if inside else []
    paths = [str(tmp_path / "logs/*.log"), str(tmp_path / "logs/deep/*/x")]
    bench = Bench(tmp_path, inputs=[Files(paths=paths, roots=roots)])
    assert settle(bench) == ([b"secret"] if inside else [])


def test_what_a_file_held_between_it_was_found_and_read_is_read_from_the_copy(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(b"first\n")
    bench.step()
    bench.log.rename(bench.log.with_name("b"))
    bench.write(b"never seen in its place\n")
    look = bench.reader._tail.look

    def rotated_behind(now_s: float) -> bool:
        """It is found, and rotated before it is read."""
        durable = look(now_s)
        copytruncate(bench.log)
        bench.write(b"what is read of it first\n")
        monkeypatch.undo()
        return durable

    monkeypatch.setattr(bench.reader._tail, "look", rotated_behind)
    bench.step()
    expected = [b"first", b"never seen in its place", b"what is read of it first"]
    assert sorted(settle(bench)) == expected


def test_what_lies_beside_a_log_is_none_of_its_generations(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.log")])])
    bench.write(b"one\n")
    bench.step()
    for name in ("a.log.pos", "a.log.lock", "a.log.idx", "a.logic", "a.log~", "a.log.1x.tmp"):
        bench.log.with_name(name).write_bytes(b"not a log\n")
    bench.log.with_name("a.log.2026-11-24_10").write_bytes(b"two\n")
    bench.log.with_name("a.log-20261124.gz").write_bytes(gzip.compress(b"three\n"))
    bench.log.with_name("a.log.old").write_bytes(b"four\n")
    assert sorted(settle(bench)) == [b"four", b"one", b"three", b"two"]


def test_folders_that_appear_later_are_looked_into(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "later/**/*.log")], start="end")])
    bench.step()
    (tmp_path / "later/on").mkdir(parents=True)
    (tmp_path / "later/on/x.log").write_bytes(b"here\n")
    assert settle(bench) == [b"here"]


@pytest.mark.parametrize("folder", ["", "deep", "very/deep"])
def test_a_file_that_is_rotated_while_nobody_looks_is_found_by_a_pattern_of_any_depth(
    tmp_path: Path, folder: str
) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs/**/*.log")])])
    log = tmp_path / "logs" / folder / "b.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    bench.write(b"one\n", log)
    bench.step()
    bench.write(b"two\n", log)
    log.rename(log.with_name("b.log.1"))
    bench.restart()
    assert settle(bench) == [b"one", b"two"]


def pack_slowly(bench: Bench, path: Path, target: str = "a.log.1.gz") -> None:
    """As gzip does it, with looks in the midst of it."""
    whole = gzip.compress(path.read_bytes())
    packed = path.with_name(target)
    for end in (0, 5, 30, len(whole) // 3, len(whole) // 2, len(whole)):
        packed.write_bytes(whole[:end])
        bench.step()
    path.unlink()


@pytest.mark.parametrize("truncates", [True, False])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_read_file_that_is_looked_at_while_it_is_compressed_is_not_read_again(
    bench: Bench, truncates: bool, stopped: bool
) -> None:
    lines = [b"%d %s" % (n, os.urandom(30).hex().encode()) for n in range(200)]
    bench.write(b"\n".join(lines) + b"\n")
    bench.step()
    rotated = (
        copytruncate(bench.log) if truncates else bench.log.rename(bench.log.with_name("a.log.1"))
    )
    bench.write(b"next\n")
    pack_slowly(bench, rotated)
    if stopped:
        bench.restart()
    assert settle(bench) == [*lines, b"next"]


def test_a_copy_that_is_still_compressed_when_its_original_is_truncated_is_not_read_again(
    bench: Bench,
) -> None:
    lines = [b"%d %s" % (n, os.urandom(30).hex().encode()) for n in range(200)]
    bench.write(b"\n".join(lines) + b"\n")
    bench.step()
    whole = gzip.compress(bench.log.read_bytes())
    packed = bench.log.with_name("a.log.1.gz")
    packed.write_bytes(whole[: len(whole) // 2])
    os.truncate(bench.log, 0)
    bench.write(b"next\n")
    bench.step()
    packed.write_bytes(whole)
    assert settle(bench) == [*lines, b"next"]


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
def test_compressed_files_that_came_while_it_was_stopped_outlive_a_kill_soon_after(
    bench: Bench, pack: Callable[[Path], Path]
) -> None:
    bench.write(b"one\n")
    bench.step()
    for number, line in enumerate((b"two\n", b"three\n")):
        bench.write(line)
        pack(bench.log.rename(bench.log.with_name(f"a.log.{number + 1}")))
    bench.write(b"four\n")
    bench.restart()
    bench.step()
    bench.write(b"five\n")
    bench.step()
    bench.restart()
    assert sorted(settle(bench)) == [b"five", b"four", b"one", b"three", b"two"]


def test_a_file_that_is_compressed_straight_from_its_name_is_not_read_again(bench: Bench) -> None:
    lines = [b"%d %s" % (n, os.urandom(30).hex().encode()) for n in range(200)]
    bench.write(b"\n".join(lines) + b"\n")
    bench.step()
    pack_slowly(bench, bench.log)
    bench.write(b"next\n")
    assert settle(bench) == [*lines, b"next"]


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
def test_a_copy_that_is_read_on_in_while_it_is_compressed_is_not_read_again(
    bench: Bench, pack: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = b"".join(b"line %d of what was read\n" % number for number in range(30))
    bench.write(read)
    bench.step()
    bench.write(b"not read before the rotation\n")
    copy = copytruncate(bench.log)
    bench.write(b"another text, and as long as what was there before it\n" * 20)
    look = bench.reader._tail.look

    def looked(now_s: float) -> bool:
        monkeypatch.undo()
        found = look(now_s)  # the copy is found, and read on in where its original was left
        pack(copy)
        return found

    monkeypatch.setattr(bench.reader._tail, "look", looked)
    lines = settle(bench)
    assert lines.count(b"not read before the rotation") == 1
    assert len(lines) == 30 + 1 + 20


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
def test_what_was_read_on_in_a_copy_is_not_read_again_when_that_is_compressed(
    bench: Bench, pack: Callable[[Path], Path]
) -> None:
    bench.write(b"".join(b"line %d of what was read\n" % number for number in range(30)))
    bench.step()
    bench.write(b"read from the copy\n")
    copy = copytruncate(bench.log)
    bench.write(b"another text\n")
    bench.log.rename(bench.log.with_name("a.log.2"))
    bench.write(b"a new file\n")
    bench.log.with_name("a.log.2").unlink()  # what was read first is nowhere any more
    bench.restart()
    for _ in range(4):
        bench.step()
    assert bench.lines.count(b"read from the copy") == 1
    pack(copy)
    bench.restart()
    assert settle(bench).count(b"read from the copy") == 1


def write_at(bench: Bench, line: bytes, second: int) -> None:
    """As if it had been written at this time: the real clock hardly moves in a test."""
    bench.write(line)
    os.utime(bench.log, (second, second))


@pytest.mark.parametrize("pack", [pack_gz, pack_zst])
def test_a_file_of_which_nothing_was_read_is_found_compressed_although_newer_ones_were_read(
    tmp_path: Path, pack: Callable[[Path], Path]
) -> None:
    bench = Bench(tmp_path)
    write_at(bench, b"first\n", 1_000)
    bench.step()
    bench.log.rename(bench.log.with_name("a.log.1"))
    write_at(bench, b"second\n", 2_000)
    rotated = bench.log.rename(bench.log.with_name("a.log.2"))
    write_at(bench, b"third\n", 3_000)
    take = bench.reader._take

    def taken(file: TailedFile, now_s: float) -> bool:
        return file.place != str(rotated) and take(file, now_s)

    bench.reader._take = taken  # type: ignore[method-assign] - killed before the turn of that one
    assert bench.step() == [b"third"]
    packed = pack(rotated)
    os.utime(packed, (2_000, 2_000))
    bench.restart()
    assert sorted(settle(bench)) == [b"first", b"second", b"third"]


def test_what_has_the_inode_of_an_empty_log_is_not_read_under_a_name_that_nobody_named(
    bench: Bench,
) -> None:
    bench.log.touch()
    bench.step()
    bench.log.rename(bench.log.with_name("keys.txt"))
    bench.write(b"a secret\n", bench.log.with_name("keys.txt"))
    bench.write(b"one\n")
    bench.restart()
    assert settle(bench) == [b"one"]


def test_a_copy_that_is_made_between_reading_and_spooling_is_not_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(b"one\n")
    beside = bench.reader._tail.missed_beside

    def copied(*args: Any) -> bool:
        monkeypatch.undo()
        copytruncate(bench.log)
        return beside(*args)

    monkeypatch.setattr(bench.reader._tail, "missed_beside", copied)
    bench.step()
    bench.write(b"two\n")
    assert settle(bench) == [b"one", b"two"]


def test_rotated_files_do_not_keep_a_new_one_from_its_descriptor(tmp_path: Path) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.log*")])])
    bench.reader._tail.table.open_files = 2
    for number in range(4):
        bench.write(b"line %d\n" % number)
        settle(bench)
        bench.log.rename(bench.log.with_name(f"a.log.{number}"))
    assert bench.lines == [b"line %d" % number for number in range(4)]


def test_a_closed_file_whose_inode_is_another_files_by_now_is_not_taken_for_truncated(
    bench: Bench,
) -> None:
    bench.reader._tail.table.open_files = 1
    bench.write(b"one\n")
    bench.step()
    rotated = bench.log.rename(bench.log.with_name("a.log.1"))
    bench.write(b"two\n")
    settle(bench)
    bench.log.with_name("a.log.1.gz").write_bytes(gzip.compress(b"one\n"))
    rotated.write_bytes(gzip.compress(bench.log.read_bytes()))  # under the inode of the first
    rotated.rename(bench.log.with_name("a.log.2.gz"))
    os.truncate(bench.log, 0)
    bench.write(b"three\n")
    assert settle(bench) == [b"one", b"two", b"three"]


def test_a_file_that_holds_what_another_one_holds_is_read_although_it_had_to_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = bench.reader._tail
    tail.table.open_files = 1  # all but one are closed when they are found
    bench.write(b"one\n")
    bench.step()
    bench.write(b"one\n", bench.log.with_name("a1.log"))
    bench.write(b"one\n", bench.log.with_name("a2.log"))
    ready = tail.ready

    def ready_after_a_change(*args: Any) -> list[TailedFile]:
        bench.log.with_name(f"empty{len(list(bench.log.parent.iterdir()))}").touch()
        return ready(*args)

    monkeypatch.setattr(tail, "ready", ready_after_a_change)
    assert settle(bench) == [b"one"] * 3


@pytest.mark.parametrize(
    "name", ["a.log.1", "a.1.log", "a.log-20260101", "a-20260101.log", "a_old", "a2.log.gz"]
)
def test_names_that_rotation_makes_are_related_to_the_log(name: str) -> None:
    assert related("/logs/a.log", f"/logs/{name}")


@pytest.mark.parametrize(("log", "other"), [("2.log", "20.log"), ("work.log", "worker.log")])
def test_a_longer_word_or_number_is_another_log(log: str, other: str) -> None:
    assert not related(f"/logs/{log}", f"/logs/{other}")
