"""kill -9 of the real command under load, against a gateway that refuses, stalls and drops."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path

import pytest
from commanding import CONFIG, launch
from fakes import FakeGateway, moody
from journals import WrittenJournal, needed

KILLS = [6, pytest.param(60, marks=pytest.mark.soak)]
LINES_PER_KILL = 5_000


def write_and_rotate(path: Path, lines: int, done: threading.Event, chance: random.Random) -> None:
    """Lines in bursts that end anywhere, with a rename now and then."""
    rotations = 0
    text = b"".join(b"line %d of the shop, padded a little\n" % n for n in range(lines))
    position = 0
    while position < len(text):
        step = chance.randrange(1, 60_000)
        with path.open("ab") as file:
            file.write(text[position : position + step])
        position += step
        if chance.random() < 0.1 and text[position - 1 : position] != b"":
            newline = text.find(b"\n", position) + 1
            with path.open("ab") as file:
                file.write(text[position : newline or len(text)])
            position = newline or len(text)
            rotations += 1
            path.rename(path.with_name(f"shop.log.{rotations}"))
            path.touch()
        done.wait(0.05)
    done.set()


@pytest.mark.parametrize("kills", KILLS)
def test_every_line_arrives_once_by_number_through_kill_9(
    tmp_path: Path, gateway: FakeGateway, kills: int
) -> None:
    chance = random.Random(7)
    lines = kills * LINES_PER_KILL
    path = tmp_path / "shop.log"
    path.touch()
    config = tmp_path / "agent.toml"
    source = f'paths = ["{path}*"]'
    config.write_text(CONFIG.format(home=tmp_path, gateway=gateway.url, input=source))
    gateway.judge = moody(7)
    done = threading.Event()
    writer = threading.Thread(target=write_and_rotate, args=(path, lines, done, chance))
    writer.start()
    process = launch(config)
    try:
        for _ in range(kills):
            before = gateway.requests
            goal = before + chance.randrange(1, 5)
            gateway.wait(lambda goal=goal: gateway.requests >= goal, 3.0)  # type: ignore[misc]
            process.kill()
            process.wait()
            process = launch(config)
        done.wait(60.0)
        gateway.judge = lambda found: 200
        expected = {b"line %d of the shop, padded a little" % n for n in range(lines)}
        gateway.wait(lambda: sum(f.header.rows for f in gateway.taken.values()) >= lines, 60.0)
        with path.open("ab") as file:
            file.write(b"last\n")  # its arrival shows that the last process is up
        assert gateway.wait(lambda: b"last" in gateway.lines(), 30.0)
        process.terminate()
        assert process.wait(15.0) == 0
    finally:
        process.kill()
        process.wait()
        writer.join()
    arrived = gateway.lines()
    assert set(arrived) == expected | {b"last"}
    assert len(arrived) == lines + 1
    assert gateway.gaps() == 0


@needed
@pytest.mark.parametrize("kills", KILLS)
def test_every_entry_of_a_journal_arrives_once_by_number_through_kill_9(
    tmp_path: Path, gateway: FakeGateway, kills: int
) -> None:
    chance = random.Random(8)
    written = WrittenJournal(tmp_path / "journal")
    config = tmp_path / "agent.toml"
    source = f'type = "journal"\ndirectory = "{written.directory}"'
    config.write_text(CONFIG.format(home=tmp_path, gateway=gateway.url, input=source))
    gateway.judge = moody(8)
    process = launch(config)
    try:
        for start in range(0, 100 * kills, 100):
            for first in range(start, start + 100, 20):
                written.write(*(f"entry {n}" for n in range(first, first + 20)))
            goal = gateway.requests + chance.randrange(3)
            gateway.wait(lambda goal=goal: gateway.requests >= goal, 2.0)  # type: ignore[misc]
            process.kill()
            process.wait()
            process = launch(config)
        gateway.judge = lambda found: 200
        written.write("last")
        assert gateway.wait(lambda: any(b"last" in line for line in gateway.lines()), 30.0)
        process.terminate()
        assert process.wait(15.0) == 0
    finally:
        process.kill()
        process.wait()
    arrived = [json.loads(line)["body"] for line in gateway.lines()]
    assert arrived == [*(f"entry {n}" for n in range(100 * kills)), "last"]
    assert gateway.gaps() == 0
