"""Dead letters of a real server, dealt with by the real command."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from running import Server, Start

from tailrace.cli import main
from tailrace.core.clock import SystemClock
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog
from tailrace.queue.segment import HEAD_BYTES

COMMAND = Path(sys.executable).with_name("tailrace")
EPOCH = 7


def frame(seq: int, text: bytes, signal: Signal = Signal.LOGS, service: str = "shop") -> Frame:
    facts = describe(text)
    codec = Codec.LINES if signal is Signal.LOGS else Codec.RECORDS
    header = Header(
        "default", "app-1", EPOCH, seq, facts.rows, facts.bytes, facts.checksum, time.time_ns(),
        signal=signal, codec=codec, resource={"service.name": service},
    )  # fmt: skip
    return Frame(header, compress(text))


POISON = frame(1, b"no sample\n", Signal.METRICS)


def prepare(data: Path, accepted: Sequence[Frame], buried: Sequence[Frame]) -> None:
    """The queue of a server that is not running."""

    async def body() -> None:
        queue = SegmentLog(
            data / "queue", OsFileSystem(), SystemClock(), Metrics(),
            frozenset({"writer", "archiver"}),
        )  # fmt: skip
        await queue.open()
        await queue.accept(accepted)
        for one in buried:
            await queue.bury(one, "refused: engine error 27")
        await queue.close(5.0)

    asyncio.run(body())


def said(server: Server, *words: str, status: int = 0) -> str:
    """What `tailrace deadletters` prints, on both of its outputs."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        ended = main(["deadletters", *words, "--url", f"http://127.0.0.1:{server.port}"])
    assert ended == status, printed.getvalue()
    return printed.getvalue()


def notes_bytes(dead: Path) -> int:
    return sum(path.stat().st_size for path in dead.glob("gone/*.seg"))


def ids(server: Server) -> list[str]:
    return [one["id"] for one in server.get("/api/v1/deadletters").json()["letters"]]


def test_a_dead_letter_is_seen_explained_replayed_and_dropped(tmp_path: Path, start: Start) -> None:
    good = [frame(seq, b"one\ntwo\n") for seq in range(2, 5)]
    prepare(tmp_path / "data", [POISON], good)
    server = start()
    server.until(lambda: server.metric("tailrace_dead_letters_kept") == 4, "buried")
    listed = said(server, "ls")
    assert "refused: engine error 27" in listed
    assert "can read what its sender announced" in listed
    assert "4 dead letters, 7 rows" in listed
    first, *_, poison = ids(server)
    shown = said(server, "show", poison)
    for part in ("unreadable", "tenant       default", "source       app-1", "no sample"):
        assert part in shown
    assert "there is no such dead letter (404)" in said(server, "show", "99-64", status=1)
    raw = tmp_path / "payload"
    said(server, "show", poison, "--raw", str(raw))
    assert raw.read_bytes() == POISON.payload

    # One, some, and all that are left; what cannot be read again is there again, once.
    assert "replayed: 1 dead letter, 2 rows" in said(server, "replay", first)
    assert "replayed: 2 dead letters, 4 rows" in said(server, "replay", "--reason", "refused")
    server.until(lambda: server.counts("shop") == {"shop": 6}, "stored")
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 6, "archived")
    assert "replayed: 1 dead letter, 1 row," in said(server, "replay", "--all")
    server.until(lambda: ids(server) not in ([], [poison]), "buried again")
    (again,) = ids(server)
    assert server.metric("tailrace_dead_letters_kept") == 1

    assert "say which" in said(server, "drop", status=2)
    assert "dropped for good: 1 dead letter" in said(server, "drop", "--all", status=2)
    assert ids(server) == [again]
    assert "dropped: 1 dead letter, 1 row," in said(server, "drop", again, "--yes")
    assert said(server, "ls") == "no dead letters\n"
    (deleted,) = server.get("/api/v1/deletions").json()["deletions"]
    assert (deleted["place"], deleted["reason"], deleted["rows"]) == ("dead_letters", "dropped", 1)
    assert (deleted["service"], deleted["signal"]) == ("shop", "metrics")

    server.kill()
    server.start()
    assert said(server, "ls") == "no dead letters\n"
    assert server.metric("tailrace_dead_letter_bytes") == 0
    assert server.counts("shop") == {"shop": 6}


def test_replayed_frames_are_stored_once_though_the_server_is_killed(
    tmp_path: Path, start: Start
) -> None:
    noise = [os.urandom(300_000).hex().encode() + b"\n" for _ in range(3)]
    letters = [frame(seq, noise[seq % 3]) for seq in range(1, 61)]
    prepare(tmp_path / "data", [], letters)
    server = start()
    dead = tmp_path / "data" / "queue" / "dead"
    shutil.copytree(dead, tmp_path / "before")
    url = f"http://127.0.0.1:{server.port}"
    with subprocess.Popen([COMMAND, "deadletters", "replay", "--all", "--url", url]) as replaying:
        server.until(lambda: notes_bytes(dead) > HEAD_BYTES, "some are gone")
        server.kill()
        assert replaying.wait(60) == 1
    server.start()
    assert 0 < len(ids(server)) < 60
    said(server, "replay", "--all")
    server.until(lambda: server.counts("shop") == {"shop": 60}, "stored")
    assert ids(server) == []
    # As a kill leaves it between what is durable in the queue and the note that letters are gone.
    server.kill()
    shutil.rmtree(dead)
    shutil.copytree(tmp_path / "before", dead)
    server.start()
    assert "replayed: 60 dead letters" in said(server, "replay", "--all")
    server.until(lambda: server.metric("tailrace_writer_duplicates_total") >= 60, "left out")
    assert server.counts("shop") == {"shop": 60}
    assert ids(server) == []
