"""A syslog server for this machine: UDP and TCP, one thread.

While the intake is full nothing is read. TCP senders wait; datagrams wait in the socket's buffer,
and what the kernel drops there is counted.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.gather import Gather
from tailrace.agent.feeds.intake import Intake
from tailrace.agent.feeds.listening import listen
from tailrace.agent.feeds.streams import Streams
from tailrace.agent.inputs import SyslogInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import log
from tailrace.core.frame import Codec
from tailrace.wire import syslog

_log = log.get("agent")
DATAGRAM_BYTES = 65_536
_DATAGRAMS = 256  # of one round
_EXPIRE_S = 10.0
_RETRY_S = 0.1
_LAST_S = 2.0
# Linux: nine numbers about the memory of a socket, the last of them its drops.
_MEMINFO = 55
_NUMBERS = struct.Struct("9I")


def feeders(
    source: SyslogInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Syslog]:
    """The feeder of this input."""
    return [Syslog(source, f"agent.inputs[{settings.inputs.index(source)}]", wake)]


class Syslog:
    """See Feeder. `addresses` is where it listens, by "udp" and "tcp", once it is started."""

    def __init__(
        self,
        source: SyslogInput,
        name: str,
        wake: Callable[[], None],
    ) -> None:
        """`name` is the key of the input in the configuration."""
        self.intake = Intake(source, name, wake)
        self.addresses: dict[str, tuple[str, int]] = {}
        self._input = source
        self._name = name
        self._gather = Gather(self.intake, Codec.RECORDS, checked=True)
        self._held = contextlib.ExitStack()
        self._udp: socket.socket | None = None
        self._streams: Streams | None = None
        self._buffer = bytearray(DATAGRAM_BYTES)
        self._dropped = 0
        self._expired_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agent-syslog", daemon=True)

    def start(self) -> None:
        """Listen. Raises ConfigError when an address is taken, or is no address of loopback."""
        with contextlib.ExitStack() as held:
            self._selector = held.enter_context(selectors.DefaultSelector())
            self._wakes, self._waker = map(held.enter_context, socket.socketpair())
            self._selector.register(self._wakes, selectors.EVENT_READ)
            if self._input.udp:
                udp = listen(self._input.udp, f"{self._name}.udp", socket.SOCK_DGRAM)
                self._udp = held.enter_context(udp)
                self.addresses["udp"] = udp.getsockname()[:2]
                self._selector.register(udp, selectors.EVENT_READ)
            if self._input.tcp:
                tcp = held.enter_context(listen(self._input.tcp, f"{self._name}.tcp"))
                self.addresses["tcp"] = tcp.getsockname()[:2]
                self._streams = Streams(tcp, self._selector)
            self._held = held.pop_all()
        self._thread.start()

    def stop(self) -> None:
        """Take what has arrived, and no more."""
        if self._stopping.is_set() or not self._thread.is_alive():
            return
        self._stopping.set()
        self._waker.send(b"x")
        self._thread.join(2 * _LAST_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round(self._gather.wait_s())
            except Exception as error:
                _log.error("syslog is not read; trying again", exc_info=error)
                self._stopping.wait(1.0)
        self._finish()

    def _round(self, wait_s: float | None) -> int:
        """Take what has arrived within `wait_s`; the number of messages."""
        messages: list[bytes] = []
        ready = self._selector.select(_EXPIRE_S if wait_s is None else wait_s)
        for key, _ in ready:
            if key.fileobj is self._udp:
                messages += self._datagrams(self._udp)
            elif self._streams:
                messages += self._streams.read(key.fileobj)
        if self._streams and time.monotonic() - self._expired_s > _EXPIRE_S:
            self._expired_s = time.monotonic()
            messages += self._streams.expire()
        self._add(messages)
        while self._gather.wait_s() == 0.0 and not self._gather.put(_RETRY_S):
            if self._stopping.is_set():
                break
        return len(messages)

    def _datagrams(self, udp: socket.socket) -> list[bytes]:
        found: list[bytes] = []
        view = memoryview(self._buffer)
        for _ in range(_DATAGRAMS):
            try:
                size = udp.recv_into(view)
            except BlockingIOError:
                break
            found.append(bytes(view[:size]))
        dropped = _drops(udp)
        self._gather.drop("udp", (dropped - self._dropped) % 2**32)
        self._dropped = dropped
        return found

    def _add(self, messages: list[bytes]) -> None:
        if messages:
            found = syslog.decode(messages, time.time_ns(), self._input.service)
            self._gather.add(found.data, found.rows, found.repaired)
        if self._streams and (self._streams.cut or self._streams.torn):
            counts = {"line_length": self._streams.cut, "torn": self._streams.torn}
            self._gather.add(b"", 0, counts)
            self._streams.cut = self._streams.torn = 0

    def _finish(self) -> None:
        end_s = time.monotonic() + _LAST_S
        self._selector.unregister(self._wakes)
        while self._round(0.0) and time.monotonic() < end_s:
            pass
        if self._streams:
            self._add(self._streams.close())
        if not self._gather.put(max(0.0, end_s - time.monotonic())):
            _log.error("syslog messages were not kept", extra={"messages": self._gather.rows})
        self._held.close()


def _drops(udp: socket.socket) -> int:
    """Datagrams that the kernel had no room for, modulo 2**32; 0 where it does not say."""
    try:
        numbers = udp.getsockopt(socket.SOL_SOCKET, _MEMINFO, _NUMBERS.size)
        return int(_NUMBERS.unpack(numbers)[-1])
    except (OSError, struct.error):
        return 0
