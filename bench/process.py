"""What the kernel says of a process: CPU seconds, memory, and when it falls quiet."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
QUIET_S = 2.0
QUIET_SHARE = 0.05


def cpu_s(pid: int) -> float:
    """User and system seconds of a process, of its living children and of those it waited for."""
    total = 0.0
    for one in (pid, *_children(pid)):
        try:
            text = Path(f"/proc/{one}/stat").read_text()
        except OSError:
            if one == pid:
                raise RuntimeError(f"process {pid} has ended; see its log") from None
            continue
        # The name in brackets may hold anything; fields are counted after it.
        fields = text.rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:15]) / _TICKS
    return total


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in direct:
            found += [child, *_children(child)]
    return found


def peak_bytes(pid: int) -> int:
    """The largest resident size so far (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/status names no VmHWM")


def wait_quiet(pid: int, timeout_s: float) -> None:
    """Until the process used under 5% of a core for two seconds, twice in a row."""
    deadline = time.monotonic() + timeout_s
    quiet = 0
    before = cpu_s(pid)
    while quiet < 2:
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {pid} did not come to rest within {timeout_s:.0f} s")
        time.sleep(QUIET_S)
        now = cpu_s(pid)
        quiet = quiet + 1 if now - before < QUIET_S * QUIET_SHARE else 0
        before = now


def tree_bytes(directory: Path) -> int:
    """Bytes of all files under `directory`, each inode once; files may vanish meanwhile."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                found = os.lstat(os.path.join(folder, name))
            except OSError:
                continue
            seen[(found.st_dev, found.st_ino)] = found.st_size
    return sum(seen.values())
