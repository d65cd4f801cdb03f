"""Queries at the real command: what is told of them."""

from __future__ import annotations

from urllib.parse import quote

from running import Start

QUERY = quote('{service_name="shop"} |= "Jane Doe"')


def test_an_answer_says_what_was_read_and_a_slow_one_is_listed_without_what_it_looked_for(
    start: Start,
) -> None:
    server = start(TAILRACE_QUERY__SLOW="0s")
    line = b'{"service":"shop","body":"Jane Doe"}\n'
    assert server.post("/ingest/records", line * 100).status == 200
    server.until(lambda: server.counts("shop") == {"shop": 100}, "stored")
    answer = server.get(f"/loki/api/v1/query_range?query={QUERY}")
    assert answer.status == 200
    assert int(answer.headers["x-tailrace-rows-read"]) >= 100

    def listed() -> list[dict[str, object]]:
        found = server.get("/api/v1/queries/slow").json()["queries"]
        return [one for one in found if one["kind"] == "lines"]

    server.until(lambda: bool(listed()), "listed")
    (slow,) = listed()
    assert slow["query"] == '{service_name="…"} |= "…"'
    assert "ReadFromMergeTree" in str(slow["plan"])
    assert "Jane" not in str(slow)
    assert server.stop() == 0
    assert "Jane" not in server.log()
