"""What the doctor finds without the engine; tests/endtoend/test_backup.py has it find more."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from directories import FILE, data_directory

from tailrace.app.claims import claim_directory
from tailrace.app.config import Config
from tailrace.app.doctor import examination
from tailrace.app.doctor.finding import Finding, Place, wrong
from tailrace.cli import main
from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.governance.schema import MIGRATIONS
from tailrace.queue import positions
from tailrace.queue.segment import HEAD_BYTES
from tailrace.store.horizon import Horizon
from tailrace.store.manifest import Manifest, Step


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("doctor") / "data"
    data_directory(data)
    for path in data.glob("store/tables/store/*/*/tmp_*"):
        shutil.rmtree(path)
    return data


@pytest.fixture
def data(healthy: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "data"
    shutil.copytree(healthy, copy, symlinks=True)
    return copy


def found(data: Path, config: Config | None = None) -> list[Finding]:
    place = Place(data, data / "archive", config or Config())
    return [one for look in examination.LOOKS for one in look(place)]


def segment(data: Path, place: int) -> Path:
    return sorted((data / "queue").glob("*.seg"))[place]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path, size: int) -> None:
    os.truncate(path, path.stat().st_size - size)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"0badc0de {")


def newest(data: Path, name: str) -> Path:
    turns = [data / "queue/consumers" / f"{name}.{turn}" for turn in (0, 1)]
    return max(turns, key=lambda one: positions.decode(name, one.read_bytes()) or (0, None))


def sql(statement: str) -> Callable[[Path], None]:
    def harm(data: Path) -> None:
        connection = sqlite3.connect(data / "control/control.sqlite")
        connection.execute(statement)
        connection.commit()
        connection.close()

    return harm


def write(path: str, content: bytes) -> Callable[[Path], None]:
    def harm(data: Path) -> None:
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)

    return harm


def ahead(data: Path) -> None:
    Manifest(data / "archive/manifest").append(Step(Position(9, 9), 0, 0, []))


def dropped(data: Path) -> None:
    Horizon(data / "store/horizon").raise_to(5, Position(2, 0))


def lost(data: Path) -> None:
    for turn in (0, 1):
        (data / "queue/consumers" / f"writer.{turn}").unlink()


def removed(data: Path) -> None:
    for path in list((data / "queue").glob("*.seg")):
        path.unlink()


WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "a flipped byte of a segment that is read": (
        lambda data: flip(segment(data, 0), HEAD_BYTES + 100),
        "queue: .*0001.seg: bytes 64 to .* what stood there was stored",
    ),
    "a flipped byte of one that is not": (
        lambda data: flip(segment(data, 1), HEAD_BYTES + 100),
        "queue: .*0002.seg: bytes 64 to .* a frame that stood there is lost",
    ),
    "both heads of a segment": (
        lambda data: (flip(segment(data, 1), 3), flip(segment(data, 1), 31))[0],
        "queue: .*0002.seg: bytes 0 to",
    ),
    "the newest position": (
        lambda data: newest(data, "writer").unlink(), "queue: .*writer.* is gone"
    ),
    "a broken position": (
        lambda data: flip(newest(data, "archiver"), 9), "queue: .*archiver.* fails its checksum"
    ),
    "both positions": (lost, "agreement: the archive reaches 1/500"),
    "all segments": (removed, "queue: the writer is at 1/900, where the queue has no bytes"),
    "a cut segment": (
        lambda data: os.truncate(segment(data, 0), 700), "queue: the writer is at 1/900"
    ),
    "a flipped byte of a dead letter": (
        lambda data: flip(next((data / "queue/dead").glob("*.seg")), 120), "a dead letter is lost"
    ),
    "a Parquet file that is gone": (
        lambda data: (data / "archive" / FILE).unlink(), "archive: .*parquet is gone"
    ),
    "a shorter Parquet file": (
        lambda data: cut(data / "archive" / FILE, 1), "archive: .*parquet has 51 bytes where 52"
    ),
    "a Parquet file without its end": (
        lambda data: flip(data / "archive" / FILE, 50), "archive: .*is no whole Parquet file"
    ),
    "a broken line of the manifest": (
        lambda data: flip(data / "archive/manifest", 20), "archive: .*line 1 fails its checksum"
    ),
    "no manifest": (
        lambda data: (data / "archive/manifest").unlink(), "archive: .*removes them; do: start none"
    ),
    "an archive of another queue": (ahead, "agreement: the archive reaches 9/9 of the queue"),
    "an archive that ends too soon": (dropped, "agreement: the archive .* ends before rows"),
    "a broken horizon": (write("store/horizon", b"torn"), "agreement: .*horizon fails"),
    "a newer control store": (
        sql(f"PRAGMA user_version = {len(MIGRATIONS) + 1}"), "control: .*newer tailrace"
    ),
    "a damaged control store": (
        lambda data: flip(data / "control/control.sqlite", 3), "control: .* is damaged"
    ),
    "a part that was set aside": (
        write("store/tables/store/aaa/aaa-1/detached/broken_all_2_2_0/data.bin", b""),
        "store: .*broken_all_2_2_0 was set aside",
    ),
    "a control store that all may read": (
        lambda data: (data / "control/control.sqlite").chmod(0o604), "directory: .*mode 604"
    ),
    "a directory that all may read": (lambda data: data.chmod(0o755), "directory: .*mode 755"),
    "a folder that cannot be written": (
        lambda data: (data / "queue").chmod(0o500), "directory: .*/queue cannot be written"
    ),
    "half restored": (write("restoring", b"one 0\n"), "directory: .* is half restored"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_each_fault_is_named_with_what_it_means_and_what_to_do(data: Path, fault: str) -> None:
    harm, words = WRONG[fault]
    harm(data)
    said = [one for one in found(data) if one.level == "wrong"]
    (data / "queue").chmod(0o700)
    lines = [f"{one.part}: {one.wrong}; means: {one.means}; do: {one.todo}" for one in said]
    assert any(re.search(words, line) for line in lines), lines
    assert all(one.means and one.todo for one in said)


NOTES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a torn end": (lambda data: cut(segment(data, -1), 3), "a write that was not finished"),
    "a torn line": (
        lambda data: torn(data / "archive/manifest"),
        "a line that is not whole",
    ),
    "a file without a line": (
        write("archive/tenant=default/new.parquet", b""), "in no line of the manifest"
    ),
    "links": (write("store/tables/shadow/backup/x", b""), "left by a server that was killed"),
    "a control store set aside": (
        write("control/control.sqlite.damaged-17", b""), "damaged and set aside"
    ),
}  # fmt: skip


@pytest.mark.parametrize("left", NOTES)
def test_what_the_next_start_puts_right_is_no_fault(data: Path, left: str) -> None:
    harm, words = NOTES[left]
    harm(data)
    said = [one for one in found(data) if "dead letters" not in one.wrong]
    assert any(words in one.wrong for one in said), said
    assert [one for one in said if one.level == "wrong" and "17" not in one.wrong] == []


def test_of_a_healthy_directory_nothing_is_said_and_nothing_is_changed(data: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in data.rglob("*")
        }

    before = state()
    assert [one.wrong for one in found(data)] == [f"{data}/queue/dead has 1 dead letters"]
    assert state() == before


def test_dead_letters_that_fill_their_room_are_a_fault(data: Path) -> None:
    config = Config()
    config.queue.dead_letter_size = type(config.queue.dead_letter_size)("600B")
    (one,) = found(data, config)
    assert (one.level, "queue.dead_letter_size" in one.wrong) == ("wrong", True)


def test_of_many_faults_some_are_shown_and_the_others_counted(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def many(_place: Place) -> object:
        return iter([wrong("queue", "a", "b", "c")] * (limits.DOCTOR_FINDINGS + 5))

    monkeypatch.setattr(examination, "LOOKS", (many,))
    shutil.rmtree(data / "store")
    said = list(examination.examine(Place(data, data / "archive", Config())))
    assert len(said) == limits.DOCTOR_FINDINGS + 1
    assert said[-1].wrong == "5 more like these were found"


def test_a_directory_that_a_server_uses_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = claim_directory(data)
    assert main(["doctor", "--data", str(data)]) == 2
    assert "a server runs in" in capsys.readouterr().err
    assert main(["backup", str(data.parent / "one"), "--stopped", "--data", str(data)]) == 2
    os.close(lock)
    assert main(["doctor", "--data", str(data / "nowhere")]) == 2


def test_what_a_command_says_of_wrong_words(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["backup", "--stopped"],
        ["backup", "x", "--data", str(data)],
        ["backup", "--keep", "soon"],
        ["backup", str(data / "within"), "--stopped", "--data", str(data)],
        ["backup", str(data.parent / "b"), "--stopped", "--data", str(data.parent)],
        ["restore", str(data)],
        ["restore", str(data), "--check", "--data", str(data)],
        ["restore", str(data), "--check"],
    ):
        assert main(words) == 2, words
        assert capsys.readouterr().err.startswith("tailrace: "), words
