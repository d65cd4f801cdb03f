"""Where to begin a file: at its start, or where another one was left that it continues.

A file that no longer holds what was read of it was truncated, or is another one with the same
inode. What was not read of it may be in a copy, or in a compressed file: that one holds the bytes
before the mark, and is read from there. A new file that holds what is being read of another one is
a copy of it that is about to be needed: it waits until the other is truncated, or for a while.
Between two looks several files may have come and gone under one name: they are looked for too.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.files import fingerprint
from tailrace.agent.files.contents import Content, Packed, is_packed, open_content
from tailrace.agent.files.discovery import Discovery, excluded, key_of, related, relatives, rotated
from tailrace.agent.files.events import events_of
from tailrace.agent.files.fingerprint import Kin
from tailrace.agent.files.table import FileTable, changed_ns
from tailrace.agent.files.tailed import TailedFile
from tailrace.agent.inputs import Files
from tailrace.core import limits, log
from tailrace.core.clock import Clock, SystemClock

_log = log.get("agent")
_TICK_NS = 100_000_000


class Found(NamedTuple):
    """A file that an input names and nobody tails, as `status` found it."""

    path: str
    key: str
    input: Files
    content: Content
    status: os.stat_result

    @property
    def size(self) -> int:
        return self.content.size(self.status)

    @property
    def changed_ns(self) -> int:
        return self.status.st_mtime_ns


class Known(NamedTuple):
    """`read`: marks, with the file that is tailed from there. `unread`: ends of files that have
    more than was read of them. `newest`: by the path that files were first seen at, when what was
    read last was written, in ns."""

    read: Kin[TailedFile | None]
    unread: Kin[None]
    newest: Mapping[str, int]

    def is_about_to_be_read(self, content: Content, size: int, path: str) -> bool:
        """Whether the file holds all that another one has, which is read first."""
        shared = self.unread.furthest(content, size)
        return shared is not None and related(shared[0].path, path)


class Rotation:
    """One thread. `linger_s`: how long a copy waits for the original to be truncated."""

    def __init__(
        self, state: State, table: FileTable, discovery: Discovery, linger_s: float
    ) -> None:
        self._clock: Clock = SystemClock()  # the file system's
        self._state = state
        self._discovery = discovery
        self._events = {id(source): events_of(source) for source in discovery.inputs}
        self._folders: dict[str, int] = {}  # when a name in them changed last, in ns
        self._table = table
        self._linger_s = linger_s
        self._copies: dict[str, float] = {}  # since when a file looks like a copy
        # Sizes of compressed files and since when, as asked since this look and the one before.
        self._packed: dict[str, tuple[int, float]] = {}
        self._packed_before: dict[str, tuple[int, float]] = {}

    def file(self, path: str, key: str, source: Files, mark: Mark, now_s: float) -> TailedFile:
        """A file of an input, from `mark` on."""
        return TailedFile(path, key, source, mark, now_s, self._events.get(id(source)))

    def known(self) -> Known:
        """What is known of the text of files that are tailed, and of others."""
        files = self._table.files
        tailed = [(m, f) for f in files.values() for m in {f.mark, *f.trail, f.ahead}]
        lost = [mark for key, mark in self._state.files.items() if key not in files]
        read = Kin([*tailed, *((mark, None) for mark in (*lost, *self._state.finished))])
        unread = Kin((mark, None) for mark in map(_unread, files.values()))
        return Known(read, unread, self._newest())

    def _newest(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for mark in (*self._state.files.values(), *self._state.finished):
            newest[mark.path] = max(mark.changed_ns, newest.get(mark.path, 0))
        return newest

    def beginning(self, found: Found, known: Known, at_end: bool, now_s: float) -> Mark | None:
        """Where to begin a file that nobody knows; None when that is not decided yet.

        Raises OSError.
        """
        if not at_end and self._may_grow(found.path, found.content, known, now_s):
            return None
        if known.is_about_to_be_read(found.content, found.size, found.path):
            return None
        shared = known.read.furthest(found.content, found.size)
        if shared is not None and related(shared[0].path, found.path):
            mark, other = shared
            if other is not None and self._still_holds(other, other.mark):
                waited_s = now_s - self._copies.setdefault(found.key, now_s)
                if is_packed(found.path) or waited_s < self._linger_s:
                    return None
            elif other is not None or is_packed(found.path) or _is_named_after(found.path, mark):
                return mark
        start = _last_line(found.content, found.size) if at_end else 0
        since_ns = found.changed_ns
        if not start:  # others may have come and gone since what was read last under this name
            since_ns = min(since_ns, known.newest.get(found.path, since_ns))
        return fingerprint.mark_at(found.content, start, found.path, since_ns)

    def _may_grow(self, path: str, content: Content, known: Known, now_s: float) -> bool:
        """Whether it is still in the making: half a compressed file seems to be like no other.

        Then what it is made of is there, it has hardly begun, or what is known reaches further.
        """
        if not isinstance(content, Packed):
            return False
        status = content.status()
        key, size = key_of(status), status.st_size
        before = self._packed.get(key) or self._packed_before.get(key)
        self._packed[key] = before if before and before[0] == size else (size, now_s)
        if now_s - self._packed[key][1] >= self._linger_s:
            return False
        return (
            Path(path).with_suffix("").exists()
            or content.hardly_begun
            or known.read.reaches_beyond(content, content.size(status))
        )

    def _still_holds(self, file: TailedFile, mark: Mark) -> bool:
        """False also when something else is where the file was."""
        content = file.content
        try:
            content = content or open_content(file.place)
            status = content.status()
            size = content.size(status)
            if content is not file.content and key_of(status) != file.key:
                return False
            return all(fingerprint.holds(content, size, one) for one in {mark, file.mark})
        except OSError:
            return False
        finally:
            if content is not None and content is not file.content:
                content.close()

    def seek_rest(self, mark: Mark, source: Files, now_s: float) -> bool:
        """Find the file that holds what was read up to `mark`, and read on there; expect it when
        it is not there yet, or was renamed just now."""
        if not mark.offset or self._is_read_on(mark):
            return mark.offset > 0
        others = sorted(relatives(mark.path))
        found = any(self.resume(path, mark, source, now_s) for path in others)
        if not found:
            self.expect(mark)
        return found

    def _is_read_on(self, mark: Mark) -> bool:
        """Whether a file that is tailed holds it: a copy that may be gone from its folder, for a
        compressed one beside it."""
        return any(
            file.mark.offset >= mark.offset
            and related(file.mark.path, mark.path)
            and self._still_holds(file, mark)
            for file in self._table.files.values()
        )

    def expect(self, mark: Mark) -> None:
        """What was written behind `mark` is not found: whatever its name is by now, it was missed.

        What was read of others that were written to later says nothing of it.
        """
        since = self._state.since
        if mark.changed_ns and mark.changed_ns < since.get(mark.path, sys.maxsize):
            since[mark.path] = mark.changed_ns
            if len(since) > limits.MISSED_LOGS:
                del since[next(iter(since))]
        self._folders.pop(os.path.dirname(mark.path), None)

    def seek_missed(self, now_s: float, folders: Collection[str] = ()) -> bool:
        """Find files that came and went under a known name between two looks, and tail them.

        They were written to after what was read last under that name, are called like it with
        something behind, and hold nothing that is known. True when there are any. `folders`: where
        to look, if not in all.
        """
        changed = [f for f in folders or self._table.folders if self._has_changed(f)]
        if len(self._folders) > len(self._table.folders):
            self._folders = {f: ns for f, ns in self._folders.items() if f in self._table.folders}
        if not changed:
            return False
        known = self.known()
        since = {name: ns for name, ns in {**known.newest, **self._state.since}.items() if ns}
        waiting, found = dict[str, int](), False
        for folder in changed:
            missed, undecided = self._seek_in(folder, since, known, now_s)
            found |= missed
            waiting.update((name, since[name]) for name in undecided)
        rest = {n: ns for n, ns in self._state.since.items() if os.path.dirname(n) not in changed}
        before, self._state.since = self._state.since, {**rest, **waiting}
        return found or before != self._state.since

    def _seek_in(
        self, folder: str, since: Mapping[str, int], known: Known, now_s: float
    ) -> tuple[bool, set[str]]:
        """Whether any was missed, and the logs of which that is to be asked again soon."""
        found, undecided = False, set[str]()
        names = {n for n in self._state.since if n in since and os.path.dirname(n) == folder}
        for path, name in rotated(folder, since):
            source = self._discovery.input_of(name)
            if source is None or excluded(path, source):
                continue
            fate = self._missed(path, Mark(name, changed_ns=since[name]), source, known, now_s)
            found |= fate == "missed"
            names.add(name)
            if fate == "undecided":
                undecided.add(name)
        changed = self._has_changed(folder) or folder not in self._folders
        if changed:
            undecided |= names  # a file that was renamed meanwhile may not have been seen
        if changed or undecided:
            self._folders.pop(folder, None)
        return found, undecided

    def _has_changed(self, folder: str) -> bool:
        """A name came or went since it was asked last."""
        now_ns = changed_ns(folder)
        before_ns, self._folders[folder] = self._folders.get(folder), now_ns
        # Of two changes within a tick of the clock of the file system only one shows.
        if abs(self._clock.wall_ns() - now_ns) < _TICK_NS:
            del self._folders[folder]
        return bool(now_ns) and now_ns != before_ns

    def _missed(
        self, path: str, since: Mark, source: Files, known: Known, now_s: float
    ) -> Literal["known", "undecided", "missed"]:
        """Tail the file at `path` if it was missed: from `since` on, which is a beginning."""
        content = None
        try:
            status = os.stat(path)
            key = key_of(status)
            if status.st_mtime_ns < since.changed_ns:
                return "known"
            tailed = self._table.files.get(key)
            if tailed is not None:
                return "known" if self._is_tailed(tailed, path) else "undecided"
            content = open_content(path)
            status = content.status()
            if key_of(status) != key:
                return "undecided"  # it was rotated on just now
            before = self._state.files.get(key)
            if before and before.offset:
                if fingerprint.holds(content, content.size(status), before):
                    return "known"
                self._table.replaced(key)  # the inode was used again
            mark = self._beginning_of_missed(path, content, status, since, known, now_s)
            if isinstance(mark, Mark):
                fits = self._go_on(content, path, mark, source, now_s)
                content = None if fits else content
                return "missed" if fits else "known"
            return mark
        except FileNotFoundError:
            return "undecided"  # it was rotated on just now
        except OSError as error:
            self._tell_unread(path, error)
            return "known"
        finally:
            if content is not None:
                content.close()

    def _is_tailed(self, file: TailedFile, path: str) -> bool:
        """Whether that is what `path` is; the inode of one that is closed may be another's."""
        return file.content is not None or (
            file.place == path and self._still_holds(file, file.mark)
        )

    def _beginning_of_missed(
        self,
        path: str,
        content: Content,
        status: os.stat_result,
        since: Mark,
        known: Known,
        now_s: float,
    ) -> Mark | Literal["known", "undecided"]:
        """Raises OSError."""
        size = content.size(status)
        if self._may_grow(path, content, known, now_s) or known.is_about_to_be_read(
            content, size, path
        ):
            return "undecided"
        shared = known.read.furthest(content, size)
        if shared is None or not related(shared[0].path, path):
            return since
        mark, other = shared
        # What is left of a file that is gone; of one that is there it is read there.
        return mark if other is None and content.read_at(1, mark.offset) else "known"

    def resume(self, path: str, mark: Mark, source: Files, now_s: float) -> bool:
        """Tail the file at `path` from `mark` on, if it is the one; or from where it was read to
        since."""
        content = None
        try:
            content = open_content(path)
            if self._go_on(content, path, mark, source, now_s):
                return True
        except OSError as error:
            self._tell_unread(path, error)
        if content is not None:
            content.close()
        return False

    def _go_on(self, content: Content, path: str, mark: Mark, source: Files, now_s: float) -> bool:
        """Tail an open file if it is the one that `mark` is of. Raises OSError."""
        status = content.status()
        key = key_of(status)
        if key in self._table.files or not stat.S_ISREG(status.st_mode):
            return False
        if not fingerprint.holds(content, content.size(status), mark):
            return False
        mark = self.furthest(content, status, path, mark)
        self._table.add(self.file(path, key, source, mark, now_s), content)
        return True

    def _tell_unread(self, path: str, error: OSError) -> None:
        _log.warning("rotated file not read", extra={"path": path, "why": str(error)})

    def furthest(self, content: Content, status: os.stat_result, path: str, mark: Mark) -> Mark:
        """Where to go on in a file that holds what was read up to `mark`: what is behind it may
        have been read under another inode, of a copy or before it was compressed."""
        same = mark.offset and self._state.files.get(key_of(status)) == mark
        if same and not is_packed(path):
            return mark  # the very file, as nearly all are at a start
        size = content.size(status)
        known = Kin((m, None) for m in (*self._state.files.values(), *self._state.finished))
        found = known.furthest(content, size)
        further = found is not None and found[0].offset > mark.offset
        return found[0] if found and further and related(found[0].path, path) else mark

    def recognise(self, file: TailedFile) -> None:
        """A file was opened again of which nothing was read: if others came and went in its folder
        it may be another one, with the same name and inode. What is in a file that is tailed too
        was read there, and may be written twice. Raises OSError."""
        if changed_ns(os.path.dirname(file.place)) == file.closed_ns or file.content is None:
            return
        mark = self.furthest(file.content, file.content.status(), file.place, file.mark)
        if mark.offset and not self._is_read_on(mark):
            file.begin(mark)
            self._state.files[file.key] = mark

    def forget_copies(self, present: Collection[str]) -> None:
        """Remember only those that are still there, by their keys. Once in each look."""
        self._packed_before, self._packed = self._packed, {}
        self._copies = {k: since for k, since in self._copies.items() if k in present}


def _is_named_after(path: str, mark: Mark) -> bool:
    return path.startswith(mark.path) and path != mark.path


def _unread(file: TailedFile) -> Mark:
    """The mark at the end of an open file that has more than was read of it."""
    if file.content is not None and not is_packed(file.place):
        with contextlib.suppress(OSError):
            size = file.content.size(file.content.status())
            if not fingerprint.holds(file.content, size, file.mark) or size > file.mark.offset:
                return fingerprint.mark_at(file.content, size, file.mark.path)
    return Mark(file.mark.path)


def _last_line(content: Content, size: int) -> int:
    """The start of the last, unfinished line: its end is still to come."""
    if size == sys.maxsize:
        content.read_at(1, size - 1)  # to its end, wherever that is
        size = content.size(content.status())
    start = max(0, size - limits.LINE_BYTES)
    newline = content.read_at(size - start, start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 else size
