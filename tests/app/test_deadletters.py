"""`tailrace deadletters`: what a person reads, and how long it goes on asking."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tailrace.app.commands import deadletters
from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.core.contracts import Position
from tailrace.queue.http import item
from tailrace.queue.letter import Kept

KEPT = Kept(
    Position(12, 64), Position(12, 64), 400, "unreadable: json", 1_790_000_000_000_000_000,
    "acme", "evil\x1b[2J", 7, 41, rows=1_200, bytes=9_000, service="shop",
)  # fmt: skip
BYTES = Kept(Position(12, 400), Position(12, 400), 460, "corrupt", 0)


def listing(*found: Kept, count: int = 0, next_: str = "") -> dict[str, Any]:
    letters = [msgspec.to_builtins(item(one)) for one in found]
    return {
        "letters": letters, "count": count or len(found), "rows": 1_200, "stored_bytes": 396,
        "next": next_,
    }  # fmt: skip


def step(count: int, next_: str = "", busy: str = "", **more: Any) -> dict[str, Any]:
    return {
        "count": count, "rows": count * 10, "stored_bytes": count * 100, "failed": [],
        "next": next_, "last": "12-900", "busy": busy, "retry_after_s": 2.0, **more,
    }  # fmt: skip


class Away:
    """A server that answers what it is told to, in turn; the last answer again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, Any]] = []
        self.slept: list[float] = []
        monkeypatch.setattr(Server, "get", lambda _, path, asked: self._answer(path, asked))
        monkeypatch.setattr(
            Server, "post", lambda _, path, body: self._answer(path, msgspec.json.decode(body))
        )
        monkeypatch.setattr(deadletters.time, "sleep", self.slept.append)

    def _answer(self, path: str, asked: Any) -> bytes:
        self.asked.append((path.removeprefix("/api/v1/deadletters"), dict(asked)))
        more = len(self._answers) > 1
        return msgspec.json.encode(self._answers.pop(0) if more else self._answers[0])


def run(*words: str) -> int:
    return main(["deadletters", *words])


def test_a_table_says_what_they_were_and_what_their_reasons_mean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Away(monkeypatch, listing(KEPT, BYTES, count=7))
    assert run("ls") == 0
    heading, first, second, _, *rest = capsys.readouterr().out.splitlines()
    assert heading.split() == list(deadletters._HEADINGS)
    assert first.split("  ")[0] == "12-64"
    for part in ("2026-09-21T14:13:20Z", "shop", "1,200", "9,000", "evil\\x1b[2J", "41"):
        assert part in first
    assert second.split() == ["12-400", "never", "-", "bytes", "-", "60", "-", "-", "corrupt"]
    assert rest[0].startswith("corrupt: bytes of the queue that fail their checksum")
    assert rest[2] == "7 dead letters, 1,200 rows, 396 bytes on disk"
    assert rest[3] == "2 are listed; --limit gives more"


def test_pages_are_asked_for_until_there_are_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Away(monkeypatch, listing(KEPT, next_="12-64"), listing(BYTES))
    assert run("ls", "--limit", "5000", "--json", "--since", "1d") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert [(asked["limit"], asked["after"]) for _, asked in away.asked] == [
        (1000, ""), (1000, "12-64"),
    ]  # fmt: skip
    assert {asked["since"] for _, asked in away.asked} == {"1d"}


def test_nothing_a_letter_says_reaches_the_terminal_raw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = {
        **msgspec.to_builtins(item(KEPT)), "header": {"source": "evil\x1b[2J", "seq": 41},
        "found": None, "readable": True, "compressed": True, "payload_bytes": 19,
        "text": "one\x1b[2J\ntwo", "cut": True,
    }  # fmt: skip
    away = Away(monkeypatch, detail)
    assert run("show", "12-64/../x") == 0
    assert away.asked[0][0] == "/12-64%2F..%2Fx"
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "payload: 19 bytes, compressed\none\\x1b[2J\ntwo\n... and more" in out


def test_a_replay_goes_on_to_the_end_of_what_was_there_and_waits_for_a_full_queue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Away(
        monkeypatch, step(3, "12-64"), step(2, "12-400", "the queue holds 9 bytes"), step(1)
    )
    assert run("replay", "--all") == 0
    assert capsys.readouterr().out.startswith("replayed: 6 dead letters, 60 rows")
    assert [(asked.get("after"), asked.get("last")) for _, asked in away.asked] == [
        (None, None), ("12-64", "12-900"), ("12-400", "12-900"),
    ]  # fmt: skip
    assert away.slept == [2.0]


def test_a_queue_that_stays_full_ends_it_and_what_failed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = step(0, "12-64", "the queue holds 9 bytes")
    failed = [{"id": f"1-{n}", "why": "no frame can be made of it"} for n in range(8)]
    away = Away(monkeypatch, step(1, "12-64", failed=failed), full)
    assert run("replay", "--all") == 1
    assert len(away.asked) == len(away.slept) + 2 == deadletters._TRIES + 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "tailrace: 1-0 stays: no frame can be made of it"
    assert said[-2:] == [
        "tailrace: and 3 others stay", "tailrace: not all was done: the queue holds 9 bytes"
    ]  # fmt: skip


@pytest.mark.parametrize("action", ["replay", "drop"])
def test_which_are_meant_has_to_be_said(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Away(monkeypatch, step(1))
    assert run(action) == 2
    assert "say which: IDs, --reason, --source, --since or --all" in capsys.readouterr().err
    assert away.asked == []


def test_nothing_is_dropped_without_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Away(monkeypatch, step(3))
    assert run("drop", "12-64", "12-400") == 2
    assert "would be dropped for good: 3 dead letters, 30 rows" in capsys.readouterr().err
    assert [asked["dry"] for _, asked in away.asked] == [True]
    assert run("drop", "12-64", "12-400", "--yes") == 0
    assert away.asked[-1] == (
        "/drop",
        {"reason": "", "source": "", "since": "", "all": False, "ids": ["12-64", "12-400"]},
    )
