"""Thousands of files: that appear at once, with few descriptors, and that lie idle."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes import FakeGateway

COMMAND = Path(sys.executable).with_name("tailrace")
DESCRIPTORS = 256
CROWD = [1_500, pytest.param(10_000, marks=pytest.mark.soak)]
IDLE = [pytest.param(5_000, marks=pytest.mark.soak)]
IDLE_S = 15.0
CONFIG = """[agent]
directory = "{home}/state"
gateways = ["{gateway}"]
announce = "0s"

[[agent.inputs]]
paths = ["{home}/logs/*.log"]
"""


@contextmanager
def command(home: Path, gateway: FakeGateway) -> Iterator[subprocess.Popen[bytes]]:
    config = home / "agent.toml"
    config.write_text(CONFIG.format(home=home, gateway=gateway.url))
    (home / "logs").mkdir()
    process = subprocess.Popen(
        [str(COMMAND), "agent", "--config", str(config)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def descriptors(process: subprocess.Popen[bytes]) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))  # noqa: PTH208


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) / 1024


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(gateway: FakeGateway) -> int:
    return sum(frame.header.rows for frame in gateway.taken.values())


@pytest.mark.parametrize("count", CROWD)
def test_files_that_appear_at_once_are_all_read_with_few_descriptors(
    tmp_path: Path, gateway: FakeGateway, count: int
) -> None:
    with command(tmp_path, gateway) as process:
        (tmp_path / "logs" / "first.log").write_bytes(b"first\n")
        assert gateway.wait(lambda: rows(gateway) == 1)
        began_s = time.monotonic()
        for number in range(count):
            (tmp_path / "logs" / f"{number}.log").write_bytes(b"one of %d\ntwo\n" % number)
        most = 0
        while rows(gateway) < 2 * count + 1 and time.monotonic() < began_s + 120.0:
            gateway.wait(lambda: rows(gateway) == 2 * count + 1, 0.2)
            most = max(most, descriptors(process))
        print(  # noqa: T201 - the figures of the campaign
            f"\n{count} files in {time.monotonic() - began_s:.1f} s, {most} descriptors,"
            f" {peak_mb(process):.0f} MB, {cpu_s(process):.1f} s of CPU"
        )
        assert rows(gateway) == 2 * count + 1
        with (tmp_path / "logs" / "0.log").open("ab") as file:
            file.write(b"more\n")
        assert gateway.wait(lambda: rows(gateway) == 2 * count + 2, 40.0)
        process.terminate()
        assert process.wait(20.0) == 0
    expected = [b"first", b"more"] + [b"two"] * count + [b"one of %d" % n for n in range(count)]
    assert sorted(gateway.lines()) == sorted(expected)
    assert most < DESCRIPTORS


@pytest.mark.parametrize("count", IDLE)
def test_a_folder_of_idle_files_costs_little(
    tmp_path: Path, gateway: FakeGateway, count: int
) -> None:
    with command(tmp_path, gateway) as process:
        for number in range(count):
            (tmp_path / "logs" / f"{number}.log").write_bytes(b"one\n")
        assert gateway.wait(lambda: rows(gateway) == count, 120.0)
        time.sleep(5.0)  # what was read is acknowledged, saved and deleted
        before_s = cpu_s(process)
        time.sleep(IDLE_S)
        share = (cpu_s(process) - before_s) / IDLE_S
        print(f"\n{count} idle files: {share:.1%} of a CPU, {peak_mb(process):.0f} MB")  # noqa: T201 - the figures of the campaign
        assert share < 0.05
