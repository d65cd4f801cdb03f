"""Which files a review reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

_SKIPPED = frozenset(
    {"venv", "node_modules", "__pycache__", "build", "dist", "site-packages", ".git"}
)


def files(paths: Sequence[Path], exclude: Sequence[str] = ()) -> Iterator[Path]:
    """Python files of directories, and whatever is named itself; ordered, each once. Links to
    directories are not followed. Raises FileNotFoundError for a path that is not there."""
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(2, "no such file or directory", str(path))
        for found in _within(path, exclude) if path.is_dir() else [path]:
            if found not in seen:
                seen.add(found)
                yield found


def _within(directory: Path, exclude: Sequence[str]) -> Iterator[Path]:
    for folder, names, listed in os.walk(directory):
        names[:] = sorted(name for name in names if not _passed_over(Path(folder, name), exclude))
        for name in sorted(listed):
            found = Path(folder, name)
            if name.endswith((".py", ".pyi")) and not _out(found, exclude):
                yield found


def _passed_over(folder: Path, exclude: Sequence[str]) -> bool:
    return folder.name in _SKIPPED or folder.name.startswith(".") or _out(folder, exclude)


def _out(path: Path, exclude: Sequence[str]) -> bool:
    return any(
        fnmatchcase(str(path), pattern) or fnmatchcase(path.name, pattern) for pattern in exclude
    )
