"""What is done to files that were rotated away."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import zstandard

PACKED = (".gz", ".zst")


def pack(path: Path, kind: str, midway: Callable[[], object]) -> Path:
    """Compress in two parts, and with the times of what it is made of, as gzip does it."""
    text = path.read_bytes()
    packed = gzip.compress(text, 1) if kind == "gz" else zstandard.ZstdCompressor(1).compress(text)
    target = path.with_name(f"{path.name}.{kind}")
    with target.open("wb", buffering=0) as file:
        file.write(packed[: len(packed) // 2])
        midway()
        file.write(packed[len(packed) // 2 :])
    status = path.stat()
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return target


def renumber(log: Path, rotated: Path) -> Path:
    """Give a rotated file of `log` the next number, which is free."""
    number, *packed = rotated.name.removeprefix(f"{log.name}.").split(".")
    name = ".".join([log.name, str(int(number) + 1), *packed])
    return rotated.rename(rotated.with_name(name))
