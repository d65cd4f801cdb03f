"""Real journals, made of text by systemd's own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REMOTE = "/lib/systemd/systemd-journal-remote"
needed = pytest.mark.skipif(
    not (Path(REMOTE).exists() and shutil.which("journalctl")),
    reason="journalctl or systemd-journal-remote is not installed: see scripts/system-packages.sh",
)
START_US = 1_700_000_000_000_000


class WrittenJournal:
    """A directory with one journal that entries are appended to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.count = 0

    def write(self, *messages: str | bytes, **fields: str) -> None:
        """One entry for each message, a microsecond apart."""
        text = b"".join(self._entry(message, fields) for message in messages)
        command = [REMOTE, f"--output={self.directory / 'x.journal'}", "-"]
        subprocess.run(command, input=text, check=True, capture_output=True)

    def _entry(self, message: str | bytes, fields: dict[str, str]) -> bytes:
        self.count += 1
        data = message.encode() if isinstance(message, str) else message
        lines = [
            b"__REALTIME_TIMESTAMP=%d" % (START_US + self.count),
            b"__MONOTONIC_TIMESTAMP=%d" % self.count,
            b"_BOOT_ID=" + b"1" * 32,
            *(f"{name}={value}".encode() for name, value in fields.items()),
            b"MESSAGE\n" + len(data).to_bytes(8, "little") + data,
        ]
        return b"\n".join(lines) + b"\n\n"

    def vacuum(self) -> None:
        """All entries so far are gone."""
        for path in self.directory.iterdir():
            path.unlink()
