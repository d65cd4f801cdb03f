"""From a line that the real server takes to what `tailrace findings` says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from running import Server, Start

CARD = "4111 1111 1111 1111"
RECORD = {
    "severity": "ERROR",
    "body": f"charge of card {CARD} declined at app/billing.py:88",
    "service": "payments",
    "attributes": {"service.version": "2.4.1"},
}


def said(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("tailrace")), "findings"]
    words = [*command, "--url", f"http://127.0.0.1:{server.port}", *arguments]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def ingest(server: Server, lines: int) -> None:
    body = b"\n".join([json.dumps(RECORD).encode()] * lines)
    assert server.post("/ingest/records", body, content_type="application/x-ndjson").status == 200


def found(server: Server) -> int:
    answer = server.get("/api/v1/findings?service=payments&detector=pan")
    return sum(one["hits"] for one in answer.json()["findings"])


def test_a_card_in_a_line_is_a_finding_that_alerts_and_outlives_a_crash_and_a_stop(
    start: Start, tmp_path: Path
) -> None:
    server = start()
    ingest(server, 3)
    server.until(lambda: found(server) == 3, "found")
    told = said(server, "--service", "payments", "--fail")
    assert told.returncode == 1, told.stderr
    assert "card numbers" in told.stdout
    assert "app/billing.py:88" in told.stdout
    path = tmp_path / "findings.sarif"
    assert said(server, "--sarif", "--output", str(path)).returncode == 0
    results = json.loads(path.read_text())["runs"][0]["results"]
    cards = [result for result in results if result["ruleId"] == "pan"]
    place = cards[0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (
        "app/billing.py",
        88,
    )
    assert "logs card numbers at app/billing.py:88, 3 an hour, first seen " in server.log()
    server.kill()
    again = start()
    assert found(again) == 3
    ingest(again, 2)
    assert again.stop() == 0
    again = start()
    assert found(again) == 5
    assert server.log().count("found: payments 2.4.1 logs card numbers at app/billing.py:88") == 1
    everything = told.stdout + path.read_text() + server.log() + said(again, "--json").stdout
    assert CARD not in everything
    assert CARD.replace(" ", "") not in everything
    assert CARD[-4:] not in cards[0]["message"]["text"]
