"""Lines of open descriptors, read to their end: standard input, and the outputs of a command.

When the intake is full nothing is read, and whoever writes waits.
"""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.gather import BATCH_BYTES, Gather
from tailrace.agent.feeds.intake import Intake
from tailrace.agent.inputs import StdinInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits, log
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec
from tailrace.wire.text import boundary

_log = log.get("agent")
CUT_MARK = " …[cut]".encode()
_READ_BYTES = 64 * limits.KIB
_RETRY_S = 0.1
# Rows of two bytes; blank ones are left out.
assert (BATCH_BYTES + _READ_BYTES) // 2 <= limits.FRAME_ROWS
# After the writer's end: a child of its own may still hold the descriptor, and be silent.
QUIET_S = 1.0
_LAST_S = 2.0


class Lines:
    """Whole lines out of pieces; one beyond LINE_BYTES is cut, marked and counted in `cut`."""

    def __init__(self, limit_bytes: int = limits.LINE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = b""
        self._skipping = False
        self.cut = 0

    def feed(self, data: bytes) -> bytes:
        """The lines that end within `data`, each with its newline."""
        if self._skipping:
            newline = data.find(b"\n")
            self._skipping = newline < 0
            data = data[newline + 1 :] if newline >= 0 else b""
        end = data.rfind(b"\n") + 1
        whole = self._rest + data[:end] if end else b""
        self._rest = data[end:] if end else self._rest + data
        if len(self._rest) <= self._limit_bytes:
            return whole
        kept = boundary(self._rest, self._limit_bytes - len(CUT_MARK))
        whole += self._rest[:kept] + CUT_MARK + b"\n"
        self._rest, self._skipping = b"", True
        self.cut += 1
        return whole

    def close(self) -> bytes:
        """The last line, which has no newline, with one."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""


class _Pipe:
    def __init__(self, descriptor: int, echo: int | None, gather: Gather) -> None:
        self.descriptor = descriptor
        self.echo = echo
        self.gather = gather
        self.lines = Lines()

    def add(self, data: bytes) -> None:
        repaired = {"line_length": self.lines.cut}
        self.lines.cut = 0
        if data:
            self.gather.add(data, data.count(b"\n"), repaired)


class Pipes:
    """One thread for some descriptors. `ended` is set when all that they gave is in the intake."""

    def __init__(self, intake: Intake, codec: Codec = Codec.LINES) -> None:
        self.ended = threading.Event()
        self._intake = intake
        self._codec = codec
        self._pipes: list[_Pipe] = []
        self._leaving = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._wakes, self._waker = -1, -1  # a pipe, closed at the end
        self._thread = threading.Thread(target=self._run, name="agent-pipes", daemon=True)

    def add(
        self, descriptor: int, resource: Mapping[str, str] | None = None, echo: int | None = None
    ) -> None:
        """Read this one, which is closed at its end, and write all of it to `echo` as well."""
        gather = Gather(self._intake, self._codec, resource=resource)
        self._pipes.append(_Pipe(descriptor, echo, gather))

    def start(self) -> None:
        """Begin to read what was added."""
        self._wakes, self._waker = os.pipe()
        self._thread.start()

    def leave(self) -> None:
        """Whoever writes has ended: read until all is there, or nothing came for QUIET_S."""
        self._leaving.set()
        self._wake()

    def stop(self) -> None:
        """What was read is put into the intake; nothing more is read."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(2 * _LAST_S)

    def _wake(self) -> None:
        with self._lock:
            if self._waker >= 0:
                os.write(self._waker, b"x")

    def _run(self) -> None:
        # Not epoll, which takes no files: standard input may be one.
        with selectors.PollSelector() as selector:
            selector.register(self._wakes, selectors.EVENT_READ)
            for pipe in self._pipes:
                selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
            self._read_all(selector)
        for pipe in self._pipes:
            pipe.add(pipe.lines.close())
            self._put(pipe)
        with self._lock:
            os.close(self._wakes)
            os.close(self._waker)
            self._waker = -1
        self.ended.set()

    def _read_all(self, selector: selectors.PollSelector) -> None:
        heard_s = time.monotonic()
        reading = {pipe.descriptor for pipe in self._pipes}
        while reading and not self._stopping.is_set():
            ready = selector.select(self._wait_s())
            if ready:
                heard_s = time.monotonic()
            elif self._leaving.is_set() and time.monotonic() - heard_s > QUIET_S:
                break
            for key, _ in ready:
                if key.data is None:
                    os.read(self._wakes, 64)
                elif not self._read(key.data):
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    reading.remove(key.fd)
            for pipe in self._pipes:
                if pipe.gather.wait_s() == 0.0:
                    self._put(pipe)
        for descriptor in reading:
            os.close(descriptor)

    def _wait_s(self) -> float | None:
        waits = [pipe.gather.wait_s() for pipe in self._pipes]
        known = [wait for wait in waits if wait is not None]
        if self._leaving.is_set():
            known.append(QUIET_S / 4)
        return min(known) if known else None

    def _read(self, pipe: _Pipe) -> bool:
        """False at the end."""
        try:
            data = os.read(pipe.descriptor, _READ_BYTES)
            if pipe.echo is not None:
                _write(pipe.echo, data)
        except BlockingIOError:
            return True
        except OSError as error:
            # Nobody reads what we pass on: the command finds out as if there were nobody between.
            _log.debug("a pipe ended", extra={"why": error.strerror})
            return False
        pipe.add(pipe.lines.feed(data))
        return bool(data)

    def _put(self, pipe: _Pipe) -> None:
        end_s = 0.0
        while not pipe.gather.put(_RETRY_S):
            if self._stopping.is_set():
                end_s = end_s or time.monotonic() + _LAST_S
                if time.monotonic() > end_s:
                    _log.error("lines were not kept", extra={"lines": pipe.gather.rows})
                    return


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            with selectors.PollSelector() as selector:
                selector.register(descriptor, selectors.EVENT_WRITE)
                selector.select()


class Stdin:
    """See Feeder. `ended` is set when all of standard input is in the intake."""

    def __init__(self, source: StdinInput, wake: Callable[[], None]) -> None:
        self.intake = Intake(source, "stdin", wake)
        codec = Codec.RECORDS if source.codec == "records" else Codec.LINES
        self._pipes = Pipes(self.intake, codec)
        self.ended = self._pipes.ended

    def start(self) -> None:
        """Begin to read. Raises ConfigError when there is no standard input."""
        try:
            self._pipes.add(os.dup(0))
        except OSError:
            raise ConfigError("agent.inputs: stdin: there is no standard input") from None
        self._pipes.start()

    def stop(self) -> None:
        self._pipes.stop()


def feeders(
    source: StdinInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> Sequence[Stdin]:
    """The feeder of this input."""
    return [Stdin(source, wake)]
