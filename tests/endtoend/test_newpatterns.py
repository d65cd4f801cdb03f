"""Errors that a service never logged before: from a line to an alert, through kills."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from receiver import Receiver
from running import Server, Start

NAME = "NewErrorPattern"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    found = Receiver(random.Random(1))
    yield found
    found.close()


def environment(hook: Receiver, **more: str) -> dict[str, str]:
    return {
        "TAILRACE_ALERTS__BUILTIN": "true",
        "TAILRACE_ALERTS__INTERVAL": "1s",
        "TAILRACE_ALERTS__LEARNING": "0s",
        "TAILRACE_ALERTS__RECEIVERS": f"[{{name='h', kind='webhook', url='{hook.url}'}}]",
        "TAILRACE_ALERTS__GROUP_BY": "['alertname', 'pattern']",
        "TAILRACE_ALERTS__GROUP_INTERVAL": "1s",
        **more,
    }


def log(server: Server, body: str, severity: str = "ERROR") -> None:
    record = json.dumps({"severity": severity, "body": body, "service": "payments"}).encode()
    assert server.post("/ingest/records", record, content_type="application/x-ndjson").status == 200


def alerts(server: Server) -> dict[str, dict[str, Any]]:
    """Of this kind, by pattern."""
    found = server.get("/api/v1/alerts").json()["data"]["alerts"]
    return {
        one["labels"].get("pattern", ""): one for one in found if one["labels"]["alertname"] == NAME
    }


def rule(server: Server) -> dict[str, Any]:
    groups = server.get("/api/v1/rules").json()["data"]["groups"]
    [found] = [one for group in groups for one in group["rules"] if one["name"] == NAME]
    return dict(found)


def told(hook: Receiver) -> int:
    """Alerts of this kind that the receiver was told of."""
    return sum(len(said) for said in hook.begun(NAME).values())


def test_a_new_error_is_told_once_with_its_pattern_and_no_value(
    start: Start, hook: Receiver
) -> None:
    server = start(**environment(hook))
    log(server, "all is well", "INFO")
    log(server, "charge 4711 of user ada failed")
    server.until(lambda: told(hook) == 1, "told")
    [(pattern, one)] = alerts(server).items()
    assert pattern == "charge <_> of user <_> failed"
    assert (one["state"], one["labels"]["service_name"]) == ("firing", "payments")
    assert one["annotations"]["lines"] == "1"
    assert "ada" not in json.dumps(one)
    assert rule(server)["health"] == "ok"
    log(server, "charge 4712 of user bob failed")
    log(server, "refund 1 failed")
    server.until(lambda: "refund <_> failed" in alerts(server), "the second one fires")
    assert len(alerts(server)) == 2
    query = one["annotations"]["query"]
    assert (
        query
        == '{service_name="payments", level=~"error|fatal"} |> "charge <_> of user <_> failed"'
    )


def test_a_kill_before_it_is_told_neither_loses_nor_repeats_it(
    start: Start, hook: Receiver
) -> None:
    server = start(**environment(hook, TAILRACE_ALERTS__GROUP_WAIT="1h"))
    log(server, "charge 1 failed")
    server.until(lambda: "charge <_> failed" in alerts(server), "it fires")
    assert told(hook) == 0
    server.kill()
    server.environment["TAILRACE_ALERTS__GROUP_WAIT"] = "0s"
    server.start()
    server.until(lambda: told(hook) == 1, "told")
    log(server, "charge 2 failed")
    log(server, "refund 1 failed")
    server.until(lambda: "refund <_> failed" in alerts(server), "another one fires")
    server.until(lambda: told(hook) == 2, "told")
    assert len(alerts(server)) == 2


def test_what_the_store_has_is_learned_and_no_news(start: Start, hook: Receiver) -> None:
    """An installation of before, whose services are known for longer than is learned."""
    off = environment(hook, TAILRACE_ALERTS__DISABLE=f"['{NAME}']")
    server = start(**off)
    log(server, "charge 1 failed")
    server.until(lambda: server.counts("payments") == {"payments": 1}, "stored")
    groups = server.get("/api/v1/rules").json()["data"]["groups"]
    assert NAME not in [one["name"] for group in groups for one in group["rules"]]
    assert server.stop() == 0
    server.environment |= {
        "TAILRACE_ALERTS__DISABLE": "[]", "TAILRACE_ALERTS__LEARNING": "1h",
    }  # fmt: skip
    server.start()
    looked = "0001-01-01T00:00:00Z"
    server.until(lambda: rule(server)["lastEvaluation"] != looked, "looked")
    assert server.stop() == 0
    # From here on all that is not known is news.
    server.environment["TAILRACE_ALERTS__LEARNING"] = "0s"
    server.start()
    log(server, "charge 2 failed")
    log(server, "refund 1 failed")
    server.until(lambda: "refund <_> failed" in alerts(server), "the new one fires")
    assert list(alerts(server)) == ["refund <_> failed"]
