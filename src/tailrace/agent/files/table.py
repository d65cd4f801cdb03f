"""The files that are tailed, by device and inode, and how many of them are open."""

from __future__ import annotations

import os
import resource
from itertools import chain

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.files import fingerprint
from tailrace.agent.files.contents import Content, open_content
from tailrace.agent.files.discovery import key_of
from tailrace.agent.files.tailed import TailedFile
from tailrace.core import limits


class FileTable:
    """Keeps `state.files` in step with what is tailed. One thread.

    `folders`: where files were first seen that are tailed, or remembered.
    """

    def __init__(self, state: State, open_files: int) -> None:
        self._state = state
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # The other half is for the spool, connections and listeners.
        self.open_files = max(1, min(open_files, allowed // 2))
        self._open: dict[str, TailedFile] = {}  # the longest idle first
        self.files: dict[str, TailedFile] = {}
        self._seek_folders()

    def _seek_folders(self) -> None:
        """Of what is known; those of files that nobody knows any more are left out."""
        marks = (*self._state.files.values(), *self._state.finished)
        paths = (*(mark.path for mark in marks), *self._state.since)
        self.folders = {os.path.dirname(path) for path in paths}
        self._most_folders = 2 * len(self.folders) + limits.WATCHED_FOLDERS

    def add(self, file: TailedFile, content: Content) -> None:
        """Tail `file` from its mark on; it may be closed until it is its turn."""
        before = self._state.files.get(file.key)
        if before and before.offset and before != file.mark:
            self.remember(before)  # another file had the inode
        self._state.files[file.key] = file.mark
        self.folders.add(os.path.dirname(file.mark.path))
        if len(self.folders) > self._most_folders:
            self._seek_folders()
        self.files[file.key] = file
        file.content = content
        self._open[file.key] = file
        if self.opened > self.open_files:
            self.close(file)

    @property
    def opened(self) -> int:
        """How many are open."""
        return len(self._open)

    def close(self, file: TailedFile) -> None:
        """Let go of its descriptor."""
        self._open.pop(file.key, None)
        if file.content is not None and not file.mark.offset:
            file.closed_ns = changed_ns(os.path.dirname(file.place))
        file.close()

    def reopen(self, file: TailedFile) -> bool:
        """Open a file that was closed; False when its turn has not come, or it moved.

        One whose inode is another file's by now is tailed no more. Its mark stays, for who looks
        at that file. Raises OSError.
        """
        if self.opened >= self.open_files and not self._close_idle():
            return False
        try:
            file.content = open_content(file.place)
        except FileNotFoundError:
            return False
        self._open[file.key] = file
        status = file.content.status()
        moved = key_of(status) != file.key
        if not moved and fingerprint.holds(file.content, file.content.size(status), file.mark):
            return True
        self.close(file)
        if not moved:
            self.files.pop(file.key)
        return False

    def _close_idle(self) -> bool:
        """Close the longest idle file that was read to its end and can be found again; one that
        still has its name, if there is any."""
        opened = self._open.values()  # of thousands one is closed for each that is opened
        named = (file for file in opened if file.seen and file.left_s is None)
        linked = (file for file in opened if file.seen and _is_linked(file))
        file = next(chain(named, linked), None)
        if file is not None:
            self.close(file)
        return file is not None

    def took(self, file: TailedFile, now_s: float) -> None:
        """Something was read of it: it is the one to be closed last."""
        file.taken_s = now_s
        self._open[file.key] = self._open.pop(file.key, file)

    def status(self, file: TailedFile) -> os.stat_result | None:
        """Of the file, or None when it is not where it was."""
        try:
            if file.content is not None:
                return file.content.status()
            status = os.stat(file.place)
        except OSError:
            return None
        return status if key_of(status) == file.key else None

    def forget(self, file: TailedFile) -> None:
        """Tail it no more, and remember nothing of it."""
        self.close(file)
        self.files.pop(file.key, None)
        self._state.files.pop(file.key, None)

    def finish(self, file: TailedFile) -> None:
        """Forget a file that was read to its end, but know it if it is there, or comes packed."""
        if file.mark.offset:
            self.remember(file.mark)
        self.forget(file)

    def replaced(self, key: str) -> None:
        """Something else is under the inode of a file that is not tailed."""
        self.remember(self._state.files.pop(key))

    def remember(self, mark: Mark) -> None:
        """Know a file that is not there any more, if it comes again."""
        self._state.remember(mark)

    def drop(self, file: TailedFile) -> None:
        """Leave a file alone; its mark stays, for when it comes again."""
        self.close(file)
        self.files.pop(file.key, None)
        if file.mark.offset == 0:
            self._state.files.pop(file.key, None)

    def close_all(self) -> None:
        """Close and drop every file."""
        for file in self.files.values():
            self.close(file)
        self.files.clear()


def changed_ns(folder: str) -> int:
    """When a name in the folder came or went last; 0 when there is no such folder."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _is_linked(file: TailedFile) -> bool:
    """Whether it has a name yet: what is written to it would be lost otherwise."""
    return file.content is not None and file.content.status().st_nlink > 0
