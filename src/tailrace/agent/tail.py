"""Files by glob, followed through rotation: `stat` is the truth.

A file is known by device and inode, so a rename changes nothing: its descriptor stays open and is
read to the end, and let go once its name is gone or taken and it has not grown for a while. Only
whole lines are taken; the last line without a newline waits, until the file is let go.
"""

from __future__ import annotations

import glob
import os
import zlib
from fnmatch import fnmatch
from pathlib import Path

from tailrace.agent.checkpoints import FileMark
from tailrace.agent.settings import Input
from tailrace.core import limits, log

_log = log.get("agent")
LINGER_S = 5.0
FINGERPRINT_BYTES = 256
_SKIPPED_SUFFIXES = (".gz", ".xz", ".zst", ".bz2", ".journal")
CUT_MARK = b" ...[cut]"


class TailedFile:
    """One open file. `mark.offset` is how far it was taken."""

    def __init__(self, path: str, key: str, descriptor: int, source: Input, mark: FileMark) -> None:
        self.path = path
        self.key = key
        self.input = source
        self.mark = mark
        self.gone_since_s: float | None = None
        self.cutting = False
        self._descriptor = descriptor

    def chunk(self, size: int, final: bool) -> tuple[bytes, int, bool]:
        """Whole lines from the present offset: bytes, the offset after them, whether one was cut.

        `final`: the file will not grow, so an unfinished last line counts as a line.
        """
        start = self._rewound()
        data = os.pread(self._descriptor, size, start)
        if self.cutting:
            return self._past_the_cut(data, start)
        newline = data.rfind(b"\n")
        if newline >= 0:
            return data[: newline + 1], start + newline + 1, False
        if len(data) == size:
            self.cutting = True
            return data[: limits.LINE_BYTES] + CUT_MARK + b"\n", start + len(data), True
        if final and data:
            return data + b"\n", start + len(data), False
        return b"", start, False

    def _rewound(self) -> int:
        if os.fstat(self._descriptor).st_size < self.mark.offset:
            self.mark.offset = 0  # truncated in place
            self.cutting = False
        return self.mark.offset

    def _past_the_cut(self, data: bytes, start: int) -> tuple[bytes, int, bool]:
        newline = data.find(b"\n")
        self.cutting = newline < 0
        return b"", start + (newline + 1 if newline >= 0 else len(data)), False

    def pending(self) -> bool:
        """Whether there are bytes behind the offset."""
        return os.fstat(self._descriptor).st_size != self.mark.offset

    def refresh_fingerprint(self) -> None:
        """Remember the first bytes, as many as are there."""
        if self.mark.fingerprint_bytes < FINGERPRINT_BYTES:
            head = os.pread(self._descriptor, FINGERPRINT_BYTES, 0)
            self.mark.fingerprint = zlib.crc32(head)
            self.mark.fingerprint_bytes = len(head)

    def close(self) -> None:
        os.close(self._descriptor)


class Tail:
    """The open files of all inputs."""

    def __init__(self, inputs: list[Input], never: list[str], marks: dict[str, FileMark]) -> None:
        self._inputs = inputs
        self._never = tuple(os.path.realpath(path) + os.sep for path in never)
        self._marks = marks
        self._skipped: set[str] = set()
        self._first_look = not marks
        self.files: dict[str, TailedFile] = {}

    def look(self, now_s: float) -> None:
        """Find new files, notice what is gone, let go of what is finished."""
        present = set()
        for source in self._inputs:
            for pattern in source.paths:
                for path in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - patterns
                    if any(fnmatch(path, excluded) for excluded in source.exclude):
                        continue
                    key = self._notice(path, source)
                    if key:
                        present.add(key)
        self._first_look = False
        for key, file in list(self.files.items()):
            if key in present:
                file.gone_since_s = None
            elif file.gone_since_s is None or file.pending():
                file.gone_since_s = file.gone_since_s or now_s
            elif now_s - file.gone_since_s > LINGER_S:
                file.close()
                del self.files[key]
                self._marks.pop(key, None)

    def finished(self, file: TailedFile, now_s: float) -> bool:
        """Whether a file lost its name long enough ago to be taken as complete."""
        return file.gone_since_s is not None and now_s - file.gone_since_s > LINGER_S / 2

    def _notice(self, path: str, source: Input) -> str | None:
        if path in self._skipped or path.endswith(_SKIPPED_SUFFIXES):
            return None
        try:
            stat = Path(path).stat()
        except OSError:
            return None
        key = f"{stat.st_dev}:{stat.st_ino}"
        if key in self.files or len(self.files) >= limits.TAIL_FILES:
            return key
        if os.path.realpath(path).startswith(self._never) or not Path(path).is_file():
            return None
        return self._open(path, key, source)

    def _open(self, path: str, key: str, source: Input) -> str | None:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            self._skip(path, error.strerror or "cannot be opened")
            return None
        head = os.pread(descriptor, 4096, 0)
        if b"\0" in head:
            os.close(descriptor)
            self._skip(path, "is not text")
            return None
        mark = self._marks.get(key)
        if mark is None or zlib.crc32(head[: mark.fingerprint_bytes]) != mark.fingerprint:
            at_end = self._first_look and source.start == "end"
            mark = FileMark(os.fstat(descriptor).st_size if at_end else 0)
        mark.path = path
        self._marks[key] = mark
        self.files[key] = TailedFile(path, key, descriptor, source, mark)
        self.files[key].refresh_fingerprint()
        return key

    def _skip(self, path: str, why: str) -> None:
        self._skipped.add(path)
        _log.warning("file is not tailed", extra={"path": path, "why": why})

    def close(self) -> None:
        """Close all files."""
        for file in self.files.values():
            file.close()
        self.files.clear()
