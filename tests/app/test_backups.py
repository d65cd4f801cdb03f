"""Backups of a directory, what is refused of them, and directories that are made of them again."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from directories import FILE, PARQUET, PART, data_directory, queue_at

from tailrace.app.backup import copying, listing, making, moment, restoring
from tailrace.app.backup.folder import Folder
from tailrace.app.backup.listing import Entry, Head
from tailrace.app.backup.making import Progress, Wanted
from tailrace.app.backup.moment import Places
from tailrace.app.backup.restoring import Restore
from tailrace.app.claims import RESTORING, claim_directory
from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import Busy, ConfigError, Corrupt, StoreError
from tailrace.governance.schema import MIGRATIONS
from tailrace.store import checked, schema
from tailrace.store.manifest import Manifest, Step

NOW_NS = 1_796_000_000_000_000_000


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return data_directory(tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backups")


def make(
    folder: Folder, places: Places, name: str = "one", progress: Progress | None = None,
    **wanted: bool | float,
) -> Head:  # fmt: skip
    now = moment.stopped(places, NOW_NS)
    asked = msgspec.convert({"name": name, **wanted}, Wanted)
    return making.make(folder, asked, now, progress or Progress(threading.Event()))


def restore(backup: Path, data: Path, archive: Path | None = None) -> None:
    head = restoring.verify(backup)
    Restore(backup, data, archive, lambda _: None).run(head)


def tree(data: Path) -> dict[str, bytes | str]:
    """Files by path, but for locks and the control store, whose bytes a copy need not have."""
    skipped = {"lock", "control.sqlite", "control.sqlite-wal", "control.sqlite-shm"}
    return {
        str(path.relative_to(data)): str(path.readlink()) if path.is_symlink()
        else path.read_bytes()
        for path in data.rglob("*")
        if path.name not in skipped and (path.is_symlink() or path.is_file())
    }  # fmt: skip


def test_what_is_restored_is_what_was_there(places: Places, folder: Folder, tmp_path: Path) -> None:
    before = tree(places.data)
    head = make(folder, places, keep_s=86_400.0)
    assert tree(places.data) == before
    assert (head.made_ns, head.expires_ns) == (NOW_NS, NOW_NS + 86_400 * 10**9)
    assert (head.archived, head.archive, head.running) == (Position(1, 500), True, False)
    restore(folder.path("one"), tmp_path / "again")
    passing = [name for name in before if "tmp_merge" in name]
    assert len(passing) == 1
    assert tree(tmp_path / "again") == {k: v for k, v in before.items() if k not in passing}
    assert (tmp_path / "again").stat().st_mode & 0o777 == 0o700
    (one,) = folder.kept()
    assert (one.name, one.bytes, one.files, one.error) == ("one", head.bytes, head.files, "")


def harm_flip(backup: Path) -> None:
    path = backup / "data" / PART / "data.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"e")


def harm_gone(backup: Path) -> None:
    (backup / "data" / "archive" / FILE).unlink()


def harm_longer(backup: Path) -> None:
    with (backup / "data" / "store/tables/store/db0/db0-1/logs.sql").open("ab") as file:
        file.write(b" ")


def harm_link(backup: Path) -> None:
    path = backup / "data" / PART / "data.bin"
    path.rename(path.with_name("other"))
    path.symlink_to("other")


def harm_lead(backup: Path) -> None:
    path = backup / "data" / "store/tables/metadata/default"
    path.unlink()
    path.symlink_to("../store/other")


def harm_shorter_list(backup: Path) -> None:
    path = backup / "files"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def harm_head(backup: Path) -> None:
    path = backup / "backup"
    path.write_bytes(path.read_bytes().replace(b'"running":false', b'"running":true'))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (harm_flip, f"{PART}/data.bin is not what it was"),
        (harm_gone, f"{FILE} is gone"),
        (harm_longer, "logs.sql is not what it was"),
        (harm_link, "data.bin"),
        (harm_lead, "metadata/default is not the link that it was"),
        (harm_shorter_list, "is not the list that belongs to it"),
        (harm_head, "fails its checksum"),
    ],
)
def test_a_broken_backup_is_named_before_anything_is_written(
    places: Places, folder: Folder, tmp_path: Path, harm: Callable[[Path], None], named: str
) -> None:
    make(folder, places)
    harm(folder.path("one"))
    with pytest.raises((Corrupt, OSError), match=named):
        restore(folder.path("one"), tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    "newer",
    [
        {"format": listing.FORMAT + 1},
        {"store": schema.NEWEST + 1},
        {"control": len(MIGRATIONS) + 1},
        {"format": listing.FORMAT + 1, "files": "of another form"},
    ],
)
def test_a_backup_of_a_newer_tailrace_is_refused(
    places: Places, folder: Folder, newer: dict[str, object]
) -> None:
    head = make(folder, places)
    changed = msgspec.defstruct("Changed", [*Head.__struct_fields__])(
        **{**msgspec.structs.asdict(head), **newer}
    )
    (folder.path("one") / "backup").write_bytes(checked.line(changed))
    with pytest.raises(ConfigError, match="newer tailrace"):
        restoring.verify(folder.path("one"))


@pytest.mark.parametrize(
    "entry",
    [
        Entry("../out"), Entry("/etc/passwd"), Entry("a/../../out"), Entry(""), Entry("a//b"),
        Entry("store/link", leads="/etc/passwd"), Entry("store/link", leads="../../out"),
        Entry("archive/link", leads="here"),
    ],
)  # fmt: skip
def test_a_list_that_leads_out_of_the_backup_is_refused(tmp_path: Path, entry: Entry) -> None:
    (tmp_path / "files").write_bytes(checked.line(Entry("a/b", 1)) + checked.line(entry))
    with pytest.raises(Corrupt, match="line 2 is broken"):
        list(listing.entries(tmp_path))


def test_what_never_changes_is_linked_to_the_backup_before(places: Places, folder: Folder) -> None:
    first, progress = Progress(threading.Event()), Progress(threading.Event())
    make(folder, places, "one", first)
    make(folder, places, "two", progress)
    one, two = folder.path("one") / "data", folder.path("two") / "data"
    for path, linked in {f"{PART}/data.bin": 1, f"archive/{FILE}": 1, "limits.json": 0}.items():
        assert (one / path).samefile(two / path) == bool(linked), path
    assert first.total_bytes - progress.total_bytes == 3_001 + len(PARQUET)
    make(folder, places, "full", full=True)
    assert not (one / PART / "data.bin").samefile(folder.path("full") / "data" / PART / "data.bin")
    # Another file under the name of the one before is another.
    (places.data / PART / "data.bin").write_bytes(b"e" * 3_000)
    make(folder, places, "three")
    assert (folder.path("three") / "data" / PART / "data.bin").read_bytes() == b"e" * 3_000
    restoring.verify(folder.path("three"))


def test_a_disk_without_room_is_refused_and_nothing_is_left(
    places: Places, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = limits.BACKUP_RESERVE_BYTES + 1_000
    monkeypatch.setattr(copying, "free_bytes", lambda _: free)
    with pytest.raises(StoreError, match="BACKUP_RESERVE_BYTES"):
        make(folder, places)
    assert [one.name for one in folder.directory.iterdir()] == [".lock"]
    # Others use the room while it is made.
    free += 10**9
    monkeypatch.setattr(making, "_LOOK_BYTES", 1)
    progress = Progress(threading.Event())
    monkeypatch.setattr(progress, "begin", lambda *_: setattr(progress, "_disk", places.data))
    free = limits.BACKUP_RESERVE_BYTES - 1
    with pytest.raises(StoreError, match="became full"):
        make(folder, places, progress=progress)
    assert [one.name for one in folder.directory.iterdir()] == [".lock"]


def test_one_that_is_stopped_leaves_nothing(places: Places, folder: Folder) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoreError, match="stopped before it was whole"):
        make(folder, places, progress=Progress(stop))
    assert [one.name for one in folder.directory.iterdir()] == [".lock"]


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "a/b", "a\n", "ä", "-a", "a" * 64])
def test_a_name_that_leads_elsewhere_is_refused(folder: Folder, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a backup"), folder.making(name):
        pass


def test_a_directory_has_one_maker_and_so_many_backups(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with folder.making("a"), pytest.raises(Busy), folder.making("b"):
        pass
    with pytest.raises(ConfigError, match="is there already"), folder.making("a"):
        pass
    (folder.directory / ".left.partial").mkdir()
    for number in range(limits.BACKUPS_KEPT - 2):
        (folder.directory / f"b{number}").mkdir()
    with folder.making("last"):
        assert not (folder.directory / ".left.partial").exists()
    with pytest.raises(ConfigError, match="BACKUPS_KEPT"), folder.making("more"):
        pass
    kept = folder.kept()
    assert len(kept) == limits.BACKUPS_KEPT
    assert all("is no backup" in one.error for one in kept)
    folder.remove("last")
    assert not folder.path("last").exists()


def test_a_directory_that_is_not_empty_is_refused(
    places: Places, folder: Folder, tmp_path: Path
) -> None:
    make(folder, places)
    again = tmp_path / "again"
    again.mkdir()
    (again / "mine").touch()
    with pytest.raises(ConfigError, match="'mine'"):
        restore(folder.path("one"), again)
    assert [one.name for one in again.iterdir() if one.name != "lock"] == ["mine"]


def test_a_half_restored_directory_starts_nothing_and_is_begun_anew(
    places: Places, folder: Folder, tmp_path: Path
) -> None:
    make(folder, places)
    again = tmp_path / "again"
    copied: list[int] = []

    def moved(size: int) -> None:
        copied.append(size)
        if len(copied) == 4:
            raise KeyboardInterrupt

    head = restoring.verify(folder.path("one"))
    with pytest.raises(KeyboardInterrupt):
        Restore(folder.path("one"), again, None, moved).run(head)
    assert (again / RESTORING).exists()
    with pytest.raises(ConfigError, match="half restored"):
        claim_directory(again)
    (again / "queue" / "stray").write_bytes(b"of the attempt before")
    restore(folder.path("one"), again)
    assert not (again / "queue" / "stray").exists()
    os.close(claim_directory(again))


def test_without_its_archive_a_backup_goes_on_beside_the_one_that_is_there(
    places: Places, folder: Folder, tmp_path: Path
) -> None:
    head = make(folder, places, archive=False)
    assert "the archive" in head.left_out
    assert not (folder.path("one") / "data" / "archive" / FILE).exists()
    with pytest.raises(ConfigError, match="--archive"):
        restore(folder.path("one"), tmp_path / "alone")
    # The archive went on after the backup; new frames must come behind what it has.
    Manifest(places.archive / "manifest").append(Step(Position(30, 700), 0, 0, []))
    again = tmp_path / "again"
    restore(folder.path("one"), again, places.archive)
    assert (places.archive / FILE).exists()

    async def first_new_segment() -> int:
        queue = queue_at(again / "queue")
        await queue.open()
        numbers = [one.number for one in queue.extents()]
        await queue.close(0.1)
        return max(numbers)

    assert asyncio.run(first_new_segment()) == 30


def test_what_is_no_backup_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no backup"):
        restoring.verify(tmp_path / "nowhere")


def test_a_directory_without_room_is_refused_before_anything_is_written(
    places: Places, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(folder, places)
    monkeypatch.setattr(copying, "free_bytes", lambda _: limits.ENGINE_RESERVE_BYTES)
    with pytest.raises(StoreError, match="a server needs more than that"):
        restore(folder.path("one"), tmp_path / "again")
    assert [one.name for one in (tmp_path / "again").iterdir()] == ["lock"]
