"""systemd's journal: a `journalctl` that follows it, and the cursor of the entry that came last.

A child starts at the entry that was read before, which is left out. Asked for what comes after
that entry it would leave out another one when the entry is gone; so a first entry that is not the
one expected says that the journal was cut, and all that is left of it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tailrace.agent.checkpoints import CURSOR_KEY, Mark, State
from tailrace.agent.inputs import JournalInput
from tailrace.agent.source import Piece
from tailrace.core import limits, log
from tailrace.core.frame import Codec
from tailrace.wire import journal

_log = log.get("agent")
COMMAND = "journalctl"
FIRST_RETRY_S = 1.0
LARGEST_RETRY_S = 60.0
_PLACES = ("/var/log/journal", "/run/log/journal")
_LAST_S = 10.0
_READ_BYTES = 64 * limits.KIB
_PIPE_BYTES = limits.MIB
_WHY_BYTES = 500


def journal_available(directory: str = "") -> bool:
    """Whether `journalctl` is installed and there is a journal that this process may read."""
    if shutil.which(COMMAND) is None:
        return False
    for place in (directory,) if directory else _PLACES:
        for path in Path(place).rglob("*.journal"):
            if os.access(path, os.R_OK):
                return True
    return False


class Journal:
    """The journal of one input. One thread; nothing blocks but `begin`, for ten seconds at most.

    `mark` is how far the spool holds it, `ahead` how far it was read.
    """

    def __init__(self, source: JournalInput, state: State, flush_interval_s: float) -> None:
        self.input = source
        self.key = f"{CURSOR_KEY}journal|{source.directory}|{','.join(sorted(source.units))}"
        self._begun = self.key in state.cursors
        self.mark = state.cursors.get(self.key, Mark("journal"))
        self.ahead = self.mark
        self._flush_interval_s = flush_interval_s
        self._child: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._skipping = False
        self._oversize = 0
        self._expected = ""  # the cursor that the child's first entry should have
        self._why = b""
        self._told = ""
        self._failures = 0
        self._retry_s = float("-inf")
        self._taken_s = float("-inf")

    def begin(self, now_s: float) -> bool:
        """Decide where to start. True once, when `mark` must be durable before reading on."""
        if self._begun or now_s < self._retry_s:
            return False
        if self.input.start == "end":
            try:
                self.mark = self.ahead = Mark("journal", cursor=self._last())
            except (OSError, subprocess.SubprocessError) as error:
                self._failed(now_s, str(error))
                return False
        self._begun = True
        return True

    def _last(self) -> str:
        """The cursor of the newest entry, "" without one."""
        if not journal_available(self.input.directory):
            return ""
        answer = subprocess.run(  # noqa: S603 - no shell, and its words are ours
            self._command("--lines=1"), capture_output=True, timeout=_LAST_S, check=False
        )
        return journal.decode(answer.stdout).last

    def _command(self, *options: str) -> list[str]:
        command = [COMMAND, "--output=json", "--all", "--no-pager", "--quiet", "--boot=all"]
        if self.input.directory:
            command.append(f"--directory={self.input.directory}")
        return [*command, *(f"--unit={unit}" for unit in self.input.units), *options]

    def read(self, size: int, now_s: float, hurry: bool = False) -> Piece | None:
        """About `size` bytes of entries; None when there is nothing to take yet.

        Less than that is left for the flush interval, unless `hurry`.
        """
        if not self._begun:
            return None
        if self._child is None and b"\n" not in self._buffer and now_s >= self._retry_s:
            self._start(now_s)
        if self._child is not None:
            self._fill(self._child, now_s)
        early = now_s - self._taken_s < self._flush_interval_s
        if early and not hurry and len(self._buffer) < size:
            return None
        text = self._whole(size)
        if not text:
            return None
        self._taken_s = now_s
        return self._piece(text)

    def _start(self, now_s: float) -> None:
        self._buffer.clear()
        self._skipping = False
        self._why = b""
        if not journal_available(self.input.directory):
            where = self.input.directory or " or ".join(_PLACES)
            self._failed(now_s, f"{COMMAND} is not installed or {where} holds no readable journal")
            return
        self._expected = self.ahead.cursor
        seek = (f"--cursor={self._expected}",) if self._expected else ()
        try:
            self._child = _launch(self._command("--follow", "--no-tail", *seek))
        except OSError as error:
            self._failed(now_s, str(error))

    def _fill(self, child: subprocess.Popen[bytes], now_s: float) -> None:
        """What the child has written, without waiting."""
        assert child.stdout is not None
        assert child.stderr is not None
        self._why = (self._why + (child.stderr.read(_READ_BYTES) or b""))[-_WHY_BYTES:]
        while len(self._buffer) < limits.JOURNAL_ENTRY_BYTES:
            data = child.stdout.read(_READ_BYTES)
            if data:
                self._buffer += data
                continue
            if data is not None:
                self._ended(now_s)
            return

    def _ended(self, now_s: float) -> None:
        """The child is gone: another one starts when its last whole line is taken."""
        why = self._why.decode(errors="replace").strip()
        self.close()
        if self._expected and "cursor" in why:
            self._lost()
            self.ahead = Mark("journal")
        self._failed(now_s, why or "journalctl ended")

    def _failed(self, now_s: float, why: str) -> None:
        self._retry_s = now_s + min(LARGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(self._failures, 10))
        self._failures += 1
        if why != self._told:
            self._told = why
            _log.warning("journal is not read; trying again", extra={"why": why})

    def _lost(self) -> None:
        _log.warning(
            "journal no longer holds the entry that was read last; reading all it holds after it",
            extra={"cursor": self._expected},
        )

    def _whole(self, size: int) -> bytes:
        """Whole lines from the buffer, one at least if there is any."""
        buffer = self._buffer
        if self._skipping:
            newline = buffer.find(b"\n")
            del buffer[: newline + 1 if newline >= 0 else len(buffer)]
            self._skipping = newline < 0
        end = buffer.rfind(b"\n", 0, size) + 1 or buffer.find(b"\n") + 1
        text = bytes(buffer[:end])
        del buffer[:end]
        if not text and len(buffer) >= limits.JOURNAL_ENTRY_BYTES:
            buffer.clear()
            self._skipping = True
            self._oversize += 1
            _log.warning("journal entry left out", extra={"limit": limits.JOURNAL_ENTRY_BYTES})
        return text

    def _piece(self, text: bytes) -> Piece | None:
        found = journal.decode(text, self._expected, self.input.service)
        dropped = dict(found.dropped)
        if self._oversize:
            dropped["oversize"], self._oversize = self._oversize, 0
        if found.last:
            if self._expected and found.first != self._expected:
                self._lost()
            self._expected, self._told, self._failures = "", "", 0
            self.ahead = Mark("journal", cursor=found.last)
        if not (found.rows or dropped):
            return None
        return Piece(
            found.data,
            found.rows,
            Codec.RECORDS,
            checked=True,
            repaired=found.repaired,
            dropped=dropped,
            after=self.ahead,
        )

    def commit(self, after: Mark) -> None:
        self.mark = after

    def reset(self) -> None:
        """Forget what was read ahead of the mark."""
        self.close()
        self._buffer.clear()
        self._oversize = 0
        self.ahead = self.mark

    def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdout, child.stderr):
                assert pipe is not None
                pipe.close()


def _launch(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A child whose output is read without waiting. Raises OSError."""
    child = subprocess.Popen(  # noqa: S603 - no shell, and its words are ours
        command,
        bufsize=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        start_new_session=True,  # Ctrl-C is for us: what it has read is still to be taken
    )
    _unblock(child.stdout)
    _unblock(child.stderr)
    return child


def _unblock(pipe: IO[bytes] | None) -> None:
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    with contextlib.suppress(OSError):  # a smaller pipe only costs rounds
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
