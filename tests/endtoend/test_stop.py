"""Ctrl-C of the command, started as users start it: everything is drained."""

from __future__ import annotations

import json
from pathlib import Path

from running import Server


def test_a_stop_drains_everything_to_the_archive(tmp_path: Path) -> None:
    server = Server(tmp_path, TAILRACE_ARCHIVE__STEP="1h")
    server.forked = False
    try:
        server.start()
        assert server.post("/ingest/lines?service=me", b"one\ntwo\n").status == 200
        assert server.stop() == 0
        manifest = (server.data / "archive" / "manifest").read_text()
        assert json.loads(manifest.splitlines()[-1][9:])["rows"] == 2
        server.start()
        assert server.counts() == {"me": 2}
        assert server.stop() == 0
    finally:
        server.kill()
