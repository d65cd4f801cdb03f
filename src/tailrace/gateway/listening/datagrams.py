"""Datagrams out of a socket, hundreds with one call of the kernel where it can (Linux).

A call for each datagram gives up the interpreter's lock each time, and gets it back only after
another thread's turn: beside a thread that decodes, a few hundred datagrams a second remain. So
there are few calls, and as they never wait they keep the lock.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Any

from tailrace.gateway.listening.networks import plain

_SLOTS = 256
_SLOT_BYTES = 65_536  # no datagram is longer
_NAME_BYTES = 28  # sockaddr_in6
_NUMBERS = struct.Struct("9I")
# Linux: nine numbers about the memory of a socket, the last of them its drops.
_MEMINFO = 55
_WOULD_WAIT = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNREFUSED})


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_bytes", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vectors_number", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_bytes", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("received", ctypes.c_uint32))


class Datagrams:
    """Reads a bound socket that does not wait. One thread."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._v6 = source.family == socket.AF_INET6
        self._address = slice(8, 24) if self._v6 else slice(4, 8)
        self._peers: dict[bytes, str] = {}
        self._call: Any = getattr(ctypes.PyDLL(None, use_errno=True), "recvmmsg", None)
        self._data = bytearray(_SLOTS * _SLOT_BYTES if self._call else _SLOT_BYTES)
        self._view = memoryview(self._data)
        if self._call:
            self._prepare()

    def receive(self) -> dict[str, list[bytes]]:
        """The next datagrams by their senders' addresses; empty when none waits.

        Raises OSError when the socket is broken.
        """
        return self._many() if self._call else self._one()

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel had no room for, modulo 2**32; 0 where it does not say."""
        try:
            numbers = self._source.getsockopt(socket.SOL_SOCKET, _MEMINFO, _NUMBERS.size)
            return int(_NUMBERS.unpack(numbers)[-1])
        except (OSError, struct.error):
            return 0

    def _prepare(self) -> None:
        self._names = bytearray(_SLOTS * _NAME_BYTES)
        self._slots = [
            self._view[start : start + _SLOT_BYTES]
            for start in range(0, len(self._data), _SLOT_BYTES)
        ]
        data = ctypes.addressof(ctypes.c_char.from_buffer(self._data))
        names = ctypes.addressof(ctypes.c_char.from_buffer(self._names))
        self._vectors = (_Vector * _SLOTS)()
        self._messages = (_Message * _SLOTS)()
        vectors = ctypes.addressof(self._vectors)
        for number, (vector, message) in enumerate(zip(self._vectors, self._messages, strict=True)):
            vector.base, vector.length = data + number * _SLOT_BYTES, _SLOT_BYTES
            header = message.header
            header.name, header.name_bytes = names + number * _NAME_BYTES, _NAME_BYTES
            header.vectors = vectors + number * ctypes.sizeof(_Vector)
            header.vectors_number = 1
        words = ctypes.sizeof(_Message) // 4
        # Read as one array of numbers: an attribute of each structure would take as long as all.
        numbers = memoryview(self._messages).cast("B").cast("I")
        self._sizes = numbers[_Message.received.offset // 4 :: words]

    def _many(self) -> dict[str, list[bytes]]:
        number = self._call(
            self._source.fileno(), self._messages, _SLOTS, socket.MSG_DONTWAIT, None
        )
        if number < 0:
            code = ctypes.get_errno()
            if code in _WOULD_WAIT:
                return {}
            raise OSError(code, "datagrams cannot be received")
        sizes = self._sizes[:number].tolist()
        messages = [slot[:size].tobytes() for slot, size in zip(self._slots, sizes, strict=False)]
        names = self._names
        if names[: number * _NAME_BYTES] == names[:_NAME_BYTES] * number:
            return {self._peer(0): messages}
        found: dict[str, list[bytes]] = {}
        for index, message in enumerate(messages):
            found.setdefault(self._peer(index), []).append(message)
        return found

    def _one(self) -> dict[str, list[bytes]]:
        try:
            size, address = self._source.recvfrom_into(self._view)
        except OSError as error:
            if error.errno in _WOULD_WAIT:
                return {}
            raise
        return {plain(str(address[0])): [bytes(self._view[:size])]}

    def _peer(self, index: int) -> str:
        """The address of the sender of one of the datagrams."""
        start = index * _NAME_BYTES
        address = bytes(self._names[start + self._address.start : start + self._address.stop])
        known = self._peers.get(address)
        if known is None:
            if len(self._peers) >= 4 * _SLOTS:
                self._peers.clear()
            family = socket.AF_INET6 if self._v6 else socket.AF_INET
            known = plain(socket.inet_ntop(family, address))
            self._peers[address] = known
        return known
