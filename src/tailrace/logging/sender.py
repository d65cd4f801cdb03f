"""One thread of a process that sends what its threads logged, and the end of the process.

The thread starts with the first record and again after a fork, where the child begins with nothing
of what the parent still holds. It is a daemon: at exit everything is flushed, for EXIT_S at most.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import secrets
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, TypedDict

import msgspec

from tailrace.core import limits
from tailrace.core.payload import compress
from tailrace.logging.backlog import Backlog
from tailrace.logging.post import Later, Post, Refused
from tailrace.logging.records import Records

URL = "http://127.0.0.1:7480"
LINGER_S = 0.5
FLUSH_S = 5.0
EXIT_S = 5.0
LOGGER = "tailrace.logging"
_STOP_S = 1.0

_here = threading.local()


class Options(TypedDict, total=False):
    """What Handler and Processor hand on to the Sender that they make."""

    url: str
    service: str
    resource: Mapping[str, str]
    token: str | None
    contextvars: Sequence[ContextVar[Any]]
    block_s: float
    queue_records: int
    queue_bytes: int


class _Batch(msgspec.Struct):
    """Lines that are sent together, under one key for however many tries."""

    lines: list[bytes]
    body: bytes
    key: str
    losses: int
    whole: bool = True


class Sender:
    """Records of this process to the gateway at `url`. Thread-safe and fork-safe.

    `service` and `resource` name the application in each record, `contextvars` become attributes
    by their names. `token`: the gateway's, where it wants one. A full queue (`queue_records`,
    `queue_bytes`) drops the newest record and counts it, after waiting `block_s` for room; a
    thread that runs an event loop never waits. Raises ConfigError.
    """

    def __init__(
        self,
        url: str = URL,
        service: str = "",
        resource: Mapping[str, str] | None = None,
        token: str | None = None,
        contextvars: Sequence[ContextVar[Any]] = (),
        block_s: float = 0.0,
        queue_records: int = limits.APP_QUEUE_RECORDS,
        queue_bytes: int = limits.APP_QUEUE_BYTES,
    ) -> None:
        self.records = Records(service, resource, contextvars)
        self._url = url
        self._token = token or ""
        self._block_s = block_s
        self._bounds = (queue_records, queue_bytes)
        self._begin()
        _senders.add(self)

    def _begin(self) -> None:
        """As new: also what a child does after a fork. Nothing of the parent's is touched."""
        self._backlog = Backlog(*self._bounds)
        self._post = Post(self._url, self._token, self._complain)
        self._source = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._batches: deque[_Batch] = deque()
        self._thread: threading.Thread | None = None
        self._starting = False
        self._complained: set[str] = set()
        self._told = 0

    @property
    def dropped(self) -> int:
        """Records of this process that were lost: no room, or refused by the gateway."""
        return self._backlog.dropped

    @property
    def waiting(self) -> int:
        """Records that are neither stored nor dropped yet."""
        return self._backlog.held

    def ignores(self) -> bool:
        """Whether this thread is a sender's, whose own records would never end."""
        return getattr(_here, "sends", False)

    def put(self, line: bytes) -> bool:
        """Hand over one line of `records`. False when it was dropped, which is counted."""
        block_s = 0.0 if self._block_s and _in_event_loop() else self._block_s
        kept = self._backlog.put(line, block_s)
        if self._thread is None:
            self._start()
        return kept

    def lose(self) -> None:
        """Count a record that could not be made into a line."""
        self._backlog.lose()

    def flush(self, timeout_s: float = FLUSH_S) -> bool:
        """Wait until all that was put before is stored or refused. False when it took too long."""
        if self.ignores():
            return True
        if self._thread is None and (self._backlog.held or self._backlog.waiting):
            self._start()
        return self._backlog.flush(min(timeout_s, _left_s()))

    def close(self, timeout_s: float = FLUSH_S) -> bool:
        """Flush and end the thread. A record that comes later starts it again, and what could not
        be sent waits for that."""
        done = self.flush(timeout_s)
        thread = self._thread
        if thread is not None and not self.ignores():
            self._backlog.stop()
            thread.join(min(_STOP_S, _left_s()))
        return done

    def _start(self) -> None:
        """A record that is put by a signal's handler meanwhile finds `_starting`."""
        with self._backlog.lock:
            if self._thread is not None or self._starting:
                return
            self._starting = True
            self._backlog.stopping = False
            thread = threading.Thread(target=self._run, name="tailrace-logging", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread to be had: with the next record
                thread.start()
                self._thread = thread
            self._starting = False
        _finish_with_multiprocessing()

    def _run(self) -> None:
        _here.sends = True
        while True:
            try:
                if self._batches or self._backlog.ready(LINGER_S):
                    self._deliver()
            except Exception as error:
                self._complain(f"sending logs failed and goes on: {type(error).__name__}")
                self._backlog.pause(LINGER_S)
            with self._backlog.lock:
                if self._backlog.stopping:
                    self._post.close()
                    self._thread = None
                    return

    def _deliver(self) -> None:
        """One batch, until it is settled or the thread has to end; then it waits as it is."""
        if not self._batches:
            self._batches.append(self._next())
        batch = self._batches[0]
        while True:
            try:
                self._post.send(batch.body, batch.key)
            except Later as later:
                if not self._backlog.pause(later.wait_s):
                    return
            except Refused as refused:
                self._batches.popleft()
                self._refused(batch, refused.too_large)
                return
            else:
                self._batches.popleft()
                self._backlog.reported = max(self._backlog.reported, batch.losses)
                self._backlog.settle(batch.lines)
                return

    def _refused(self, batch: _Batch, too_large: bool) -> None:
        if too_large and batch.whole and len(batch.lines) > 1:
            half = len(batch.lines) // 2
            for lines in (batch.lines[half:], batch.lines[:half]):
                self._batches.appendleft(self._packed(lines, 0, whole=False))
            return
        if not batch.lines:  # a report that is refused is not tried for ever
            self._backlog.reported = batch.losses
        self._backlog.settle(batch.lines, refused=True)

    def _next(self) -> _Batch:
        lines = self._backlog.take()
        try:
            return self._packed(lines, self._backlog.dropped)
        except Exception:  # no memory to compress
            self._backlog.settle(lines, refused=True)
            raise

    def _packed(self, lines: list[bytes], losses: int, whole: bool = True) -> _Batch:
        """`losses`: all that were lost until here; those not yet reported are, in a record."""
        unreported = losses - self._backlog.reported
        rows = [*lines, self._report(unreported)] if unreported > 0 else lines
        key = f"{self._source}-{next(self._numbers)}"
        return _Batch(lines, compress(b"\n".join(rows)), key, losses, whole)

    def _report(self, losses: int) -> bytes:
        attributes = {"logger": LOGGER, "dropped": losses, "process.pid": os.getpid()}
        body = f"{losses} records were dropped"
        return self.records.line(time.time_ns(), "WARNING", body, attributes, {})

    def _complain(self, what: str) -> None:
        """On standard error, once: the log is no place for what keeps it from being sent."""
        if what in self._complained:
            return
        self._complained.add(what)
        # There may be none, or a closed one.
        with contextlib.suppress(Exception):
            sys.stderr.write(f"tailrace: {what}\n")

    def report_end(self) -> None:
        """Say on standard error what is lost with the process, where that is anything new."""
        backlog = self._backlog
        dropped, held = backlog.dropped - backlog.reported, backlog.held
        if dropped + held > self._told:
            self._told = dropped + held
            self._complain(
                f"{dropped + held} log records did not reach {self._post.address}: "
                f"{dropped} dropped, {held} waiting"
            )


_senders: weakref.WeakSet[Sender] = weakref.WeakSet()
_exit_at_s: float | None = None
_finishing = 0


def _left_s() -> float:
    """What is left of the time to end in, once the process ends."""
    return float("inf") if _exit_at_s is None else max(0.0, _exit_at_s - time.monotonic())


def exiting() -> bool:
    """Whether the process ends."""
    return _exit_at_s is not None


def _finish() -> None:
    """The process ends: send what there is, all within EXIT_S, and say what stays behind."""
    global _exit_at_s
    if _exit_at_s is None:
        _exit_at_s = time.monotonic() + EXIT_S
    for sender in list(_senders):
        sender.flush()
        sender.report_end()


def _finish_with_multiprocessing() -> None:
    """Its children end without running `atexit`, but run finalisers of their own."""
    global _finishing
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is None or process is None or _finishing == os.getpid():
        return
    _finishing = os.getpid()
    if process.parent_process() is not None:
        util.Finalize(None, _finish, exitpriority=0)


def _after_fork() -> None:
    global _exit_at_s
    _exit_at_s = None
    _here.sends = False
    for sender in list(_senders):
        sender._begin()


def _in_event_loop() -> bool:
    """Asked only where the application imported asyncio."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


atexit.register(_finish)
os.register_at_fork(after_in_child=_after_fork)
