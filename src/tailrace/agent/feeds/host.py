"""The input `host`: what this machine does, under the names of OpenTelemetry's `hostmetrics`.

Source: https://opentelemetry.io/docs/specs/semconv/system/system-metrics/ and the documentation of
that receiver, whose attributes are the older `state`, `device`, `direction`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.intake import Feeder, Intake
from tailrace.agent.feeds.processes import Processes, readable
from tailrace.agent.feeds.scheduled import Fetched, Scheduled, batches
from tailrace.agent.inputs import HostInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import log
from tailrace.core.clock import Clock, SystemClock
from tailrace.wire.samples import Sample

_log = log.get("agent")
CPU_STATES = {
    "user": "user",
    "system": "system",
    "nice": "nice",
    "idle": "idle",
    "iowait": "wait",
    "irq": "interrupt",
    "softirq": "softirq",
    "steal": "steal",
}
# Images that are full by nature.
PSEUDO_FILESYSTEMS = frozenset({"squashfs", "erofs", "iso9660", "udf", "cramfs"})
PSEUDO_DISKS = ("loop", "ram", "fd", "sr")
# Besides the loopback: ends and bridges of containers and virtual machines. What goes through them
# and leaves the machine is counted where it leaves.
PSEUDO_INTERFACES = (
    "veth", "docker", "br-", "virbr", "vnet", "tap", "cali", "cilium", "lxc", "cni",
    "flannel", "dummy", "ifb", "kube-ipvs", "nodelocaldns",
)  # fmt: skip


def feeders(
    source: HostInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Feeder]:
    """The one feeder of the input."""
    intake = Intake(source, "host", wake, flush_interval_s=settings.flush_interval_s)
    host = Host(source.processes)
    return [Scheduled("host", intake, source.interval, host.fetch, settings)]


class Host:
    """Remembers the last run, for what was used since. One thread.

    Each part is left out where it cannot be read, and the others are not.
    """

    def __init__(self, processes: int, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._processes = Processes(processes) if processes else None
        self._cpu: dict[str, float] = {}
        self._told: list[str] = []

    def fetch(self) -> Fetched:
        """All samples of now."""
        time_ns = self._clock.wall_ns()
        parts = [_uptime, self._cpus, _load, _memory, _paging, _disks, _filesystems, _networks]
        if self._processes:
            parts.append(self._processes.samples)
        found: list[Sample] = []
        failed: list[str] = []
        for part in parts:
            try:
                found += part(time_ns)
            except (OSError, RuntimeError, LookupError, ValueError, psutil.Error):
                failed.append(part.__name__.strip("_"))
        if failed != self._told:
            self._told = failed
            _log.warning("host metrics left out", extra={"parts": ", ".join(failed) or "none"})
        return Fetched(batches(found))

    def _cpus(self, time_ns: int) -> Iterator[Sample]:
        times = psutil.cpu_times()._asdict()
        spent = {state: times[key] for key, state in CPU_STATES.items() if key in times}
        for state, seconds in spent.items():
            yield _counter(time_ns, "system.cpu.time", seconds, "s", state=state)
        before, self._cpu = self._cpu, spent
        used = {state: max(0.0, spent[state] - before[state]) for state in before}
        total = sum(used.values())
        for state, seconds in used.items() if total else ():
            yield _gauge(time_ns, "system.cpu.utilization", seconds / total, "1", state=state)


def _uptime(time_ns: int) -> Iterator[Sample]:
    yield _gauge(time_ns, "system.uptime", time.clock_gettime(time.CLOCK_BOOTTIME), "s")


def _load(time_ns: int) -> Iterator[Sample]:
    for minutes, load in zip((1, 5, 15), os.getloadavg(), strict=True):
        yield _gauge(time_ns, f"system.cpu.load_average.{minutes}m", load, "{thread}")
    count = psutil.cpu_count()
    if count:
        yield _gauge(time_ns, "system.cpu.logical.count", count, "{cpu}")


def _memory(time_ns: int) -> Iterator[Sample]:
    memory = psutil.virtual_memory()
    states = {
        "used": memory.total - memory.available,
        "free": memory.free,
        "buffered": getattr(memory, "buffers", 0),
        "cached": getattr(memory, "cached", 0),
    }
    for state, size in states.items():
        yield _gauge(time_ns, "system.memory.usage", size, "By", state=state)
        share = size / memory.total
        yield _gauge(time_ns, "system.memory.utilization", share, "1", state=state)


def _paging(time_ns: int) -> Iterator[Sample]:
    memory = _fields("/proc/meminfo")
    total = memory.get("SwapTotal:", 0)
    free = memory.get("SwapFree:", 0)
    for state, size in {"used": total - free, "free": free}.items() if total else ():
        yield _gauge(time_ns, "system.paging.usage", size * 1024, "By", state=state)
        yield _gauge(time_ns, "system.paging.utilization", size / total, "1", state=state)
    counts = _fields("/proc/vmstat")
    major = counts["pgmajfault"]
    for kind, count in {"major": major, "minor": counts["pgfault"] - major}.items():
        yield _counter(time_ns, "system.paging.faults", count, "{faults}", type=kind)
    for direction, key in {"page_in": "pswpin", "page_out": "pswpout"}.items():
        attributes = {"direction": direction, "type": "major"}
        count = counts.get(key, 0)
        yield _counter(time_ns, "system.paging.operations", count, "{operations}", **attributes)


def _fields(path: str) -> dict[str, int]:
    """Numbers of a file of /proc by the word before each. Raises OSError."""
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines}


def _disks(time_ns: int) -> Iterator[Sample]:
    whole = set(os.listdir("/sys/block"))
    for device, counts in (psutil.disk_io_counters(perdisk=True) or {}).items():
        if device.startswith(PSEUDO_DISKS) or device.replace("/", "!") not in whole:
            continue  # what a partition does, its disk does
        for direction in ("read", "write"):
            attributes = {"device": device, "direction": direction}
            size = getattr(counts, f"{direction}_bytes")
            count = getattr(counts, f"{direction}_count")
            yield _counter(time_ns, "system.disk.io", size, "By", **attributes)
            yield _counter(time_ns, "system.disk.operations", count, "{operations}", **attributes)


def _filesystems(time_ns: int) -> Iterator[Sample]:
    """One for each device: what is mounted twice, as a container's files are, is one."""
    seen: set[str] = set()
    for part in sorted(_mounted(), key=lambda part: len(part.mountpoint)):
        if part.device in seen or part.fstype in PSEUDO_FILESYSTEMS:
            continue
        try:
            found = os.statvfs(part.mountpoint)
        except OSError:
            continue
        seen.add(part.device)
        mode = "ro" if "ro" in part.opts.split(",") else "rw"
        attributes = {
            "device": readable(part.device),
            "mountpoint": readable(part.mountpoint),
            "type": part.fstype,
            "mode": mode,
        }
        blocks = {
            "used": found.f_blocks - found.f_bfree,
            "free": found.f_bavail,
            "reserved": found.f_bfree - found.f_bavail,
        }
        for state, count in blocks.items():
            size = count * found.f_frsize
            named = {**attributes, "state": state}
            yield _gauge(time_ns, "system.filesystem.usage", size, "By", **named)
        usable = blocks["used"] + blocks["free"]
        if usable:
            share = blocks["used"] / usable
            yield _gauge(time_ns, "system.filesystem.utilization", share, "1", **attributes)


def _mounted() -> Iterator[Any]:
    """File systems on a device, and the root whatever it is on: a container's is no device."""
    yield from psutil.disk_partitions(all=False)
    for part in psutil.disk_partitions(all=True):
        if part.mountpoint == "/":
            yield part


def _networks(time_ns: int) -> Iterator[Sample]:
    for device, counts in psutil.net_io_counters(pernic=True).items():
        if device == "lo" or device.startswith(PSEUDO_INTERFACES):
            continue
        values = {
            "receive": (counts.bytes_recv, counts.packets_recv, counts.errin, counts.dropin),
            "transmit": (counts.bytes_sent, counts.packets_sent, counts.errout, counts.dropout),
        }
        for direction, (size, packets, errors, dropped) in values.items():
            named = {"device": device, "direction": direction}
            yield _counter(time_ns, "system.network.io", size, "By", **named)
            yield _counter(time_ns, "system.network.packets", packets, "{packets}", **named)
            yield _counter(time_ns, "system.network.errors", errors, "{errors}", **named)
            yield _counter(time_ns, "system.network.dropped", dropped, "{packets}", **named)


def _gauge(time_ns: int, name: str, value: float, unit: str, **attributes: str) -> Sample:
    return Sample(time_ns, name, value, "gauge", unit, attributes)


def _counter(time_ns: int, name: str, value: float, unit: str, **attributes: str) -> Sample:
    return Sample(time_ns, name, value, "counter", unit, attributes)
