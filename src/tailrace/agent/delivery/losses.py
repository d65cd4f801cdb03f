"""What this agent gave up on purpose, remembered until the server has been told.

    losses = "TRL1" | u64 xxh3 of the rest, little endian | msgpack of `_Book`

One small file, written beside, synced and renamed. It is written before what it names is deleted:
a crash in between is made up for by `dropped`, below which no bulk entry of the spool is sent any
more. A file that fails its checksum is set aside as `losses.corrupt` and a new one is begun.

Bounded by joining: what is lost of one source and epoch for one reason is one record, until that
record was handed out; after that it stays as it is, so that a server which is told twice can tell
that it is the same one. At `LOSS_RECORDS` they are joined all the same, under a new number.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import xxhash

from tailrace.core import fleet, limits, log
from tailrace.core.disk import write_whole
from tailrace.core.metrics import Metrics

_log = log.get("agent")
_MAGIC = b"TRL1"
_HEAD_BYTES = len(_MAGIC) + 8
SPOOL_FULL = "spool_full"
SPOOL_AGE = "spool_age"
REFUSED = "refused"


class Loss(fleet.Loss, frozen=True):
    """As announced, and its `number`, which orders the losses of an agent.

    Frames between its first and last may have arrived: the rows of a lost bulk frame may be in the
    hot lane. `bytes` are before compression, `at_ns` is when the first was lost, by the agent's
    clock. `reason` is a constant of this module.
    """

    number: int = 0

    def joins(self, other: Loss) -> bool:
        """Whether both can be told as one."""
        mine = (self.source, self.epoch, self.reason)
        return mine == (other.source, other.epoch, other.reason)

    def joined(self, other: Loss) -> Loss:
        return msgspec.structs.replace(
            self,
            first_seq=min(self.first_seq, other.first_seq),
            last_seq=max(self.last_seq, other.last_seq),
            rows=self.rows + other.rows,
            bytes=self.bytes + other.bytes,
            at_ns=min(self.at_ns, other.at_ns),
        )


def join(found: list[Loss], loss: Loss) -> None:
    """`loss` into the last of `found` that it can be told with, else behind them."""
    for place in reversed(range(len(found))):
        if found[place].joins(loss):
            found[place] = found[place].joined(loss)
            return
    found.append(loss)


class _Book(msgspec.Struct):
    """`source`: of the agent whose spool `dropped` is about. `told`: the last number handed out."""

    source: str = ""
    dropped: int = 0
    told: int = 0
    last_number: int = 0
    losses: list[Loss] = []


class Losses:
    """Thread-safe. Methods that change it raise OSError, and then nothing has changed."""

    def __init__(self, directory: Path, metrics: Metrics) -> None:
        """Raises OSError."""
        self._path = directory / "losses"
        self._metrics = metrics
        self._lock = threading.Lock()
        self._book = self._load()

    def _load(self) -> _Book:
        if not self._path.exists():
            return _Book()
        data = self._path.read_bytes()
        body = data[_HEAD_BYTES:]
        digest = xxhash.xxh3_64_intdigest(body).to_bytes(8, "little")
        try:
            if data[:_HEAD_BYTES] == _MAGIC + digest:
                return msgspec.msgpack.decode(body, type=_Book)
        except msgspec.MsgspecError:
            pass
        aside = self._path.with_suffix(".corrupt")
        self._path.replace(aside)
        _log.error("the record of losses was damaged; it is set aside", extra={"path": str(aside)})
        return _Book()

    def _write(self, book: _Book) -> None:
        body = msgspec.msgpack.encode(book)
        digest = xxhash.xxh3_64_intdigest(body).to_bytes(8, "little")
        write_whole(self._path, _MAGIC + digest + body)
        self._book = book

    def add(self, found: Sequence[Loss], source: str = "", dropped: int = 0) -> None:
        """Remember losses, durably, and count their rows.

        `dropped`: bulk entries of the spool of the agent `source` below it are gone.
        """
        with self._lock:
            book = msgspec.structs.replace(self._book, losses=list(self._book.losses))
            if dropped:
                book.source, book.dropped = source, dropped
            for loss in found:
                _enter(book, loss)
            self._write(book)
        for loss in found:
            self._metrics.add("tailrace_agent_dropped_total", loss.rows, loss.reason)

    def dropped(self, source: str) -> int:
        """The entry below which no bulk entry of `source`'s spool is to be sent; 0 for none."""
        with self._lock:
            return self._book.dropped if self._book.source == source else 0

    def pending(self) -> list[Loss]:
        """What the server has not confirmed, oldest first; at most `ANNOUNCED_LOSSES` of them."""
        with self._lock:
            told = self._book.losses[: limits.ANNOUNCED_LOSSES]
            if told and told[-1].number > self._book.told:
                self._write(msgspec.structs.replace(self._book, told=told[-1].number))
            return told

    def confirmed(self, upto: int) -> None:
        """The server has every loss whose `number` is at most `upto`."""
        with self._lock:
            rest = [loss for loss in self._book.losses if loss.number > upto]
            if len(rest) < len(self._book.losses):
                self._write(msgspec.structs.replace(self._book, losses=rest))


def _enter(book: _Book, loss: Loss) -> None:
    alike = [other for other in book.losses if other.joins(loss)]
    full = len(book.losses) >= limits.LOSS_RECORDS
    if alike and (full or alike[-1].number > book.told):
        book.losses.remove(alike[-1])
        loss = alike[-1].joined(loss)
    elif full:
        gone = book.losses.pop(0)
        _log.error(
            "too many losses to remember; the oldest is forgotten",
            extra={"rows": gone.rows, "reason": gone.reason, "epoch": gone.epoch},
        )
    book.last_number += 1
    book.losses.append(msgspec.structs.replace(loss, number=book.last_number))
