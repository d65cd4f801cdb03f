"""Backups of a server at work, kills while one is made and while one is restored, and what a doctor
says of the directory afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from loads import Load, Request, frames, keyed, lines
from nursery import NURSERY, Child
from running import Server, Start

from tailrace.core.frame import Lane
from tailrace.queue.segment import HEAD_BYTES
from tailrace.store.engine import Engine

RUN_S = 120.0
PATH = "/api/v1/backups"
LOADS = ("both", "bulk", "keyed", "lines")


class Command:
    """`tailrace` with these words, which is not waited for."""

    def __init__(self, home: Path, *words: str) -> None:
        self._said = home / f"{words[0]}-{time.monotonic_ns()}.txt"
        environment = {**os.environ, "XDG_CONFIG_HOME": str(home / "config")}
        with self._said.open("wb") as file:
            self.process: Child = NURSERY.bear(["tailrace", *words], environment, file.fileno())

    def end(self) -> tuple[int, str]:
        """Exit status, and what it said."""
        return self.process.wait(RUN_S), self._said.read_text()


def run(home: Path, *words: str) -> tuple[int, str]:
    return Command(home, *words).end()


def backed_up(server: Server, **asked: object) -> str:
    """A backup, made; its name."""
    answer = server.post(PATH, json.dumps(asked).encode())
    assert answer.status == 202, answer
    server.until(lambda: last(server)["state"] != "running", "backed up")
    assert last(server)["state"] == "done", last(server)
    return str(answer.json()["name"])


def last(server: Server) -> dict[str, object]:
    found: dict[str, object] = server.get(PATH).json()["last"]
    return found


def expected(requests: Sequence[Request], *lanes: Lane) -> dict[str, int]:
    return {k: n for one in requests if one.lane in lanes for k, n in one.rows.items()}


def counts(server: Server, services: str, extra: str = "") -> dict[str, int]:
    """Rows by service, of those that match."""
    query = f'sum by (service_name)(count_over_time({{service_name=~"{services}"}}[24h]))'
    at_s = int(time.time()) + 7200
    answer = server.get(f"/loki/api/v1/query?query={quote(query)}&time={at_s}{extra}")
    assert answer.status == 200, answer
    return {
        one["metric"]["service_name"]: int(float(one["value"][1]))
        for one in answer.json()["data"]["result"]
    }


def hot(server: Server) -> dict[str, int]:
    """One load after another: an answer has 2,000 series at most."""
    return {k: n for name in LOADS for k, n in counts(server, f"{name}-.*").items()}


def archived(server: Server) -> dict[str, int]:
    exact = "&exact=archive"
    return {k: n for name in LOADS for k, n in counts(server, f"{name}-.*", exact).items()}


def damaged(home: Path, data: Path, name: str) -> Path:
    """A copy to do harm to."""
    copy = home / name
    shutil.copytree(data, copy, symlinks=True)
    return copy


def flip(path: Path, at: int) -> None:
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def size_of(part: Path) -> int:
    return sum(one.stat().st_size for one in part.iterdir())


def findings(home: Path, data: Path) -> list[str]:
    """What is wrong, in the doctor's words."""
    status, said = run(home, "doctor", "--data", str(data), "--format", "json")
    found = [one for one in json.loads(said) if one["level"] == "wrong"]
    assert status == int(bool(found)), said
    return [f"{one['part']}: {one['wrong']}" for one in found]


@pytest.fixture
def server(start: Start, tmp_path: Path) -> Server:
    return start(
        TAILRACE_BACKUP__DIRECTORY=str(tmp_path / "backups"), TAILRACE_QUEUE__SEGMENT_SIZE="256KiB"
    )


def test_a_backup_has_all_that_was_acknowledged_and_nothing_twice(
    server: Server, tmp_path: Path, start: Start
) -> None:
    loads = [
        Load(server, frames("both"), echo=True, pause_s=0.05),
        Load(server, frames("bulk", lane=Lane.BULK), echo=True, pause_s=0.05),
        Load(server, keyed("keyed"), echo=True, pause_s=0.05),
        Load(server, lines("lines"), repeat=False, pause_s=0.05),
    ]
    for load in loads:
        load.await_acks(20)
    url = ("--url", f"http://127.0.0.1:{server.port}")
    status, said = run(tmp_path, "backup", "first", *url)
    assert (status, "the backup first is made" in said) == (0, True), said
    loads[0].await_acks(20)
    before = [one for load in loads for one in load.acked.copy()]
    backed_up(server, name="second")
    for load in loads:
        load.await_acks(3)
    sizes = {one["name"]: one["bytes"] for one in server.get(PATH).json()["backups"]}
    assert list(sizes) == ["first", "second"]
    assert "second" in run(tmp_path, "backup", "--list", *url)[1]
    status, said = run(tmp_path, "backup", "second", *url)
    assert (status, "there is a backup second already" in said) == (1, True), said
    assert server.metric("tailrace_backups_total", "done") == 2
    assert 0 < server.metric("tailrace_backup_age_seconds") < RUN_S

    refused = {
        b'{"name": "../over"}': 409, b'{"name": ".hidden"}': 409, b'{"name": "second"}': 409,
        b'{"keep": "soon"}': 400, b'{"directory": "/tmp"}': 400, b"[1": 400, b" " * 5000: 400,
    }  # fmt: skip
    for body, status in refused.items():
        assert server.post(PATH, body).status == status, body

    killed_while_it_is_made(server, tmp_path)
    for load in loads:
        load.stop()
    restored = restored_after_a_kill(tmp_path)
    again = start(tmp_path / "again", TAILRACE_SERVER__DATA_DIR=str(restored))
    again.data = restored
    check(again, before, loads)
    assert again.stop() == 0
    told_by_the_doctor(tmp_path, restored)


def killed_while_it_is_made(server: Server, home: Path) -> None:
    """What was half made is no backup, and the next one removes it; it is made of the directory as
    the kill left it."""
    backups = home / "backups"
    partial = backups / ".third.partial"
    assert server.post(PATH, b'{"name": "third", "full": true}').status == 202
    deadline = time.monotonic() + RUN_S
    while not partial.exists():
        assert time.monotonic() < deadline
    server.kill()
    assert partial.exists()
    assert not (backups / "third").exists()
    status, said = run(home, "doctor", "--data", str(server.data))
    assert status == 0, said
    assert "was left by a server that was killed" in said
    status, said = run(home, "backup", str(backups / "fourth"), "--stopped", "--data",
                       str(server.data), "--keep", "1d")  # fmt: skip
    assert status == 0, said
    assert "the master key" in said
    assert not partial.exists()
    status, said = run(home, "restore", str(backups / "fourth"), "--check")
    assert status == 0, said


def restored_after_a_kill(home: Path) -> Path:
    """The directory that the second backup was restored to, at the second go."""
    words = ("restore", str(home / "backups" / "second"), "--data", str(home / "restored"))
    restored = home / "restored"
    first = Command(home, *words)
    deadline = time.monotonic() + RUN_S
    while not (restored / "restoring").exists():
        assert time.monotonic() < deadline
        assert first.process.poll() is None, first.end()
    first.process.kill()
    first.process.wait()
    assert (restored / "restoring").exists()
    status, said = run(home, "backup", str(home / "backups" / "no"), "--stopped", "--data",
                       str(restored))  # fmt: skip
    assert status == 2, said
    status, said = run(home, "restore", str(home / "backups" / "first"), "--data", str(restored))
    assert (status, "half restored from 'second'" in said) == (2, True), said
    status, said = run(home, *words)
    assert status == 0, said
    assert "not in the backup: the master key" in said
    shutil.copytree(home / "config", home / "again" / "config")
    return restored


def check(again: Server, before: Sequence[Request], loads: Sequence[Load]) -> None:
    """All of `before` is there, of nothing else a part, and nothing twice; and all of those that
    number their frames, when they send them again."""
    numbered = [one for load in loads[:3] for one in load.acked]
    for wanted in (before, [*before, *numbered]):
        await_stored(again)
        assert_whole(hot(again), expected(wanted, Lane.BOTH), loads)
        assert_whole(archived(again), expected(wanted, Lane.BOTH, Lane.BULK), loads)
        for one in numbered:
            assert again.post(one.path, one.body, **one.headers).status == 200


def await_stored(server: Server) -> None:
    """Wait until a row that comes now is archived: then all that came before it is stored."""
    name = f"last-{time.monotonic_ns()}"
    assert server.post(f"/ingest/lines?service={name}", b"here\n").status == 200
    server.until(lambda: name in counts(server, name, "&exact=archive"), "archived", RUN_S)


def assert_whole(found: dict[str, int], wanted: dict[str, int], loads: Sequence[Load]) -> None:
    """Of each service in `wanted` all rows, of each other all or none."""
    known = expected([r for one in loads for r in (*one.acked, *one.unsure)], *Lane)
    assert {name: found.get(name, 0) for name in wanted} == wanted
    assert {name: known.get(name) for name in found} == found


async def of_a_newer_version(store: Path) -> None:
    engine = Engine(store)
    await engine.open()
    await engine.write("INSERT INTO migrations VALUES (99)")
    await engine.close()


def told_by_the_doctor(home: Path, data: Path) -> None:
    """Nothing of a healthy directory, and each of several faults at once."""
    assert findings(home, data) == []
    harmed = damaged(home, data, "harmed")
    segment = max((harmed / "queue").glob("*.seg"), key=lambda one: one.stat().st_size)
    flip(segment, HEAD_BYTES + 30)
    body = max(harmed.glob("store/tables/store/*/*/*/data.bin"), key=lambda one: one.stat().st_size)
    flip(body, body.stat().st_size // 2)
    parquet = sorted((harmed / "archive").rglob("*.parquet"))
    parquet[0].unlink()
    parquet[1].write_bytes(parquet[1].read_bytes()[:-1])
    newest = max((harmed / "queue" / "consumers").glob("writer.*"), key=os.path.getmtime)
    newest.unlink()
    (harmed / "control" / "control.sqlite").chmod(0o644)
    said = "\n".join(findings(home, harmed))
    for words in (
        f"queue: {segment}: bytes 64 to",
        f"store: the part {body.parent.name} of",
        f"archive: {parquet[0]} is gone",
        f"archive: {parquet[1]} has",
        f"queue: {newest} is gone",
        "control.sqlite is open to other users of the machine (mode 644)",
    ):
        assert words in said
    harmed = damaged(home, data, "again-harmed")
    asyncio.run(of_a_newer_version(harmed / "store"))
    largest = max(harmed.glob("store/tables/store/*/*/20*/"), key=size_of)
    for part in largest.parent.glob("20*"):  # what it was merged of may be there still
        shutil.rmtree(part)
    flip(harmed / "archive" / "manifest", 20)
    said = "\n".join(findings(home, harmed))
    for words in (
        "store: the tables are of a newer tailrace (schema 99;",
        "rows where",
        "archive/manifest line 1 fails its checksum",
    ):
        assert words in said


@pytest.mark.soak
def test_ten_backups_at_any_moment_have_all_and_nothing_twice(
    server: Server, tmp_path: Path, start: Start
) -> None:
    """Segments end and steps of the archive are made all the time."""
    loads = [
        Load(server, frames("both", 200, 100), echo=True, pause_s=0.0),
        Load(server, frames("bulk", 100, 100, lane=Lane.BULK), echo=True, pause_s=0.0),
        Load(server, keyed("keyed"), echo=True, pause_s=0.01),
        Load(server, lines("lines"), repeat=False, pause_s=0.01),
    ]
    chance = random.Random(1)
    before: dict[str, list[Request]] = {}
    for number in range(10):
        time.sleep(chance.uniform(0.2, 1.5))
        acked = [one for load in loads for one in load.acked.copy()]
        before[backed_up(server, name=f"b{number}")] = acked
    for load in loads:
        load.stop()
    assert server.stop() == 0
    shutil.copytree(tmp_path / "config", tmp_path / "again" / "config")
    for name, acked in before.items():
        data = tmp_path / f"restored-{name}"
        status, said = run(
            tmp_path, "restore", str(tmp_path / "backups" / name), "--data", str(data)
        )
        assert status == 0, said
        again = start(tmp_path / "again", TAILRACE_SERVER__DATA_DIR=str(data))
        check(again, acked, loads)
        assert again.stop() == 0
        assert findings(tmp_path, data) == []
        shutil.rmtree(data)
