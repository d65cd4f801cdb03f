"""Prometheus' own promtool, and what it says of files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

PROMTOOL = Path(__file__).resolve().parents[3] / ".venv/debian/usr/bin/promtool"
SUITES = Path(__file__).parent / "suites"
unpacked = pytest.mark.skipif(
    not PROMTOOL.exists(), reason="promtool is not unpacked: see scripts/system-packages.sh"
)


def checked(files: Sequence[Path]) -> dict[Path, str]:
    """What is wrong with files of rules; "" for nothing."""
    return _by_file("Checking ", "check", "rules", "--lint=none", files=files)


def judged(files: Sequence[Path]) -> dict[Path, str]:
    """What fails of files of unit tests; "" for nothing."""
    return _by_file("Unit Testing:  ", "test", "rules", files=files)


def _by_file(begins: str, *words: str, files: Sequence[Path]) -> dict[Path, str]:
    done = subprocess.run(
        [PROMTOOL, *words, *files], check=False, text=True, timeout=120,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    parts = re.split(f"(?m)^{begins}(.+)$", done.stdout)
    found = {
        Path(name.strip()): "" if "SUCCESS" in said else said.strip()
        for name, said in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert list(found) == list(files), done.stdout
    return found
