"""The real command over hot store and archive: old days leave the one and are answered from the
other."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

from running import Server, Start

DAY_S = 86_400
NOTES = "X-Tailrace-Notes"


def lines(server: Server, extra: str = "", service: str = "shop") -> tuple[list[str], str]:
    """All lines of the last nine days, newest first, and what is noted of them."""
    start = (int(time.time()) - 9 * DAY_S) * 10**9
    query = quote(f'{{service_name="{service}"}}')
    answer = server.get(f"/loki/api/v1/query_range?query={query}&start={start}&limit=1000{extra}")
    assert answer.status == 200, answer
    headers = {name.lower(): value for name, value in answer.headers.items()}
    found: list[Any] = [
        value for stream in answer.json()["data"]["result"] for value in stream["values"]
    ]
    return [line for _, line in sorted(found, reverse=True)], headers.get(NOTES.lower(), "")


def rows(server: Server) -> int:
    """As SQL counts them, over both."""
    start = int(time.time()) - 9 * DAY_S
    query = quote("SELECT count() AS n FROM logs")
    answer = server.get(f"/api/sql?query={query}&start={start}&format=json")
    assert answer.status == 200, answer
    return int(answer.json()["data"][0]["n"])


def record(body: str, time_s: float, service: str = "shop") -> bytes:
    words = (service.encode(), body.encode(), int(time_s * 1e9))
    return b'{"service":"%s","body":"%s","time":%d}\n' % words


def test_old_days_leave_the_hot_store_and_stay_in_every_answer(start: Start) -> None:
    server = start()
    now = time.time()
    body = b"".join(record(f"day {day}", now - day * DAY_S) for day in range(8))
    assert server.post("/ingest/records", body).status == 200
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 8, "archived")
    before = lines(server)
    assert before == ([f"day {day}" for day in range(8)], "")
    assert server.stop() == 0

    # The first turn records the horizon; a kill leaves the rows below it, which nobody reads.
    server.environment["TAILRACE_STORE__KEEP"] = "3d"
    server.start()
    server.until(lambda: (server.data / "store" / "horizon").exists(), "recorded")
    server.until(lambda: lines(server)[1] != "", "answered from the archive")
    assert server.metric("tailrace_store_dropped_rows_total") == 0
    assert rows(server) == 8
    assert lines(server)[0] == before[0]
    server.kill()

    # The next start drops them.
    server.start()
    server.until(lambda: server.metric("tailrace_store_dropped_rows_total") == 4, "dropped")
    assert rows(server) == 8
    found, note = lines(server)
    assert found == before[0]
    assert "answered from the archive before" in note
    assert lines(server, "&exact=archive")[0] == before[0]
    late = record("late", now - 6.5 * DAY_S)
    assert server.post("/ingest/records", late).status == 200
    server.until(lambda: "late" in lines(server)[0], "the late row archived")
    assert lines(server)[0] == [*before[0][:7], "late", "day 7"]
    assert rows(server) == 9
    assert server.get("/loki/api/v1/labels?exact=no").status == 400
    assert server.stop() == 0


def test_an_archive_that_lost_what_was_dropped_is_refused_at_the_start(start: Start) -> None:
    server = start()
    server.post("/ingest/lines?service=shop", b"one\n")
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 1, "archived")
    assert server.stop() == 0
    server.environment["TAILRACE_STORE__KEEP"] = "1d"
    server.start()
    server.until(lambda: (server.data / "store" / "horizon").exists(), "recorded")
    assert server.stop() == 0
    server.environment["TAILRACE_ARCHIVE__DIRECTORY"] = str(server.home / "elsewhere")
    server.launch()
    assert server.process is not None
    assert server.process.wait(60) != 0
    assert "archive.directory" in server.log()


def test_a_broken_manifest_ends_the_start_with_its_reason(start: Start) -> None:
    server = start()
    server.post("/ingest/lines?service=shop", b"one\n")
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 1, "archived")
    assert server.stop() == 0
    manifest = server.data / "archive" / "manifest"
    manifest.write_bytes(b"x" + manifest.read_bytes()[1:])
    server.launch()
    assert server.process is not None
    assert server.process.wait(60) != 0
    assert "fails its checksum" in server.log()


def test_services_leave_the_hot_store_at_times_of_their_own(start: Start) -> None:
    server = start()
    now = time.time()
    # Of each day a line of either service in one body, so that they are in the same parts.
    body = b"".join(
        record(f"{service} {day}", now - day * DAY_S, service)
        for day in range(8)
        for service in ("shop", "debug")
    )
    assert server.post("/ingest/records", body).status == 200
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 16, "archived")
    before = {service: lines(server, service=service)[0] for service in ("shop", "debug")}
    assert [len(found) for found in before.values()] == [8, 8]
    assert server.stop() == 0
    server.environment["TAILRACE_STORE__KEEP"] = "4d"
    server.environment["TAILRACE_STORE__SERVICES"] = '{debug = {keep = "1d"}}'
    server.start()
    server.until(lambda: lines(server, service="debug")[1] != "", "the horizons recorded")
    server.kill()

    # Three days whole with both, and of three others what is verbose.
    server.start()
    server.until(lambda: server.metric("tailrace_store_dropped_rows_total") == 9, "dropped")
    assert server.metric("tailrace_store_rewritten_days_total") == 3
    server.kill()
    server.start()
    assert {service: lines(server, service=service)[0] for service in before} == before
    assert rows(server) == 16
    noted = server.get("/api/v1/deletions?reason=expired").json()["deletions"]
    assert sum(one["rows"] for one in noted) == 9
    assert sorted(one["service"] for one in noted if one["service"]) == ["debug"] * 6
    # A row of a day that is over for it comes late, and is answered once.
    late = record("late", now - 2.5 * DAY_S, "debug")
    assert server.post("/ingest/records", late).status == 200
    server.until(lambda: "late" in lines(server, service="debug")[0], "the late row archived")
    assert len(lines(server, service="debug")[0]) == 9
    assert rows(server) == 17
    assert server.stop() == 0
