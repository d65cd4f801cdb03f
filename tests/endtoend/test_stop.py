"""Ctrl-C of the real command: everything is drained."""

from __future__ import annotations

import json

from running import Start


def test_a_stop_drains_everything_to_the_archive(start: Start) -> None:
    server = start(TAILRACE_ARCHIVE__STEP="1h")
    assert server.post("/ingest/lines?service=me", b"one\ntwo\n").status == 200
    assert server.stop() == 0
    manifest = (server.data / "archive" / "manifest").read_text()
    assert json.loads(manifest.splitlines()[-1][9:])["rows"] == 2
    server.start()
    assert server.counts() == {"me": 2}
    assert server.stop() == 0
