"""The client that follows, against a server whose every connection is scripted."""

from __future__ import annotations

import http
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from tailrace.cli import main
from tailrace.client import following
from tailrace.client.following import Dropped, Lost
from tailrace.client.server import Server
from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.line import Line

SECOND = 1_000_000_000
NOW = 4_000_000_000 * SECOND  # later than any clock of these tests
Script = Callable[[ServerConnection], None]


def message(*lines: tuple[int, str], dropped: Any = (), **more: Any) -> str:
    values = [[str(NOW + time_ns), body] for time_ns, body in lines]
    streams = [{"stream": {"service_name": "web"}, "values": values}] if values else []
    return json.dumps({"streams": streams, "dropped_entries": list(dropped), **more})


def sends(*messages: str, code: int = 1012, reason: str = "") -> Script:
    def script(socket: ServerConnection) -> None:
        for one in messages:
            socket.send(one)
        socket.close(code, reason)

    return script


def vanishes(*messages: str) -> Script:
    """As a process that is killed."""

    def script(socket: ServerConnection) -> None:
        for one in messages:
            socket.send(one)
        socket.socket.shutdown(2)

    return script


class Scripted:
    """Each connection takes the next script; a status is answered before the upgrade."""

    def __init__(self, scripts: list[Script | int]) -> None:
        self.asked: list[dict[str, str]] = []
        self._scripts = scripts
        self._next: Script | None = None

    def answer(self, socket: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlparse(request.path).query)
        self.asked.append({name: values[0] for name, values in query.items()})
        script = self._scripts.pop(0)
        if isinstance(script, int):
            words = {403: "", 404: "<html>login</html>"}.get(script, "no, because\n")
            return socket.respond(http.HTTPStatus(script), words)
        self._next = script
        return None

    def handle(self, socket: ServerConnection) -> None:
        assert self._next
        self._next(socket)


@contextmanager
def serving(*scripts: Script | int) -> Iterator[tuple[str, Scripted]]:
    server = Scripted(list(scripts))
    with serve(server.handle, "127.0.0.1", 0, process_request=server.answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.socket.getsockname()[1]}", server
        finally:
            running.shutdown()
            thread.join()


def follow(url: str, until: int) -> tuple[list[Any], list[float]]:
    """What is found until so many connections were lost, bodies of lines; and the waits."""
    slept: list[float] = []
    found: list[Any] = []
    for one in following.follow(Server(url), "{}", sleep=slept.append):
        found.append(one.body if isinstance(one, Line) else one)
        if sum(isinstance(one, Lost) for one in found) == until:
            return found, slept
    raise AssertionError


def bodies(found: list[Any]) -> list[str]:
    return [one for one in found if isinstance(one, str)]


def test_lines_come_by_their_times_and_without_history() -> None:
    with serving(sends(message((2, "b"), (1, "a")), message((3, "c")))) as (url, server):
        assert bodies(follow(url, 1)[0]) == ["a", "b", "c"]
        assert server.asked[0]["limit"] == "0"


def test_a_lost_connection_is_made_again_and_no_line_is_repeated() -> None:
    first = vanishes(message((1, "a"), (2, "twin"), (2, "twin")), message((9 * SECOND, "b")))
    second = sends(
        message((1, "a"), (2, "twin"), (2, "twin"), (2, "twin"), (SECOND, "late")),
        message((9 * SECOND, "b"), (10 * SECOND, "c")),
        reason="stopping",
    )
    with serving(first, second) as (url, server):
        found, slept = follow(url, 2)
        assert bodies(found) == ["a", "twin", "twin", "b", "twin", "late", "c"]
        assert [one.reason for one in found if isinstance(one, Lost)] == [
            "connection lost",
            "stopping",
        ]
        assert server.asked[1]["limit"] == str(limits.TAIL_LINES_SEEN)
        assert int(server.asked[1]["start"]) <= NOW + 1
        assert slept == [0.5]


def test_it_waits_longer_each_time_until_it_is_let_in_again() -> None:
    scripts = [sends(message((1, "a"))), 503, 429, 502, sends(message((2, "b"))), sends()]
    with serving(*scripts) as (url, _):
        found, slept = follow(url, 6)
        assert bodies(found) == ["a", "b"]
        assert slept == [0.5, 1.0, 2.0, 5.0, 0.5]


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "TAIL_LINES_SEEN", 3)
    lines = [(n, str(n)) for n in range(6)]
    with serving(sends(message(*lines)), sends(message(*lines[3:], (9, "new")))) as (url, server):
        assert bodies(follow(url, 2)[0]) == [*"012345", "new"]
        assert int(server.asked[1]["start"]) == NOW + 3


def test_a_message_beyond_what_a_client_takes_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fits = message((1, "a"))
    monkeypatch.setattr(limits, "CLIENT_MESSAGE_BYTES", len(fits))
    with serving(sends(fits, message((2, "bb")))) as (url, _):
        assert bodies(follow(url, 1)[0]) == ["a"]


def test_dropped_lines_are_told_before_those_that_follow_them() -> None:
    entries = [{"labels": {"service_name": "web"}, "timestamp": "1"}]
    reason = [{"labels": {"reason": "7 lines too many"}, "timestamp": "1"}]
    script = sends(
        message((1, "a"), dropped=entries, dropped_lines=40),
        message(dropped=reason, dropped_lines=7),
        message((2, "b"), dropped=entries),
        message((3, "c"), dropped=None or ()),
    )
    with serving(script) as (url, _):
        found = follow(url, 1)[0][:-1]
        assert found == [
            Dropped(40), "a", Dropped(7, ("7 lines too many",)), Dropped(1), "b", "c",
        ]  # fmt: skip


def test_a_refusal_ends_it_with_its_reason() -> None:
    with serving(400) as (url, _), pytest.raises(QueryError, match="no, because"):
        next(following.follow(Server(url), "{"))
    with serving(503) as (url, _), pytest.raises(StoreError, match="no, because"):
        next(following.follow(Server(url), "{"))
    with serving(sends(code=1008)) as (url, _), pytest.raises(QueryError, match="token"):
        next(following.follow(Server(url), "{"))


def test_a_refusal_without_words_asks_for_a_token() -> None:
    with serving(403) as (url, _), pytest.raises(QueryError, match="--token-file"):
        next(following.follow(Server(url), "{"))


def test_what_is_no_tailrace_server_is_said_to_be_none() -> None:
    with (
        serving(404) as (url, _),
        pytest.raises(QueryError, match=r"^what answers is no tailrace server$"),
    ):
        follow(url, 1)


def tail(url: str, *words: str) -> int:
    return main(["tail", "x", "--url", url, *words])


def test_the_command_shows_lines_and_says_what_was_dropped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following.follow, "__kwdefaults__", {"sleep": interrupted})
    entries = [{"labels": {"reason": "9 lines too many"}, "timestamp": "1"}]
    script = sends(message((1, "a"), dropped=entries, dropped_lines=9), message((2, "b")))
    for form in ("text", "json", "ndjson"):
        with serving(script) as (url, _):
            assert tail(url, "--output", form) == 0
        out, err = capsys.readouterr()
        assert "9 lines dropped by the server: 9 lines too many" in err
        assert "connecting again in 0.5 s" in err
        if form == "text":
            assert [line.split()[-1] for line in out.splitlines()] == ["a", "b"]
        else:
            found = json.loads(out) if form == "json" else map(json.loads, out.splitlines())
            assert [one["line"] for one in found] == ["a", "b"]
