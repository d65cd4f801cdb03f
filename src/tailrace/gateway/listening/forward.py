"""Fluent Forward over TCP, and over TLS.

A message is acknowledged, where that is asked for, only after the sink has it. While the sink is
busy a connection is not read. One that asked for an acknowledgement is then closed, and its sender
sends again: a message with the same id and the same bytes is stored once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec
import xxhash

from tailrace.core import limits
from tailrace.core.budget import ByteBudget
from tailrace.core.errors import Busy, InputError
from tailrace.core.frame import Frame
from tailrace.core.log import get
from tailrace.gateway import numbering
from tailrace.gateway.door import Door
from tailrace.gateway.listening.networks import EVERYONE, Networks, peer_of
from tailrace.gateway.listening.sockets import bound
from tailrace.gateway.listening.syslogtcp import BACKLOG
from tailrace.wire import forward
from tailrace.wire.forwardhello import PING_BYTES, Handshake
from tailrace.wire.msgpack import Objects
from tailrace.wire.rows import Rows

MESSAGE_BYTES = limits.BODY_COMPRESSED_BYTES
_LONGEST_WAIT_S = 5.0
_READ_BYTES = 64 * limits.KIB
_QUIET_S = 0.05

_log = get("gateway")
_T = TypeVar("_T")


class Keys(msgspec.Struct, frozen=True):
    """What senders must know. `users` are passwords by name; when empty the key alone will do."""

    shared_key: str
    users: Mapping[str, str] = {}


class Forward:
    """Listens at `host` and `port` (0: any) for `tenant`; `address` is known after `start`.

    Without `keys` nobody is asked for anything but what `tls` asks for. Connections from outside
    `networks` are refused and counted.
    """

    def __init__(
        self,
        door: Door,
        tenant: str,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        keys: Keys | None = None,
        networks: Networks = EVERYONE,
        connections: int = limits.SOCKET_CONNECTIONS,
    ) -> None:
        self.address: tuple[str, int] = (host, port)
        self._door = door
        self._tenant = tenant
        self._tls = tls
        self._keys = keys
        self._networks = networks
        self._limit = connections
        self._budget = ByteBudget(limits.FORWARD_HELD_BYTES, limits.BODY_S)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-forward")
        self._open: dict[asyncio.Task[None], _Sender] = {}
        self._server: asyncio.Server | None = None
        self._received = 0

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be used."""
        listener = bound(*self.address, socket.SOCK_STREAM)
        self.address = listener.getsockname()[:2]
        self._server = await asyncio.start_server(
            self._connected,
            sock=listener,
            backlog=BACKLOG,
            limit=_READ_BYTES,
            ssl=self._tls,
            ssl_handshake_timeout=limits.HANDSHAKE_S if self._tls else None,
        )

    async def close(self, deadline_s: float) -> None:
        """Take what has arrived and no more; it is durable, or counted as lost, afterwards."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                before = -1
                while before != self._received or any(one.is_busy for one in self._open.values()):
                    before = self._received
                    await asyncio.sleep(_QUIET_S)
        ended = list(self._open)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        sender = _Sender(reader, writer)
        try:
            if not self._networks.admits(sender.peer):
                raise InputError("it is of no network that may send", "network")
            if len(self._open) >= self._limit:
                raise InputError("too many connections", "connections")
            self._open[task] = sender
            self._count()
            await self._serve(sender)
        except InputError as error:
            self._door.metrics.add("tailrace_ingest_rejected_total", 1, error.reason)
            why = {"why": str(error), "peer": sender.peer}
            _log.warning("a forward connection was closed", extra=why)
        except (Busy, TimeoutError):
            self._door.metrics.add("tailrace_ingest_rejected_total", 1, "busy")
        except OSError:
            pass  # the sender is gone
        except asyncio.CancelledError:
            self._lost(sender)
        except Exception:
            # No input may stop the listener.
            self._door.metrics.add("tailrace_ingest_rejected_total", 1, "malformed")
            _log.exception("a forward connection failed")
        finally:
            self._open.pop(task, None)
            self._count()
            writer.close()

    async def _serve(self, sender: _Sender) -> None:
        if self._keys:
            await _within(limits.HANDSHAKE_S, _shake(sender, self._keys), "handshake")
        objects = Objects(MESSAGE_BYTES)
        while True:
            data = await _within(limits.LISTENER_IDLE_S, sender.reader.read(_READ_BYTES), "idle")
            found = self._feed(objects, data)
            if objects.held_bytes > _READ_BYTES:
                # So large a message has a share of all memory, and a time to arrive in.
                async with self._budget.hold(MESSAGE_BYTES):
                    found += await _within(limits.BODY_S, self._rest(sender, objects), "slow")
                    await self._take(sender, found)
            else:
                await self._take(sender, found)
            if not data or sender.reader.at_eof():
                break
        if objects.held_bytes:
            raise InputError("the connection ended inside a message", "torn")

    async def _rest(self, sender: _Sender, objects: Objects) -> list[bytes]:
        """Read on until the message that has begun is there."""
        while data := await sender.reader.read(_READ_BYTES):
            if found := self._feed(objects, data):
                return found
        return []

    def _feed(self, objects: Objects, data: bytes) -> list[bytes]:
        self._received += len(data)
        return objects.feed(data)

    async def _take(self, sender: _Sender, messages: list[bytes]) -> None:
        """Make messages durable, and acknowledge those that ask for it."""
        if not messages:
            return
        self._door.metrics.add("tailrace_ingest_requests_total", len(messages), "forward")
        sender.is_busy = True
        sender.unasked = len(messages)  # until it is known better
        loop = asyncio.get_running_loop()
        decode = partial(self._frames, messages, sender.peer)
        frames, chunks, sender.unasked = await loop.run_in_executor(self._thread, decode)
        await self._submit(frames, patient=len(chunks) < len(messages))
        sender.unasked = 0
        for chunk in chunks:
            sender.writer.write(msgspec.msgpack.encode({"ack": chunk}))
        await _within(limits.BODY_S, sender.writer.drain(), "slow")
        sender.is_busy = False

    def _frames(self, messages: Sequence[bytes], peer: str) -> tuple[list[Frame], list[str], int]:
        """Frames of messages, the ids to acknowledge, and the rows of those without one, which go
        together."""
        frames: list[Frame] = []
        chunks: list[str] = []
        rows, repaired = Rows(), dict[str, int]()
        for message in messages:
            chunk = forward.read(message)
            if chunk is None:
                continue
            if not chunk.chunk:
                forward.decode(chunk, rows, peer, repaired)
                continue
            own, own_repaired = Rows(), dict[str, int]()
            forward.decode(chunk, own, peer, own_repaired)
            key = f"forward:{chunk.chunk}:{xxhash.xxh3_128_hexdigest(message)}"
            identify = partial(numbering.of_key, key)
            for content in forward.content(own, own_repaired):
                frames += self._door.frames(content, self._tenant, identify)
            chunks.append(chunk.chunk)
        unasked = forward.content(rows, repaired)
        for content in unasked:
            frames += self._door.frames(content, self._tenant)
        return frames, chunks, sum(content.rows for content in unasked)

    async def _submit(self, frames: Sequence[Frame], patient: bool) -> None:
        """Until the sink takes them; at most FORWARD_PATIENCE_S where they would be sent again."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limits.FORWARD_PATIENCE_S
        while True:
            try:
                await self._door.submit(frames)
            except Busy as error:
                if not patient and loop.time() > end_s:
                    raise
                await asyncio.sleep(min(max(error.retry_after_s, 0.05), _LONGEST_WAIT_S))
            else:
                return

    def _lost(self, sender: _Sender) -> None:
        if sender.unasked:
            self._door.metrics.add("tailrace_ingest_dropped_total", sender.unasked, "stopped")
            _log.error("messages were lost", extra={"messages": sender.unasked, "why": "stopped"})

    def _count(self) -> None:
        self._door.metrics.set("tailrace_ingest_connections", len(self._open), "forward")


class _Sender:
    """One connection. `unasked` rows are lost when they are not kept: nobody would send again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.peer = peer_of(writer)
        self.is_busy = False
        self.unasked = 0


async def _shake(sender: _Sender, keys: Keys) -> None:
    """Raises InputError ("handshake") when the sender does not know the keys."""
    handshake = Handshake(keys.shared_key, keys.users, socket.gethostname())
    sender.writer.write(handshake.hello())
    objects = Objects(PING_BYTES)
    while not (found := objects.feed(data := await sender.reader.read(PING_BYTES))):
        if not data:
            raise InputError("the connection ended inside the handshake", "handshake")
    answer, reason = handshake.answer(found[0])
    sender.writer.write(answer)
    await sender.writer.drain()
    if reason:
        raise InputError(f"a sender was refused: {reason}", "handshake")


async def _within(seconds: float, work: Awaitable[_T], reason: str) -> _T:
    """The result of `work`. Raises InputError when it is not there in time."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise InputError(f"nothing came within {seconds:g} s", reason) from None
