"""What ends the reading thread's rest: a neighbour that has something, or a change in a folder.

inotify only wakes: what it says is not looked at, `stat` is. So it may lose events, overflow, or be
missing altogether; then a change is found when the thread looks anyway.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import weakref
from collections.abc import Collection

from tailrace.core import limits, log

_log = log.get("agent")
# From <sys/inotify.h>: modify, attrib, close after writing, moved from and to, create, delete.
_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200
_ONLY_FOLDERS = 0x01000000
_READ_BYTES = 64 * limits.KIB
_READS = 16


class Wake:
    """`set` from any thread, the rest from one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._close_event = weakref.finalize(self, os.close, self._event)
        self._folders: _Folders | None = None
        self._poll = select.poll()
        self._poll.register(self._event, select.POLLIN)
        self._watching = self._poll

    def set(self) -> None:
        """End the rest, or the next one."""
        with self._lock, contextlib.suppress(BlockingIOError):  # full, which wakes as well
            if self._close_event.alive:
                os.eventfd_write(self._event, 1)

    def watch(self, folders: Collection[str]) -> None:
        """Be woken by what happens in these, and no longer by others."""
        if self._folders is None and not folders:
            return
        if self._folders is None:
            self._folders = _Folders()
            if self._folders.descriptor >= 0:
                self._watching = select.poll()
                self._watching.register(self._event, select.POLLIN)
                self._watching.register(self._folders.descriptor, select.POLLIN)
        self._folders.watch(folders)

    def rest(self, quiet_s: float, until_s: float) -> None:
        """Return when set, or after `quiet_s` when a folder changes, or after `until_s`."""
        if not self._poll.poll(quiet_s * 1000):
            self._watching.poll(max(0.0, until_s - quiet_s) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event)
        if self._folders:
            self._folders.drain()

    def close(self) -> None:
        """Let go of the descriptors."""
        with self._lock:
            self._close_event()
        if self._folders:
            self._folders.close()


class _Folders:
    """An inotify instance; without one everything does nothing."""

    def __init__(self) -> None:
        import ctypes  # a megabyte that an agent without files does without

        self._watches: dict[str, int] = {}
        self._mask = ctypes.c_uint32(_CHANGES | _ONLY_FOLDERS)
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self.descriptor = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        except AttributeError:
            self.descriptor = -1
        if self.descriptor < 0:
            why = os.strerror(ctypes.get_errno())
            _log.info("no inotify: files are looked at by the clock alone", extra={"why": why})

    def watch(self, folders: Collection[str]) -> None:
        wanted = set(sorted(folders)[: limits.WATCHED_FOLDERS]) if self.descriptor >= 0 else set()
        for folder in self._watches.keys() - wanted:
            self._libc.inotify_rm_watch(self.descriptor, self._watches.pop(folder))
        for folder in wanted - self._watches.keys():
            path = os.fsencode(folder)
            number = self._libc.inotify_add_watch(self.descriptor, path, self._mask)
            if number >= 0:
                self._watches[folder] = number

    def drain(self) -> None:
        """Forget what was said; more than a little is left for the next time."""
        for _ in range(_READS if self.descriptor >= 0 else 0):
            try:
                os.read(self.descriptor, _READ_BYTES)
            except OSError:
                return

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
