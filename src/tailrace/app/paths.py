"""Whether two inputs name the same file, told from their paths alone; no disk is looked at.

Two paths are the same when `os.path.normpath` makes them equal. A path without wildcards also
belongs to every glob that matches it, unless that input excludes it. Two different globs are not
compared: a file that both match is read by the first input.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch, fnmatchcase
from glob import has_magic
from pathlib import Path

from tailrace.core.errors import ConfigError


def check_paths(inputs: Mapping[int, tuple[Sequence[str], Sequence[str]]]) -> None:
    """`inputs` by their number: paths and what they exclude. Raises ConfigError naming both."""
    owners: dict[str, tuple[int, str]] = {}
    for number, (paths, _) in inputs.items():
        for path in paths:
            earlier, spelled = owners.setdefault(os.path.normpath(path), (number, path))
            if earlier != number:
                raise _clash(number, path, earlier, spelled)
    for path, (number, spelled) in owners.items():
        if has_magic(path):
            continue
        for other, (patterns, excluded) in inputs.items():
            for pattern in patterns if other != number else ():
                if covers(pattern, path) and not any(fnmatch(path, one) for one in excluded):
                    raise _clash(number, spelled, other, pattern)


def _clash(number: int, path: str, earlier: int, spelled: str) -> ConfigError:
    as_what = "" if path == spelled else f" as {spelled!r}"
    return ConfigError(
        f"agent.inputs[{number}].paths: {path!r} is already read by "
        f"agent.inputs[{earlier}]{as_what}; a path belongs to one input"
    )


def covers(pattern: str, path: str) -> bool:
    """Whether `glob.glob(pattern, recursive=True)` would find a file at `path`."""
    if not has_magic(pattern):
        return False
    # A file is not below itself, so a last `**` has to stand for something.
    return _covers(Path(os.path.normpath(pattern)).parts, Path(path).parts)


def _covers(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Part by part; `reached` are the places in `path` up to which the pattern may match."""
    reached = {0}
    for number, part in enumerate(pattern, 1):
        if part == "**":
            least = int(number == len(pattern))
            reached = {end for start in reached for end in _skipped(path, start, least)}
        else:
            reached = {
                start + 1 for start in reached if start < len(path) and _fits(part, path[start])
            }
    return len(path) in reached


def _skipped(path: Sequence[str], start: int, least: int) -> range:
    """`**` stands for any number of parts that are not hidden, `least` or more."""
    end = start
    while end < len(path) and not path[end].startswith("."):
        end += 1
    return range(start + least, end + 1)


def _fits(part: str, name: str) -> bool:
    if name.startswith(".") and not part.startswith("."):
        return False
    return fnmatchcase(name, part)
