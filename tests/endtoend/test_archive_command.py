"""`tailrace archive` beside the server that writes the archive, and over what was damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from running import Server, Start

SERVICES = ("shop", "cart")


def archive(server: Server, *words: str) -> tuple[int, str, str]:
    """Exit status, output and what was said on standard error."""
    command = [sys.executable, "-m", "tailrace.cli", "archive", *words]
    done = subprocess.run(
        command, env=server.environment, cwd=server.home, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def posted(server: Server, hour_s: int) -> None:
    for service in SERVICES:
        rows = [
            {"service": service, "body": f"{service} {n}", "time": (hour_s + n) * 10**9,
             "attributes": {"n": str(n)}}
            for n in range(50)
        ]  # fmt: skip
        body = "\n".join(map(json.dumps, rows)) + "\n"
        assert server.post("/ingest/records", body.encode()).status == 200


def test_the_archive_is_listed_verified_and_printed_beside_a_server(start: Start) -> None:
    server = start(TAILRACE_ALERTS__BUILTIN="false")
    now = int(time.time())
    hours = [now // 3600 * 3600 - hour * 3600 for hour in (2, 5)]
    for hour_s in hours:
        posted(server, hour_s)
    server.until(lambda: server.metric("tailrace_archive_rows_total") == 200, "archived")

    status, said, _ = archive(server, "ls", "--json")
    listed = json.loads(said)
    assert (status, sum(one["rows"] for one in listed)) == (0, 200)
    assert {one["hour"] for one in listed} == {time.gmtime(hour_s).tm_hour for hour_s in hours}
    assert {(one["tenant"], one["signal"]) for one in listed} == {("default", "logs")}
    assert all(len(file["checksum"]) == 32 for one in listed for file in one["files"])
    assert all(file["epochs"] == [1, 1] for one in listed for file in one["files"])
    assert archive(server, "ls")[1].splitlines()[0].split() == [
        "TENANT", "SIGNAL", "DAY", "HOUR", "FILES", "ROWS", "BYTES",
    ]  # fmt: skip
    paths = [Path(line) for line in archive(server, "ls", "--paths")[1].splitlines()]
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in paths) == 200

    assert archive(server, "verify", "--deep")[:2] == (0, "")
    status, said, _ = archive(server, "cat", "--service", "shop", "--since", "3h")
    found = [json.loads(line) for line in said.splitlines()]
    assert (status, [row["Body"] for row in found]) == (0, [f"shop {n}" for n in range(50)])
    assert found[7]["LogAttributes"] == {"n": "7"}
    assert found[0]["Timestamp"].endswith("Z")
    assert len(archive(server, "cat", "--limit", "60")[1].splitlines()) == 60
    assert archive(server, "cat", "--deep")[0] == 2
    assert archive(server, "ls", "--tenant", "../x")[0] == 2
    assert archive(server, "ls", "--directory", str(server.home))[0] == 1

    newest = max(paths, key=lambda path: path.parent)
    whole = newest.read_bytes()
    place = len(whole) // 4
    newest.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
    damaged(server, newest, "its bytes are not those that were written")
    newest.unlink()
    damaged(server, newest, "it is gone")
    # One answer of the server names it, and others come.
    for since_s, status in ((4 * 3600, 500), (now - hours[0] - 60, 200)):
        query = f"?query={{service_name=%22shop%22}}&exact=archive&limit=100&start={now - since_s}"
        answer = server.get(f"/loki/api/v1/query_range{query}")
        assert answer.status == status, answer
        assert (newest.name in answer.body.decode()) == (status == 500)
    newest.write_bytes(whole)
    assert archive(server, "verify")[0] == 0
    assert server.stop() == 0


def damaged(server: Server, path: Path, why: str) -> None:
    """Verification names the file alone, and the rows of the other are printed."""
    status, said, told = archive(server, "verify")
    assert (status, said) == (1, f"{path.relative_to(server.data / 'archive')}: {why}\n")
    assert told.endswith("1 damaged\n")
    if why == "it is gone":
        status, said, _ = archive(server, "verify", "--deep", "--json")
        assert (status, [one["wrong"] for one in json.loads(said)["damaged"]]) == (1, [why])
        status, said, told = archive(server, "cat")
        assert (status, len(said.splitlines())) == (1, 100)
        assert path.name in told
