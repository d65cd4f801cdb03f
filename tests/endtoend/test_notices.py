"""From lines to a webhook, by a real server that is killed on the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from running import Server, Start

RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: PaymentsFail
        expr: count_over_time({service_name="payments"} |= "declined" [SPAN]) > 2
        annotations:
          summary: "{{ $value }} declined"
"""


class Hook:
    """Remembers what it is sent. While it is `away` it does not answer."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.away = threading.Event()
        self._over = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.keys.append(self.headers["Idempotency-Key"])
                if hook.away.is_set():
                    hook._over.wait(60)
                    return
                hook.said.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.close()


def started(start: Start, tmp_path: Path, hook: Hook, span: str = "15s") -> Server:
    """The alert ends `span` after the lines came."""
    (tmp_path / "shop.yml").write_text(RULES.replace("SPAN", span))
    return start(
        TAILRACE_ALERTS__RULES=f"['{tmp_path / 'shop.yml'}']",
        TAILRACE_ALERTS__RECEIVERS=f"[{{name='h', kind='webhook', url='{hook.url}'}}]",
        TAILRACE_ALERTS__GROUP_INTERVAL="1s",
    )


def ingest(server: Server) -> None:
    body = b"\n".join([b"charge declined"] * 5)
    assert server.post("/ingest/lines?service=payments", body).status == 200


def test_an_alert_and_its_end_reach_a_webhook(start: Start, tmp_path: Path, hook: Hook) -> None:
    server = started(start, tmp_path, hook)
    ingest(server)
    server.until(lambda: len(hook.said) == 1, "it is told")
    server.until(lambda: len(hook.said) == 2, "its end is told", 60)
    firing, resolved = hook.said
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["alerts"][0]["annotations"] == {"summary": "5 declined"}
    assert resolved["alerts"][0]["labels"] == firing["alerts"][0]["labels"]


def test_a_kill_while_the_webhook_hangs_loses_nothing(
    start: Start, tmp_path: Path, hook: Hook
) -> None:
    hook.away.set()
    server = started(start, tmp_path, hook)
    ingest(server)
    server.until(lambda: len(hook.keys) == 1, "it is being sent")
    server.kill()
    hook.away.clear()
    server.start()
    server.until(lambda: len(hook.said) == 2, "it and its end are told", 60)
    assert [said["status"] for said in hook.said] == ["firing", "resolved"]
    assert hook.keys[0] == hook.keys[1]
    assert len(set(hook.keys)) == 2


def test_what_fired_and_ended_while_nothing_ran_is_told(
    start: Start, tmp_path: Path, hook: Hook
) -> None:
    server = started(start, tmp_path, hook, "2s")
    server.until(lambda: server.metric("tailrace_rule_evaluations_total") > 0, "it is evaluated")
    ingest(server)
    server.kill()
    # Longer than the alert lasts, and than a slot waits for its rows.
    time.sleep(5.0)
    server.start()
    server.until(lambda: len(hook.said) == 2, "it and its end are told")
    assert [said["status"] for said in hook.said] == ["firing", "resolved"]
    assert len({said["alerts"][0]["startsAt"] for said in hook.said}) == 1


def test_an_alert_ends_with_its_rule(start: Start, tmp_path: Path, hook: Hook) -> None:
    server = started(start, tmp_path, hook, "1h")
    ingest(server)
    server.until(lambda: len(hook.said) == 1, "it is told")
    (tmp_path / "shop.yml").write_text("groups: []\n")
    server.until(lambda: len(hook.said) == 2, "its end is told")
    assert hook.said[1]["status"] == "resolved"
