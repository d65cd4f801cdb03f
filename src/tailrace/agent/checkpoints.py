"""How far each file has been read: one small file, replaced atomically.

Layout: "TRC1" | u64 xxh3 of the rest, little endian | msgpack of `State`. It is written beside,
synced and renamed; the one before is kept as `checkpoints.old`.

Recovery: the newest state whose checksum holds. When that is not the newest there was, what was
numbered since is not known, so the state comes back without its epoch: a new one is begun and no
number is ever used for other content. Entries of the spool newer than the state are applied by
the agent before it reads on.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import xxhash

from tailrace.agent.delivery.totals import Totals
from tailrace.core import limits
from tailrace.core.disk import sync_directory

_MAGIC = b"TRC1"
_HEAD_BYTES = len(_MAGIC) + 8
# Keys of sources that are no files: those that find their place again, and those that cannot.
CURSOR_KEY = "cursor:"
MEMORY_KEY = "memory:"


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """How far a file was taken, and how to know that it is still that file.

    `head`: xxh3 of the first 256 bytes, or of the first `offset` when that is less. `tail`: xxh3
    of the 64 bytes before `offset`. `cutting`: `offset` lies inside a line that was cut, whose
    rest is to be left out. `path`: where the file was first seen. `cursor`: of a journal, or
    another input that is no file, what was read last. `changed_ns`: when the file was last written
    to, by its own time, as far as it was read.
    """

    path: str
    offset: int = 0
    head: int = 0
    tail: int = 0
    cutting: bool = False
    cursor: str = ""
    changed_ns: int = 0


class Former(msgspec.Struct, frozen=True, array_like=True):
    """How frames were numbered before: every number below `next_seq` was spooled whole. `from_seq`
    as in `State`, and `sent` of all of them; None when that is not known."""

    source: str
    epoch: int
    from_seq: int
    next_seq: int
    sent: Totals | None = None


class State(msgspec.Struct):
    """All that an agent must remember. `files` is keyed by "device:inode", `cursors` by input.

    `epoch` and `next_seq` number the frames, `next_entry` the entries of the spool; every entry
    of the hot lane below `acked`, and of the bulk lane below `acked_bulk`, is with the gateway or
    given up. `patterns`: inputs that have been started before. `finished`: files that were read to
    their end and are gone, the last of many; they may come again, compressed. `machine`: where
    it was written, as `host.id`; empty where there is none. `since`: by the path of a log whose
    rotated files are not all decided on, from what time on they may have been missed. `gateways`: a
    hash of where frames go, and `from_seq` the first of this source and epoch that went nowhere
    else. `former`: how they were numbered before that, if ever in another way. `sent` counts what
    is numbered.
    """

    source: str
    epoch: int
    next_seq: int = 1
    next_entry: int = 1
    acked: int = 1
    files: dict[str, Mark] = {}
    patterns: list[str] = []
    finished: list[Mark] = []
    cursors: dict[str, Mark] = {}
    acked_bulk: int = 1
    machine: str = ""
    since: dict[str, int] = {}
    gateways: str = ""
    from_seq: int = 1
    former: Former | None = None
    sent: Totals = Totals()

    def number_anew(self, source: str, epoch: int, next_seq: int, counted: bool = False) -> None:
        """Nothing that was numbered before is numbered so again. `counted`: `sent` is whole."""
        sent = self.sent if counted else None
        self.former = Former(self.source, self.epoch, self.from_seq, self.next_seq, sent)
        self.sent = Totals()
        self.source, self.epoch = source, epoch
        self.next_seq = self.from_seq = next_seq

    def cover(self, key: str, mark: Mark) -> None:
        """The source `key` is taken up to `mark`."""
        if key.startswith(CURSOR_KEY):
            self.cursors[key] = mark
        elif not key.startswith(MEMORY_KEY):
            before = self.files.get(key)
            if before and (before.path != mark.path or before.offset > mark.offset):
                self.remember(before)  # another file has the inode, or other content
            self.files[key] = mark

    def remember(self, mark: Mark) -> None:
        """Know a file that is not there any more, if it comes again."""
        if mark.offset:
            self.finished = [*self.finished, mark][-limits.FINISHED_FILES :]


class Loaded(msgspec.Struct, frozen=True):
    """`state` is None when there is none; `intact` is False when a newer one was lost."""

    state: State | None
    intact: bool


class Checkpoints:
    """Loads and saves the state of an agent. Blocking; one thread."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "checkpoints"
        self._old = directory / "checkpoints.old"

    def load(self) -> Loaded:
        """The newest state whose checksum holds. Raises OSError when a file cannot be read."""
        newest = _parse(self._path)
        if newest is not None:
            return Loaded(newest, True)
        older = _parse(self._old)
        return Loaded(older, not self._path.exists() and not self._old.exists())

    def save(self, state: State) -> None:
        """Make `state` durable. After an OSError the one before is still there."""
        body = msgspec.msgpack.encode(state)
        temporary = self._path.with_suffix(".new")
        with temporary.open("wb", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            data = _MAGIC + xxhash.xxh3_64_intdigest(body).to_bytes(8, "little") + body
            if file.write(data) != len(data):
                raise OSError(f"{temporary}: could not be written whole")
            os.fsync(file.fileno())
        if self._path.exists():
            self._old.unlink(missing_ok=True)
            self._old.hardlink_to(self._path)
        temporary.replace(self._path)
        sync_directory(self._path.parent)


def _parse(path: Path) -> State | None:
    if not path.exists():
        return None
    data = path.read_bytes()
    body = data[_HEAD_BYTES:]
    digest = xxhash.xxh3_64_intdigest(body).to_bytes(8, "little")
    if data[:_HEAD_BYTES] != _MAGIC + digest:
        return None
    try:
        return msgspec.msgpack.decode(body, type=State)
    except msgspec.MsgspecError:
        return None
