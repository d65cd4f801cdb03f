"""Which paths the inputs name, and whether what is there may be read."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Container, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from tailrace.agent.inputs import Files

# Compressed in ways that are not read, or no text at all.
# An index, a lock or a position beside a log is none of its generations.
_BEHIND = re.compile(r"(?=[._-](?:\d[\dTZ_.:-]*|old|bak|prev)(?:\.(?:gz|zst))?$)")
_NEVER_TEXT = (".xz", ".bz2", ".zip", ".lz4", ".journal", ".journal~")


class Discovery:
    """Files of the inputs, under their globs; nothing below `never`."""

    def __init__(self, inputs: Sequence[Files], never: Sequence[str]) -> None:
        self.inputs = inputs
        self._never = tuple(os.path.realpath(path) for path in never)
        self._roots: dict[int, list[str]] = {}

    @property
    def folders(self) -> set[str]:
        """The folders that the paths of the inputs begin with."""
        return {_fixed(pattern) for source in self.inputs for pattern in source.paths}

    def paths(self) -> Iterator[tuple[str, Files]]:
        """Every path that an input names just now, in order of the inputs: a look begins."""
        self._roots.clear()
        for source in self.inputs:
            for pattern in source.paths:
                for path in sorted(glob.glob(pattern, recursive=True)):
                    if not path.endswith(_NEVER_TEXT) and not excluded(path, source):
                        yield path, source

    def input_of(self, path: str) -> Files | None:
        """The input that names `path`, whether it exists or not."""
        for source in self.inputs:
            if any(matches(path, pattern) for pattern in source.paths):
                return source
        return None

    def refusal(self, path: str, descriptor: int, source: Files) -> str:
        """Why the file that was opened at `path` may not be read, "" when it may. Raises OSError.

        Asked of the open file: a link that is changed meanwhile changes nothing.
        """
        if not path.isprintable():
            return "has a name that no label can hold"
        # Self rather than fd: where it really is, after all links.
        real = os.readlink(f"/proc/self/fd/{descriptor}")
        if any(_is_within(real, never) for never in self._never):
            return "belongs to tailrace"
        if not any(_is_within(real, root) for root in self._roots_of(source)):
            return "is a link out of the folders of its input: name where it leads in `roots`"
        if real != path:
            owners = (0, os.geteuid(), os.fstat(descriptor).st_uid)
            if os.lstat(path).st_uid not in owners:
                return "is a link that somebody else put there"
        return ""

    def _roots_of(self, source: Files) -> list[str]:
        """Asked of the disk once for all files of a look."""
        if id(source) not in self._roots:
            self._roots[id(source)] = roots(source)
        return self._roots[id(source)]


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def roots(source: Files) -> list[str]:
    """Real folders that the files of an input lie in: before the first wildcard, and `roots`."""
    fixed = [_fixed(pattern) for pattern in source.paths]
    return [os.path.realpath(folder) for folder in (*fixed, *source.roots)]


def _fixed(pattern: str) -> str:
    folder = Path(pattern).parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return str(folder)


def excluded(path: str, source: Files) -> bool:
    """Whether the input leaves this path out."""
    return any(matches(path, pattern) for pattern in source.exclude)


def matches(path: str, pattern: str) -> bool:
    """As glob would find it, where `/**/` may stand for no folder at all; `*` goes further."""
    return fnmatch(path, pattern) or ("/**/" in pattern and matches(path, _shorter(pattern)))


def _shorter(pattern: str) -> str:
    return pattern.replace("/**/", "/", 1)


def relatives(path: str) -> Iterator[str]:
    """Other files in the folder of `path` that rotation may have named after it."""
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                named = _is_generation(entry.name, name) and entry.path != path
                if named and entry.is_file(follow_symlinks=False):
                    yield entry.path
    except OSError:
        return


def rotated(folder: str, names: Container[str]) -> Iterator[tuple[str, str]]:
    """Paths in `folder` that are one of `names` (paths) and what rotation puts behind: a number,
    a date, "old"; and that name."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                for behind in _BEHIND.finditer(entry.name):
                    name = f"{folder}/{entry.name[: behind.start()]}"
                    if name in names and entry.is_file(follow_symlinks=False):
                        yield entry.path, name
                        break
    except OSError:
        return


def related(first: str, second: str) -> bool:
    """Whether rotation may have made the name of `second` of that of `first`."""
    return _is_generation(os.path.basename(second), os.path.basename(first))


def _is_generation(name: str, original: str) -> bool:
    """It begins with what is before the first dot, which no word and no number goes on with."""
    stem = original.split(".")[0] or original
    behind = name[len(stem) : len(stem) + 1]
    goes_on = behind.isalpha() or (behind.isdigit() and stem[-1:].isdigit())
    return name.startswith(stem) and not goes_on


def key_of(status: os.stat_result) -> str:
    """Device and inode: what a file is known by."""
    return f"{status.st_dev}:{status.st_ino}"


def key_at(path: str) -> str | None:
    """The key of the regular file at `path`, None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return key_of(status) if stat.S_ISREG(status.st_mode) else None


def place_of(key: str, folder: str) -> str | None:
    """Where in `folder` the file with this device and inode is."""
    device, inode = map(int, key.split(":"))
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() == inode and entry.stat().st_dev == device:
                    return entry.path
    except OSError:
        return None
    return None
