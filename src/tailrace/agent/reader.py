"""The reading thread: files to frames to the spool, and then the checkpoint.

Marks move only after the spool has the frames durably; a batch that could not be spooled is
forgotten and read again, under the same numbers.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tailrace.agent.checkpoints import Checkpoints, Mark, State
from tailrace.agent.delivery.spool import Entry, Spool
from tailrace.agent.files.tail import Tail
from tailrace.agent.files.tailed import NotText, TailedFile, Truncated
from tailrace.agent.fleet.activity import Activity
from tailrace.agent.framing import Framed, Framer
from tailrace.agent.settings import AgentSettings
from tailrace.agent.source import Piece, Source
from tailrace.agent.wake import Wake
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics

_log = log.get("agent")
LOOK_INTERVAL_S = 1.0
# Looking for files and at them takes at most one part of so many of the time, but a look in which
# the machine was paused says nothing of the next.
ROUND_SHARE = 50
LONGEST_INTERVAL_S = 30.0
MOMENT_S = 0.005
SAVE_INTERVAL_S = 1.0
FAILURE_S = 1.0
# One fdatasync for this many chunks or compressed bytes, whichever is first.
BATCH_CHUNKS = 8
BATCH_ENTRIES = limits.FRAMES_PER_BODY
BATCH_BYTES = 4 * limits.MIB


class _Taken(NamedTuple):
    """What a batch needs to know of a piece: its bytes live in the entry, compressed."""

    origin: TailedFile | Source
    after: Mark
    size: int
    rows: int
    entries: Sequence[Entry]
    repaired: Mapping[str, int]
    dropped: Mapping[str, int]


class Reader:
    """`run` until `stop` is set, then one last round of everything that is there."""

    def __init__(
        self,
        settings: AgentSettings,
        state: State,
        checkpoints: Checkpoints,
        spool: Spool,
        clock: Clock,
        metrics: Metrics,
        spooled: Callable[[], None],
        sources: Sequence[Source] = (),
        activity: Activity | None = None,
    ) -> None:
        """`sources`: all but files. `activity` is told what was taken."""
        self._settings = settings
        self._read_bytes = settings.read_bytes
        self._state = state
        self._checkpoints = checkpoints
        self._spool = spool
        self._clock = clock
        self._metrics = metrics
        self._spooled = spooled
        self._tail = Tail(settings, state, metrics)
        self._sources = sources
        self._activity = activity or Activity(settings.inputs)
        self._framer = Framer(state, clock, settings.resource)
        self._buffer = bytearray()
        self._batch: list[_Taken] = []
        self._batch_bytes = self._batch_entries = self._chunks = 0
        self._saved = (state.next_entry, state.acked, state.acked_bulk)
        self._saved_s = clock.monotonic_s()
        self._looked_s = self._watched_s = float("-inf")
        self._look_interval_s = LOOK_INTERVAL_S
        self._round_s = 0.0
        self._took = False
        self._changed = False
        self.stop = threading.Event()
        self.wake = Wake()

    def run(self) -> None:
        """The thread's main function."""
        while True:
            stopping = self.stop.is_set()
            try:
                busy = self.round(stopping)
            except Exception as error:
                self._failed(error)
                busy = False
            if stopping:
                break
            if not busy:
                self._rest()
        self._activity.end()
        self._tail.close()
        self.wake.close()
        for source in self._sources:
            source.close()

    def _rest(self) -> None:
        """Looking at thousands of files takes a while, so it is done less often then."""
        if self._watched_s != self._looked_s:
            self._watched_s = self._looked_s
            self.wake.watch(self._tail.folders)
        longest_s = max(self._settings.poll_interval_s, _spaced(self._round_s))
        # What comes in small parts is worth waiting for company; a moment more than a file waits.
        quiet_s = self._settings.flush_interval_s + MOMENT_S if self._took else 0.0
        self.wake.rest(quiet_s, max(longest_s, quiet_s))

    def round(self, hurry: bool = False) -> bool:
        """Look, read for at most a second, save. True when there may be more to read now."""
        now_s = self._clock.monotonic_s()
        if hurry or now_s - self._looked_s >= self._look_interval_s:
            begun = [source for source in self._sources if source.begin(now_s)]
            for source in begun:
                self._state.cover(source.key, source.mark)
            if self._tail.look(now_s) or begun:
                self._changed = True
                self.save()
            self._metrics.set("tailrace_agent_files", len(self._tail.files))
            self._looked_s = self._clock.monotonic_s()
            self._look_interval_s = max(LOOK_INTERVAL_S, _spaced(self._looked_s - now_s))
        self._took = False
        more = self._read_sources(now_s, hurry)
        more |= self._read(now_s, hurry)
        self._commit()
        if hurry or self._activity.wanted:
            self._measure(now_s)
        if self._clock.monotonic_s() - self._saved_s >= SAVE_INTERVAL_S or not self._has_room():
            self.save()
        return more

    def _measure(self, now_s: float) -> None:
        self._activity.measure(self._tail.files.values(), self._sources, now_s)

    def _has_room(self) -> bool:
        return self._spool.has_room(self._batch_bytes)

    def _read_sources(self, now_s: float, hurry: bool) -> bool:
        """A batch of each. True when there is more."""
        more = False
        for source in self._sources:
            for _ in range(BATCH_CHUNKS):
                piece = None
                if self._has_room():
                    piece = source.read(self._read_bytes, now_s, hurry)
                if piece is None:
                    break
                self._keep(source, piece)
                if self._full():
                    self._commit()
            else:
                more = True
        return more

    def _read(self, now_s: float, hurry: bool) -> bool:
        """Chunks of the files in turn. True when it ended before all were read to their end."""
        waiting: deque[TailedFile] = deque()
        if self._has_room():
            began_s = self._clock.monotonic_s()
            waiting.extend(self._tail.ready(now_s, hurry))
            self._round_s = self._clock.monotonic_s() - began_s
        while waiting:
            if not self._has_room():
                return False
            if self._clock.monotonic_s() - now_s > LOOK_INTERVAL_S:
                return True
            file = waiting.popleft()
            if self._take(file, now_s) and file.seen is None:
                waiting.append(file)
            if self._full():
                self._commit()
        return False

    def _take(self, file: TailedFile, now_s: float) -> bool:
        """One chunk of a file into the batch; False when there was none."""
        if not self._tail.open(file, now_s):
            return False
        try:
            piece = file.read(self._read_bytes, self._buffer, now_s)
        except NotText:
            self._tail.drop(file, "is not text", now_s)
            return False
        except Truncated:
            self._commit()
            self._tail.rewind(file, now_s)
            self._changed = True
            self.save()
            return True
        except OSError as error:
            self._tail.drop(file, error.strerror or "cannot be read", now_s)
            return False
        if piece is None:
            if file.ahead == file.mark:
                self._tail.let_go(file)
            return False
        if piece.data:
            self._tail.table.took(file, now_s)
        if file.seen is not None:
            file.ended_s = now_s
        if not file.mark.offset and self._tail.missed_beside(file, now_s):
            self._changed = True
            self.save()
        self._keep(file, piece)
        return True

    def _keep(self, origin: TailedFile | Source, piece: Piece) -> None:
        """A piece into the batch."""
        self._took = True
        framed = Framed([], 0, {}, {})
        if piece.data:
            framed = self._framer.frame(piece, origin.input, origin.key)
        repaired = _together(piece.repaired, framed.repaired)
        dropped = _together(piece.dropped, framed.dropped)
        size = len(piece.data)
        taken = _Taken(origin, piece.after, size, framed.rows, framed.entries, repaired, dropped)
        self._batch.append(taken)
        self._batch_entries += len(framed.entries)
        self._batch_bytes += sum(len(entry.frame) for entry in framed.entries)
        self._chunks += size > self._read_bytes // 2

    def _full(self) -> bool:
        return (
            self._chunks >= BATCH_CHUNKS
            or self._batch_entries >= BATCH_ENTRIES
            or len(self._batch) >= BATCH_ENTRIES
            or self._batch_bytes >= BATCH_BYTES
        )

    def _commit(self) -> None:
        """Spool the batch, then let the marks cover it. Raises OSError with nothing kept."""
        batch = self._batch
        self._clear()
        entries = [entry for taken in batch for entry in taken.entries]
        if entries:
            try:
                self._spool.append(entries)
            except OSError:
                self._batch = batch
                raise
            self._state.next_entry = entries[-1].note.entry + 1
            self._state.next_seq = entries[-1].note.seq + 1
            self._state.sent = self._spool.sending.totals
        for taken in batch:
            self._changed |= not taken.entries
            taken.origin.commit(taken.after)
            self._state.cover(taken.origin.key, taken.after)
        self._count(batch)
        if entries:
            self._spooled()

    def _undo(self) -> None:
        self._framer.rewind()
        for file in self._tail.files.values():
            file.reset()
        for source in self._sources:
            source.reset()
        self._clear()

    def _clear(self) -> None:
        self._batch = []
        self._batch_bytes = self._batch_entries = self._chunks = 0

    def _count(self, batch: list[_Taken]) -> None:
        add = self._metrics.add
        add("tailrace_agent_lines_total", sum(t.rows for t in batch))
        add("tailrace_agent_bytes_total", sum(t.size for t in batch))
        add("tailrace_agent_lines_cut_total", sum(t.repaired.get("line_length", 0) for t in batch))
        for taken in batch:
            self._activity.took(taken.origin.input, taken.rows, taken.size)
            self._metrics.add_each("tailrace_agent_dropped_total", taken.dropped)
            for reason, count in taken.repaired.items():
                if reason != "line_length":
                    add("tailrace_agent_repaired_total", count, reason)

    def _failed(self, error: Exception) -> None:
        """Most likely a full disk: the files wait, nothing is dropped."""
        self._undo()
        if isinstance(error, OSError):
            _log.error("state or spool cannot be written; waiting", extra={"why": str(error)})
        else:
            _log.error("reading failed; trying again", exc_info=error)
        with contextlib.suppress(OSError):
            self._spool.release(self._saved[0])  # what was delivered makes room
        self.stop.wait(FAILURE_S)

    def save(self) -> None:
        """Make the state durable and delete what neither it nor the gateway needs."""
        self._saved_s = self._clock.monotonic_s()
        self._state.acked = self._spool.acked
        self._state.acked_bulk = self._spool.acked_bulk
        now = (self._state.next_entry, self._state.acked, self._state.acked_bulk)
        if now != self._saved or self._changed:
            self._checkpoints.save(self._state)
            self._saved = now
            self._changed = False
        self._spool.release(self._state.next_entry)
        self._metrics.set("tailrace_agent_spool_bytes", self._spool.size_bytes)


def _spaced(took_s: float) -> float:
    """How long to wait before doing again what took so long."""
    return min(took_s * ROUND_SHARE, LONGEST_INTERVAL_S)


def _together(first: Mapping[str, int], second: Mapping[str, int]) -> Mapping[str, int]:
    """Counts of both; mostly there are none."""
    return Counter(first) + Counter(second) if first and second else first or second
