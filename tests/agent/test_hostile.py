"""The real command on a disk that is full, and before gateways that answer what nobody can use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from commanding import CONFIG, launch
from fakes import DRIP, ENDLESS, NONSENSE, FakeGateway

DISK = "6m"
LINES = 150_000
WAITS = b"state or spool cannot be written"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A small disk that only those see who are started with the command beside it."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = f"mount -t tmpfs -o size={DISK} tmpfs {directory} && echo there && exec sleep infinity"
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert holder.stdout
        if holder.stdout.readline() != b"there\n":
            pytest.skip("needs a mount namespace, which this kernel or container refuses")
        target = ["nsenter", "--target", str(holder.pid), "--user", "--mount"]
        yield directory, [*target, "--preserve-credentials"]
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()


def lines_that_do_not_compress(count: int) -> list[bytes]:
    return [b"%06d %s" % (number, os.urandom(48).hex().encode()) for number in range(count)]


def space(inside: Sequence[str], directory: Path) -> int:
    """Bytes that are free on the disk."""
    asked = [*inside, "stat", "--file-system", "--format=%a %S", str(directory)]
    blocks, size = subprocess.run(asked, capture_output=True, check=True).stdout.split()
    return int(blocks) * int(size)


def test_a_full_spool_disk_loses_nothing_also_through_kill_9(
    tmp_path: Path, gateway: FakeGateway, disk: tuple[Path, list[str]]
) -> None:
    directory, inside = disk
    expected = lines_that_do_not_compress(LINES)
    source = tmp_path / "shop.log"
    source.write_bytes(b"\n".join(expected) + b"\n")
    config = tmp_path / "agent.toml"
    paths = f'paths = ["{source}"]'
    config.write_text(CONFIG.format(home=directory, gateway=gateway.url, input=paths))
    gateway.judge = lambda found: 503
    log = tmp_path / "own.log"
    process = launch(config, log, inside)
    try:
        for waits in (1, 2):
            waited = gateway.wait(lambda waits=waits: log.read_bytes().count(WAITS) >= waits, 60.0)  # type: ignore[misc]
            assert waited, log.read_text()
            assert space(inside, directory) < 2_500_000
            process.kill()
            process.wait()
            process = launch(config, log, inside)
        gateway.judge = lambda found: 200
        assert gateway.wait(lambda: len(gateway.lines()) >= LINES, 60.0), log.read_text()
        process.terminate()
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        process.wait()
    assert gateway.lines() == expected
    assert gateway.gaps() == 0


# A gateway that drips is given the 30 s which an answer may take.
ANSWERS = [NONSENSE, ENDLESS, pytest.param(DRIP, marks=pytest.mark.soak)]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_gateway_that_answers_what_nobody_can_use_is_left_and_nothing_is_lost(
    tmp_path: Path, gateway: FakeGateway, answer: int
) -> None:
    source = tmp_path / "shop.log"
    config = tmp_path / "agent.toml"
    config.write_text(
        CONFIG.format(home=tmp_path, gateway=gateway.url, input=f'paths = ["{source}"]')
    )
    gateway.judge = lambda found: answer
    gateway.patience_s = 120.0  # longer than the test: it is the agent that has to leave
    process = launch(config)
    try:
        for number in range(3):
            with source.open("ab") as file:
                file.write(b"line %d\n" % number)
            assert gateway.wait(lambda number=number: gateway.requests > number, 60.0)  # type: ignore[misc]
        peak = Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
        gateway.judge = lambda found: 200
        with source.open("ab") as file:
            file.write(b"last\n")
        assert gateway.wait(lambda: b"last" in gateway.lines(), 60.0)
        process.terminate()
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        process.wait()
    assert gateway.lines() == [b"line 0", b"line 1", b"line 2", b"last"]
    assert gateway.gaps() == 0
    assert int(peak) < 60_000, "kB resident"
