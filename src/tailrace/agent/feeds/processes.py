"""The processes of this machine, by one pass over /proc.

`stat` alone tells CPU, memory and threads; only what is reported is looked at more closely. The
command line is never read.
Source: proc(5), /proc/pid/stat.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import pwd
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tailrace.wire.samples import Sample

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STAT_BYTES = 1024
# As the collector's `hostmetrics` names them.
STATUSES = {
    "R": "running",
    "S": "sleeping",
    "D": "blocked",
    "Z": "zombies",
    "T": "stopped",
    "t": "stopped",
    "I": "idle",
}


class Process(NamedTuple):
    """Of `/proc/PID/stat`: CPU seconds since its start, `rss_bytes` of memory."""

    pid: int
    name: str
    state: str
    user_s: float
    system_s: float
    threads: int
    started: int
    rss_bytes: int


class Processes:
    """Remembers the last pass, for what was used since. One thread."""

    def __init__(self, top: int, proc: str = "/proc") -> None:
        self._top = top
        self._proc = proc
        self._cpus = len(os.sched_getaffinity(0))
        self._last: dict[int, Process] = {}
        self._last_ns = 0
        self._owners: dict[int, str] = {}

    def samples(self, time_ns: int) -> Iterator[Sample]:
        """How many there are, and the top ones by CPU and by memory."""
        found = {process.pid: process for process in self._pass()}
        statuses = Counter(STATUSES.get(p.state, "unknown") for p in found.values())
        for status, count in sorted(statuses.items()):
            attributes = {"status": status}
            yield Sample(
                time_ns, "system.processes.count", count, "gauge", "{processes}", attributes
            )
        used = {p.pid: self._used(p) for p in found.values()}
        busy = [p for p in found.values() if any(used[p.pid])]
        busiest = heapq.nlargest(self._top, busy, key=lambda p: sum(used[p.pid]))
        resident = [p for p in found.values() if p.rss_bytes]
        largest = heapq.nlargest(self._top, resident, key=lambda p: p.rss_bytes)
        elapsed_s = (time_ns - self._last_ns) / 1e9 if self._last else 0.0
        self._last, self._last_ns = found, time_ns
        for process in {p.pid: p for p in (*busiest, *largest)}.values():
            yield from self._details(process, used[process.pid], elapsed_s, time_ns)

    def _pass(self) -> Iterator[Process]:
        for name in os.listdir(self._proc):  # a third of the price
            if name.isdigit():
                process = self._read(name)
                if process is not None:
                    yield process

    def _read(self, pid: str) -> Process | None:
        """None when it is gone."""
        try:
            descriptor = os.open(f"{self._proc}/{pid}/stat", os.O_RDONLY)
        except OSError:
            return None
        try:
            data = os.read(descriptor, _STAT_BYTES)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return parse(data)

    def _used(self, process: Process) -> tuple[float, float]:
        """CPU seconds since the last pass, as user and as system; of a new one since its start."""
        before = self._last.get(process.pid)
        if before is None or before.started != process.started:
            return process.user_s, process.system_s
        return process.user_s - before.user_s, process.system_s - before.system_s

    def _details(
        self, process: Process, used: tuple[float, float], elapsed_s: float, time_ns: int
    ) -> Iterator[Sample]:
        path = f"{self._proc}/{process.pid}"
        attributes = {
            "process.pid": str(process.pid),
            "process.executable.name": _executable(path) or process.name,
        }
        with contextlib.suppress(OSError):
            attributes["process.owner"] = self._owner(os.stat(path).st_uid)

        def sample(name: str, value: float, unit: str, **more: str) -> Sample:
            kind: Literal["gauge", "counter"] = "counter" if name == "process.cpu.time" else "gauge"
            return Sample(time_ns, name, value, kind, unit, {**attributes, **more})

        spent_s = (process.user_s, process.system_s)
        for state, total_s, used_s in zip(("user", "system"), spent_s, used, strict=True):
            yield sample("process.cpu.time", total_s, "s", state=state)
            if elapsed_s > 0:
                share = used_s / elapsed_s / self._cpus
                yield sample("process.cpu.utilization", share, "1", state=state)
        yield sample("process.memory.usage", process.rss_bytes, "By")
        yield sample("process.thread.count", process.threads, "{thread}")
        count = _descriptors(f"{path}/fd")
        if count is not None:
            yield sample("process.open_file_descriptor.count", count, "{file_descriptor}")

    def _owner(self, user: int) -> str:
        """The name, which may be asked of another machine: once."""
        if user not in self._owners:
            try:
                self._owners[user] = readable(pwd.getpwuid(user).pw_name)
            except KeyError:
                self._owners[user] = str(user)
        return self._owners[user]


def parse(stat: bytes) -> Process | None:
    """The name may hold blanks and brackets: it ends at the last one."""
    head, _, tail = stat.rpartition(b") ")
    pid, _, name = head.partition(b" (")
    fields = tail.split(None, 22)
    try:
        return Process(
            int(pid),
            name.decode(errors="replace"),
            fields[0].decode("ascii"),
            int(fields[11]) / _TICKS,
            int(fields[12]) / _TICKS,
            int(fields[17]),
            int(fields[19]),
            int(fields[21]) * _PAGE_BYTES,
        )
    except (IndexError, ValueError):
        return None


def readable(name: str) -> str:
    """A name of the system's, whose bytes need not be UTF-8."""
    return name.encode(errors="replace").decode()


def _executable(path: str) -> str:
    """The name of its file; "" for a kernel thread, and for another user's."""
    try:
        name = os.readlink(f"{path}/exe")  # nothing of it is a path of ours
    except OSError:
        return ""
    return readable(name.removesuffix(" (deleted)").rpartition("/")[2])


def _descriptors(path: str) -> int | None:
    """How many files it has open, None where that is not ours to see."""
    try:
        size = os.stat(path).st_size  # the count itself, from Linux 6.2 on
        return size or len(os.listdir(path))
    except OSError:
        return None
