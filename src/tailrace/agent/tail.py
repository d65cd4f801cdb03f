"""Files by glob, followed through rotation: `stat` is the truth.

A file is known by device and inode, so a rename changes nothing: it stays open and is read to the
end. It is let go when no pattern matches it any more, another file has its name (or nobody has,
for longer) and it has not grown for a while.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.inputs import Files
from tailrace.agent.settings import AgentSettings
from tailrace.agent.tailed import TEXT_BYTES, TailedFile
from tailrace.core import limits, log

_log = log.get("agent")
_PACKED = (".gz", ".xz", ".zst", ".bz2", ".zip", ".journal", ".journal~")
_SKIP_S = 60.0
# A file nobody replaced may still be written to through its old name for this many lingers.
_ABSENT_LINGERS = 12
_LOST_MARKS = 1_000


class Tail:
    """The files of all inputs. One thread."""

    def __init__(
        self, settings: AgentSettings, state: State, open_files: int = limits.TAIL_FILES
    ) -> None:
        self._settings = settings
        self._inputs = [source for source in settings.inputs if isinstance(source, Files)]
        self._state = state
        self._open_files = open_files
        never = [*settings.never, settings.directory]
        self._never = tuple(os.path.realpath(path) for path in never)
        self._known = frozenset(state.patterns)
        self._skipped: dict[str, float] = {}
        self._told: set[str] = set()
        self._first = True
        self.files: dict[str, TailedFile] = {}

    def look(self, now_s: float) -> bool:
        """Find new files, notice what moved, let go of what is finished.

        Returns True when the state changed in a way that must be durable before reading on.
        """
        present: dict[str, list[str]] = {}
        at_end = self._first
        for path, source in self._matches():
            key = self._key(path)
            if key is None:
                continue
            present.setdefault(key, []).append(path)
            if key not in self.files and self._skipped.get(key, 0.0) <= now_s:
                at_end |= self._admit(path, source, now_s)
        if self._first:
            self._find_lost(now_s)
            self._state.patterns = sorted({p for i in self._inputs for p in i.paths})
            self._first = False
        self._skipped = {k: until for k, until in self._skipped.items() if k in present}
        for file in list(self.files.values()):
            self._follow(file, present.get(file.key, []), now_s)
        return at_end

    def _matches(self) -> Iterator[tuple[str, Files]]:
        for source in self._inputs:
            for pattern in source.paths:
                for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - patterns
                    if not path.endswith(_PACKED) and not any(
                        fnmatch(path, excluded) for excluded in source.exclude
                    ):
                        yield path, source

    def _key(self, path: str) -> str | None:
        try:
            status = Path(path).stat()
        except OSError:
            return None
        return _key_of(status) if stat.S_ISREG(status.st_mode) else None

    def _forbidden(self, path: str) -> bool:
        """Own files, and links that somebody else put there to have a file read."""
        if not path.isprintable():
            return True  # such a name fits no label and no checkpoint
        real = os.path.realpath(path)
        if any(real == never or real.startswith(never + os.sep) for never in self._never):
            return True
        link = Path(path).lstat()
        if not stat.S_ISLNK(link.st_mode):
            return False
        return link.st_uid not in (0, os.geteuid(), Path(path).stat().st_uid)

    def _admit(self, path: str, source: Files, now_s: float) -> bool:
        """Begin to tail; True when it begins at its end."""
        descriptor = -1
        try:
            if self._forbidden(path):
                self._skip(path, self._key(path) or "", "is not to be tailed", now_s)
                return False
            descriptor = _open(path)
            status = os.fstat(descriptor)
            key = _key_of(status)
            if key in self.files or not stat.S_ISREG(status.st_mode):
                os.close(descriptor)
                return False
            mark = self._state.files.get(key, Mark(path))
            file = TailedFile(path, key, source, mark, now_s)
            file.descriptor, descriptor = descriptor, -1
            return self._begin(file, status, now_s)
        except OSError as error:
            if descriptor >= 0:
                os.close(descriptor)
            self._skip(path, self._key(path) or "", error.strerror or "cannot be read", now_s)
            return False

    def _begin(self, file: TailedFile, status: os.stat_result, now_s: float) -> bool:
        descriptor = file.descriptor
        assert descriptor is not None
        fresh = file.mark.offset == 0 or not file.holds(file.mark, status.st_size)
        at_end = False
        if fresh:
            if b"\0" in os.pread(descriptor, TEXT_BYTES, 0):
                file.close()
                self._skip(file.place, file.key, "is not text", now_s)
                return False
            file = TailedFile(file.place, file.key, file.input, Mark(file.place), now_s)
            file.descriptor = descriptor
            at_end = self._first and self._starts_at_end(file.input)
            if at_end:
                file.mark = file.marked(_line_start(descriptor, status.st_size), file.place)
                file.reset()
        self._state.files[file.key] = file.mark
        self.files[file.key] = file
        if self._open_count() > self._open_files:
            file.close()
        return at_end

    def _starts_at_end(self, source: Files) -> bool:
        return source.start == "end" and not self._known.issuperset(source.paths)

    def _find_lost(self, now_s: float) -> None:
        """Files that were rotated out of every pattern while nobody looked: by their inode."""
        lost = [key for key in self._state.files if key not in self.files]
        for key in lost[:-_LOST_MARKS]:
            del self._state.files[key]
        for key in lost[-_LOST_MARKS:]:
            mark = self._state.files[key]
            source = self._input_of(mark.path)
            place = _place_of(key, str(Path(mark.path).parent))
            if source is None or place is None or place.endswith(_PACKED):
                continue
            file = TailedFile(place, key, source, mark, now_s)
            try:
                file.descriptor = _open(place)
                status = os.fstat(file.descriptor)
                if _key_of(status) == key and file.holds(mark, status.st_size):
                    self.files[key] = file
                else:
                    file.close()
            except OSError as error:
                _log.warning("rotated file not read", extra={"path": place, "why": str(error)})

    def _input_of(self, path: str) -> Files | None:
        for source in self._inputs:
            if any(fnmatch(path, pattern) for pattern in source.paths):
                return source
        return None

    def _follow(self, file: TailedFile, places: list[str], now_s: float) -> None:
        """Notice that the file lost its name; let go of it when it is finished."""
        original = file.mark.path
        if places:
            file.place = original if original in places else places[0]
        file.present = bool(places)
        if original in places:
            file.left_s, file.final = None, False
            return
        if file.left_s is None:
            file.left_s = file.grew_s = now_s
        taken = places or self._key(original) is not None
        linger_s = self._settings.linger_s * (1 if taken else _ABSENT_LINGERS)
        file.final = now_s - file.grew_s >= linger_s

    def ready(self, now_s: float, hurry: bool) -> list[TailedFile]:
        """Files worth reading now, the one that waited longest first.

        A file with less than a chunk is left for `flush_interval_s`, unless `hurry`.
        """
        found = []
        for file in list(self.files.values()):
            status = self._status(file)
            if status is None:
                continue
            pending = status.st_size - file.ahead.offset
            if (status.st_size, status.st_mtime_ns) != file.seen:
                file.grew_s, file.final = now_s, False
            elif not file.final or (file.present and pending == 0):
                file.ended_s = now_s
                continue
            early = now_s - file.taken_s < self._settings.flush_interval_s
            if early and not hurry and 0 <= pending < self._settings.read_bytes:
                continue
            if file.descriptor is not None or self._reopen(file, now_s):
                found.append(file)
        return sorted(found, key=lambda file: file.taken_s)

    def _status(self, file: TailedFile) -> os.stat_result | None:
        try:
            if file.descriptor is not None:
                return os.fstat(file.descriptor)
            status = Path(file.place).stat()
        except OSError:
            status = None
        if status is not None and _key_of(status) == file.key:
            return status
        place = _place_of(file.key, str(Path(file.mark.path).parent))
        if place is None:
            self._forget(file)
            return None
        file.place = place
        return None

    def _reopen(self, file: TailedFile, now_s: float) -> bool:
        if self._open_count() >= self._open_files and not self._close_idle():
            return False
        try:
            file.descriptor = _open(file.place)
            if _key_of(os.fstat(file.descriptor)) == file.key:
                return True
            file.close()
        except OSError as error:
            self.drop(file, error.strerror or "cannot be read", now_s)
        return False

    def _open_count(self) -> int:
        return sum(1 for file in self.files.values() if file.descriptor is not None)

    def _close_idle(self) -> bool:
        """Close the longest idle file that was read to its end and still has its name."""
        idle = [
            file
            for file in self.files.values()
            if file.descriptor is not None and file.seen and file.left_s is None
        ]
        if not idle:
            return False
        min(idle, key=lambda file: file.taken_s).close()
        return True

    def let_go(self, file: TailedFile) -> None:
        """Close a final file that was read to its end, and forget it when it has no name."""
        if file.final and not file.present:
            file.close()
            self._forget(file)

    def _forget(self, file: TailedFile) -> None:
        self.files.pop(file.key, None)
        self._state.files.pop(file.key, None)

    def drop(self, file: TailedFile, why: str, now_s: float) -> None:
        """Leave a file that cannot be read for a minute; its mark stays."""
        file.close()
        self.files.pop(file.key, None)
        if file.mark.offset == 0:
            self._state.files.pop(file.key, None)
        self._skip(file.place, file.key, why, now_s)

    def _skip(self, path: str, key: str, why: str, now_s: float) -> None:
        self._skipped[key] = now_s + _SKIP_S
        if path not in self._told and len(self._told) < 10 * limits.TAIL_FILES:
            self._told.add(path)
            _log.warning("file is not tailed", extra={"path": path, "why": why})

    def close(self) -> None:
        """Close all files."""
        for file in self.files.values():
            file.close()
        self.files.clear()


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)


def _key_of(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def _place_of(key: str, directory: str) -> str | None:
    """Where in `directory` the file with this device and inode is."""
    device, inode = key.split(":")
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.inode() == int(inode) and entry.stat().st_dev == int(device):
                    return entry.path
    except OSError:
        return None
    return None


def _line_start(descriptor: int, size: int) -> int:
    """The start of the last, unfinished line: its end is still to come."""
    start = max(0, size - limits.LINE_BYTES)
    newline = os.pread(descriptor, size - start, start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 else size
