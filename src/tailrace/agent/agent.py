"""The agent: one thread reads, numbers and spools; one ships.

A chunk of lines becomes a frame with the next number, is spooled with the file's offset after it,
and only then may the checkpoint cover it; it leaves the spool after the gateway has answered and
the checkpoint is durable. A crash anywhere repeats a frame under its own number, or reads again
what was never numbered.
"""

from __future__ import annotations

import socket
import threading
import uuid
from pathlib import Path

from tailrace.agent.checkpoints import Checkpoints, FileMark, State
from tailrace.agent.settings import AgentSettings
from tailrace.agent.ship import Later, Refused, Sender
from tailrace.agent.spool import Mark, Spool
from tailrace.agent.tail import Tail, TailedFile
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.frame import Codec, Frame, Header
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.wire import frames as wire

_log = log.get("agent")
LOOK_INTERVAL_S = 1.0
SHIP_BYTES = 4 * limits.MIB


class Agent:
    """`start`, later `stop`. Threads are daemons: a stuck disk does not hold the process."""

    def __init__(self, settings: AgentSettings, clock: Clock, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        directory = Path(settings.directory)
        directory.mkdir(parents=True, exist_ok=True)
        self._rejected = directory / "rejected"
        self._checkpoints = Checkpoints(directory)
        self._state = self._checkpoints.load() or State(
            f"agent-{uuid.uuid4().hex[:12]}", clock.wall_ns()
        )
        self._spool = Spool(directory / "spool", settings.spool_bytes)
        self._covered = self._recover()
        self._tail = Tail(settings.inputs, [*settings.never, str(directory)], self._state.files)
        self._identity = _identity()
        self._stop = threading.Event()
        self._new = threading.Event()
        self._drained = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, name="agent-read", daemon=True),
            threading.Thread(target=self._ship, name="agent-ship", daemon=True),
        ]

    def _recover(self) -> int:
        """Count what the spool holds as read; the number below which frames may be shipped."""
        for seq, mark in self._spool.open():
            if seq > self._state.next_seq:
                # The entry before it was lost with a power cut; both are read again.
                self._spool.remove([seq])
            elif seq == self._state.next_seq:
                self._state.next_seq += 1
                self._state.files.setdefault(mark.file, FileMark(0)).offset = mark.end
        self._checkpoints.save(self._state)
        return self._state.next_seq

    def start(self) -> None:
        """Begin to read and ship."""
        for thread in self._threads:
            thread.start()

    def stop(self, deadline_s: float) -> None:
        """Read what is there, ship what can be shipped in time; the rest stays in the spool."""
        self._stop.set()
        self._new.set()
        self._threads[0].join(deadline_s / 2)
        self._drained.wait(deadline_s / 2)
        self._threads[1].join(1.0)
        self._tail.close()

    def _read(self) -> None:
        last_look_s = -LOOK_INTERVAL_S
        while True:
            stopping = self._stop.is_set()
            now_s = self._clock.monotonic_s()
            if now_s - last_look_s >= LOOK_INTERVAL_S or stopping:
                self._tail.look(now_s)
                self._metrics.set("tailrace_agent_files", len(self._tail.files))
                last_look_s = now_s
            took = self._round(now_s)
            if took:
                self._cover()
            elif stopping:
                return
            else:
                self._stop.wait(self._settings.poll_interval_s)
            if stopping and not self._spool.has_room():
                return

    def _round(self, now_s: float) -> int:
        """One chunk of each file that has some; how many were taken."""
        took = 0
        for file in list(self._tail.files.values()):
            if not self._spool.has_room():
                break
            before = file.mark.offset
            data, end, cut = file.chunk(
                self._settings.chunk_bytes, self._tail.finished(file, now_s)
            )
            if cut:
                self._metrics.add("tailrace_agent_lines_cut_total")
            if data:
                self._take(file, data, end)
            file.mark.offset = end
            took += end != before
        return took

    def _take(self, file: TailedFile, data: bytes, end: int) -> None:
        facts = describe(data)
        now_ns = self._clock.wall_ns()
        header = Header(
            tenant="default",
            source=self._state.source,
            epoch=self._state.epoch,
            seq=self._state.next_seq,
            rows=facts.rows,
            bytes=facts.bytes,
            checksum=facts.checksum,
            received_ns=now_ns,
            codec=Codec(file.input.codec),
            resource=self._resource(file),
        )
        self._spool.add(Frame(header, compress(data)), Mark(file.key, end))
        self._state.next_seq += 1
        file.refresh_fingerprint()
        self._metrics.add("tailrace_agent_lines_total", facts.rows)
        self._metrics.add("tailrace_agent_bytes_total", facts.bytes)

    def _resource(self, file: TailedFile) -> dict[str, str]:
        service = file.input.service or Path(file.path).stem
        return {
            **self._identity,
            "service.name": service,
            "log.file.path": file.path,
            **file.input.resource,
        }

    def _cover(self) -> None:
        """Let the checkpoint cover what was spooled, and the spool ship it."""
        self._spool.sync()
        self._checkpoints.save(self._state)
        self._covered = self._state.next_seq
        self._metrics.set("tailrace_agent_spool_bytes", self._spool.size_bytes)
        self._new.set()

    def _ship(self) -> None:
        sender = Sender(self._settings.gateways, self._settings.token)
        while True:
            self._new.clear()
            frames = self._spool.oldest(self._covered, SHIP_BYTES)
            if not frames:
                if self._stop.is_set() and not self._threads[0].is_alive():
                    break
                self._new.wait(self._settings.flush_interval_s)
                continue
            try:
                self._deliver(sender, frames)
            except Later as later:
                self._metrics.add("tailrace_agent_retries_total")
                if self._stop.wait(later.wait_s):
                    break
        sender.close()
        self._drained.set()

    def _deliver(self, sender: Sender, frames: list[Frame]) -> None:
        try:
            sender.send(wire.encode(frames))
        except Refused as refused:
            if len(frames) > 1:
                for frame in frames:
                    self._deliver(sender, [frame])
                return
            self._set_aside(frames[0], str(refused))
        self._spool.remove([frame.header.seq for frame in frames])
        self._metrics.add("tailrace_agent_frames_sent_total", len(frames))

    def _set_aside(self, frame: Frame, why: str) -> None:
        """Keep a refused frame for a person to look at; it must not hold up the rest."""
        self._rejected.mkdir(exist_ok=True)
        path = self._rejected / f"{frame.header.seq:016d}.trf"
        path.write_bytes(wire.encode([frame]))
        _log.error("the gateway refused a frame; it is kept", extra={"why": why, "path": str(path)})


def _identity() -> dict[str, str]:
    machine = Path("/etc/machine-id")
    identity = {"host.name": socket.gethostname()}
    if machine.exists() and (found := machine.read_text().strip()):
        identity["host.id"] = found
    return identity
