"""Dealing with dead letters: whose they are, what a request may do, and what faults leave."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from tailrace.core import limits
from tailrace.core.access import KEY, Principal, Scope
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletion
from tailrace.core.errors import Busy, StoreError
from tailrace.core.frame import Frame, Header
from tailrace.core.ledger import Numbering, Span
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress
from tailrace.queue.buried import Buried
from tailrace.queue.desk import Desk, Wanted
from tailrace.queue.http import changing, reading
from tailrace.queue.letter import Letter
from tailrace.queue.log import SegmentLog

from .building import ALL, frame, log, seqs
from .disk import FaultyFileSystem

ACME = Wanted(tenant="acme")
OPERATOR = "ops"
DEAD = Path("/q/dead")


class Record:
    """Implements `Deletions` in memory."""

    def __init__(self) -> None:
        self.noted: list[Deletion] = []
        self.down = False

    async def note(self, deletions: Sequence[Deletion]) -> None:
        if self.down:
            raise StoreError("the record is away")
        self.noted += deletions


class Place:
    """A queue with dead letters, its desk, and the routes over them."""

    def __init__(self, files: FaultyFileSystem, queue: SegmentLog) -> None:
        self.files = files
        self.queue = queue
        self.record = Record()
        self.metrics = Metrics()
        clock = ManualClock()
        self.desk = Desk(queue, self.record, clock, self.metrics)
        routes = [*reading(self.desk, OPERATOR, clock), *changing(self.desk, OPERATOR, clock)]
        self._application = Starlette(routes=routes)

    async def bury(self, *numbers: int, reason: str = "unreadable: json", **more: Any) -> None:
        for seq in numbers:
            await self.queue.bury(frame(seq, **more), reason)

    async def there(self) -> list[int]:
        return [one.seq for one in (await self.desk.choose(ACME, 1_000)).letters]

    async def ask(
        self, path: str, body: object = None, tenant: str = "acme", *scopes: Scope, **query: Any
    ) -> httpx.Response:
        async def entered(scope: Connection, receive: Receive, send: Send) -> None:
            scope[KEY] = Principal(tenant, frozenset(scopes))
            await self._application(scope, receive, send)

        transport = httpx.ASGITransport(app=entered)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            url = f"/api/v1/deadletters{path}"
            if body is None:
                return await client.get(url, params=query)
            return await client.post(url, content=msgspec.json.encode(body))


def run(use: Callable[[Place], Awaitable[None]], **options: Any) -> None:
    async def body() -> None:
        files = FaultyFileSystem()
        queue = log(files, **{"dead_letter_bytes": 100_000, **options})
        await queue.open()
        try:
            await use(Place(files, queue))
        finally:
            await queue.close(1.0)

    asyncio.run(body())


def test_replayed_frames_are_in_the_queue_as_they_were_and_gone_from_here() -> None:
    async def use(place: Place) -> None:
        await place.bury(1, 2, 3)
        await place.bury(4, reason="refused: engine error 27")
        done = await place.desk.replay(msgspec.structs.replace(ACME, reason="unreadable"))
        assert (done.count, done.rows, done.failed, done.more) == (3, 3, [], False)
        reader = place.queue.consumer("hot", ALL)
        assert [d.frame for d in await reader.read(1 << 20, 0.0)] == [frame(n) for n in (1, 2, 3)]
        assert await place.there() == [4]
        assert place.metrics.get("tailrace_dead_letters_gone_total", "replayed") == 3
        assert place.record.noted == []

    run(use)


def test_a_letter_stays_until_its_frame_is_durable() -> None:
    async def use(place: Place) -> None:
        await place.bury(1, 2)
        place.files.fail("fdatasync", errno.EIO)
        with pytest.raises(Busy):
            await place.desk.replay(ACME)
        assert await place.there() == [1, 2]
        # Also where it is durable in the queue and that could not be noted here.
        await place.queue.accept([frame(9)])
        place.files.fail("create", errno.EIO)
        with pytest.raises(Busy, match="dead letters not removed"):
            await place.desk.replay(ACME)
        assert await place.there() == [1, 2]
        assert (await place.desk.replay(ACME)).count == 2
        assert await place.there() == []
        assert await seqs(place.queue.consumer("hot", ALL)) == [9, 1, 2, 1, 2]

    run(use)


def test_a_frame_that_dies_again_while_it_is_replayed_is_a_letter_once() -> None:
    async def use(place: Place) -> None:
        await place.bury(1)
        reader = place.queue.consumer("hot", ALL)
        for _ in range(5):
            await place.desk.replay(ACME)
            (one,) = await reader.read(1 << 20, 0.0)
            await place.queue.bury(one.frame, "unreadable: json")
            assert await place.there() == [1]
            # Before its letter could be noted as gone:
            await place.queue.bury(one.frame, "unreadable: json")
            assert await place.there() == [1]

    run(use)


def test_what_is_buried_while_all_is_replayed_is_not_replayed_again() -> None:
    async def use(place: Place) -> None:
        await place.bury(*range(5))
        done = await place.desk.replay(ACME)
        await place.bury(*range(5))  # dead again
        wanted = msgspec.structs.replace(ACME, after=done.upto, last=done.last)
        assert (await place.desk.replay(wanted)).count == 0
        assert len(await place.there()) == 5

    run(use)


def test_a_request_is_bounded_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEAD_LETTERS_AT_ONCE", 4)
    monkeypatch.setattr(limits, "REPLAY_BYTES", 500)
    monkeypatch.setattr("tailrace.queue.desk._TOGETHER_BYTES", 300)

    async def use(place: Place) -> None:
        await place.bury(*range(10))
        counts, wanted = [], ACME
        while True:
            done = await place.desk.replay(wanted)
            counts.append(done.count)
            if not done.more:
                break
            wanted = msgspec.structs.replace(ACME, after=done.upto, last=done.last)
        assert sum(counts) == 10
        assert max(counts) <= 3
        await place.bury(*range(10))
        done = await place.desk.drop(ACME)
        assert (done.count, done.more) == (4, True)
        assert await place.there() == list(range(4, 10))

    run(use)


def test_a_queue_that_is_full_ends_a_replay_early_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.queue.desk._TOGETHER_BYTES", 3_000)

    async def use(place: Place) -> None:
        await place.bury(*range(5), size=2_000)
        done = await place.desk.replay(ACME)
        assert 0 < done.count < 5
        assert "the queue holds" in done.busy
        assert done.more
        assert await place.there() == list(range(done.count, 5))
        with pytest.raises(Busy, match="the queue holds"):
            await place.desk.replay(ACME)

    run(use, queue_bytes=8_000, segment_bytes=2_000)


def test_broken_bytes_and_frames_that_are_too_large_stay_and_are_named() -> None:
    async def use(place: Place) -> None:
        await place.bury(1)
        large = Header("acme", "web-1", 1, 2, 1, 1, 0, 0, resource={"a": "x" * limits.HEADER_BYTES})
        dead = place.queue.dead
        await place.queue.work(dead.bury, Letter("unreadable", 5, large), b"x")
        await place.queue.work(dead.bury, Letter("corrupt", 5, found=Position(1, 64)), b"broken")
        await place.bury(3)
        done = await place.desk.replay(msgspec.structs.replace(ACME, nobodys=True))
        assert done.count == 2
        assert [why.split(";")[0] for _, why in done.failed] == [
            "no frame can be made of it",
            f"frame header of {limits.HEADER_BYTES + 82} bytes",
        ] or len(done.failed) == 2
        assert len(dead) == 2

    run(use, segment_bytes=200_000, dead_letter_bytes=1 << 20)


def test_what_is_dropped_is_in_the_record_first_and_its_frames_are_known() -> None:
    async def use(place: Place) -> None:
        await place.bury(1, 2, 3)
        place.record.down = True
        with pytest.raises(StoreError):
            await place.desk.drop(ACME)
        assert await place.there() == [1, 2, 3]
        place.record.down = False
        place.files.fail("fdatasync", errno.EIO)
        with pytest.raises(Busy):
            await place.desk.drop(ACME)
        done = await place.desk.drop(ACME)
        assert (done.count, done.rows, await place.there()) == (3, 3, [])
        assert len({one.id for one in place.record.noted}) == 3
        first = place.record.noted[0]
        assert first.subject == "dead letter 1-64 (unreadable)"
        assert (first.tenant, first.place, first.reason, first.rows) == (
            "acme", "dead_letters", "dropped", 1,
        )  # fmt: skip
        # Also to one who comes when the segments are deleted.
        witness = Buried(place.files, DEAD)
        assert await witness.known([Span(Numbering("acme", "web-1", 1), 0, 9)]) == [[(1, 3)]]

    run(use)


def test_replayed_letters_are_no_witnesses_to_one_who_comes_later() -> None:
    async def use(place: Place) -> None:
        await place.bury(*range(1, 9))
        before = Buried(place.files, DEAD)
        span = Span(Numbering("acme", "web-1", 1), 0, 9)
        assert await before.known([span]) == [[(1, 8)]]
        ids = frozenset(one.id for one in (await place.desk.choose(ACME, 99)).letters[1:3])
        await place.desk.replay(msgspec.structs.replace(ACME, ids=ids))
        assert await before.known([span]) == [[(1, 8)]]
        assert await Buried(place.files, DEAD).known([span]) == [[(1, 1), (4, 8)]]

    run(use, segment_bytes=10_000)


def test_letters_are_listed_by_page_and_filter_to_their_tenant() -> None:
    async def use(place: Place) -> None:
        await place.bury(*range(5))
        other = Header("bank", "web-1", 1, 7, 1, 1, 0, 0)
        await place.queue.bury(Frame(other, b"x"), "unreadable: json")
        await place.queue.bury(Frame(Header("acme", "db", 1, 1, 9, 1, 0, 0), b"x"), "refused: 27")
        answer = (await place.ask("", limit=2)).json()
        assert [one["seq"] for one in answer["letters"]] == [0, 1]
        assert (answer["count"], answer["rows"]) == (6, 14)
        answer = (await place.ask("", limit=2, after=answer["next"])).json()
        assert [one["seq"] for one in answer["letters"]] == [2, 3]
        answer = (await place.ask("", source="db", reason="refused", since="1d")).json()
        assert [one["source"] for one in answer["letters"]] == ["db"]
        assert answer["next"] == ""
        (theirs,) = (await place.ask("", tenant="bank")).json()["letters"]
        assert (theirs["tenant"], theirs["kind"]) == ("bank", "frame")
        for path in (f"/{theirs['id']}", f"/{theirs['id']}/payload"):
            assert (await place.ask(path)).status_code == 404
            assert (await place.ask(path, tenant="bank")).status_code == 200
        drop = {"ids": [theirs["id"]]}
        assert (await place.ask("/drop", drop, "acme", Scope.ADMIN)).json()["count"] == 0
        assert (await place.ask("/replay", drop, "acme", Scope.ADMIN)).json()["count"] == 0
        assert (await place.ask("/drop", {"all": True, "dry": True}, "bank")).json()["count"] == 1
        assert (await place.ask("/drop", {"all": True}, "bank")).json()["count"] == 1

    run(use)


def test_what_may_be_anybodys_is_for_those_who_run_the_server() -> None:
    async def use(place: Place) -> None:
        broken = Letter("corrupt", 5, found=Position(3, 64))
        await place.queue.work(place.queue.dead.bury, broken, b"brok\xffen")
        for who in [("acme", Scope.ADMIN), (OPERATOR, Scope.QUERY)]:
            assert (await place.ask("", None, *who)).json()["count"] == 0
            assert (await place.ask("/1-64", None, *who)).status_code == 404
        assert (await place.ask("/drop", {"all": True}, "acme", Scope.ADMIN)).json()["count"] == 0
        mine = (OPERATOR, Scope.ADMIN)
        (one,) = (await place.ask("", None, *mine)).json()["letters"]
        assert (one["kind"], one["reason"]) == ("bytes", "corrupt")
        shown = (await place.ask("/1-64", None, *mine)).json()
        assert (shown["text"], shown["found"], shown["header"]) == ("brok\\xffen", "3-64", None)
        assert (await place.ask("/1-64/payload", None, *mine)).content == b"brok\xffen"
        assert (await place.ask("/drop", {"all": True}, *mine)).json()["count"] == 1
        assert place.record.noted[0].tenant == ""

    run(use)


def test_what_is_shown_of_a_payload_is_bounded() -> None:
    async def use(place: Place) -> None:
        text = b"line\n" * 100_000
        header = Header("acme", "web-1", 1, 1, 1, 1, 0, 0)
        await place.queue.bury(Frame(header, compress(text)), "unreadable")
        shown = (await place.ask("/1-64")).json()
        assert (shown["text"], shown["cut"], shown["compressed"]) == (
            text[:4096].decode(),
            True,
            True,
        )
        most = limits.DEAD_LETTER_SHOWN_BYTES
        assert len((await place.ask("/1-64", bytes=most)).json()["text"]) == most
        answer = await place.ask("/1-64", bytes=most + 1)
        assert answer.json()["error"] == f"bytes='{most + 1}' is no number from 1 to {most}"
        await place.queue.bury(Frame(header, b"no zstd"), "unreadable")
        (again,) = (await place.ask("")).json()["letters"]
        shown = (await place.ask(f"/{again['id']}")).json()
        assert (shown["text"], shown["cut"], shown["compressed"]) == ("no zstd", False, False)

    run(use, segment_bytes=200_000)


@pytest.mark.parametrize(
    ("path", "body", "query", "said"),
    [
        ("", None, {"limit": "0"}, "limit='0' is no number from 1 to 1000"),
        ("", None, {"limit": "1001"}, "limit='1001' is no number from 1 to 1000"),
        ("", None, {"since": "soon"}, "since='soon': give a span"),
        ("", None, {"after": "x"}, "'x' is no id of a dead letter"),
        ("/abc", None, {}, "'abc' is no id of a dead letter"),
        ("/drop", {}, {}, "say which"),
        ("/replay", {"dry": True}, {}, "say which"),
        ("/drop", {"everything": True}, {}, "unknown field `everything`"),
        ("/drop", {"ids": ["1-64"] * 1_001}, {}, "length <= 1000"),
        ("/drop", {"reason": "x" * 70_000}, {}, "Content-Length of at most 65536"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    path: str, body: object, query: dict[str, str], said: str
) -> None:
    async def use(place: Place) -> None:
        answer = await place.ask(path, body, "acme", Scope.ADMIN, **query)
        assert answer.status_code == 400
        assert said in answer.json()["error"]

    run(use)


def test_a_disk_that_refuses_is_503_and_says_when_to_come_again() -> None:
    async def use(place: Place) -> None:
        await place.bury(1)
        place.files.fail("write", errno.EIO)
        answer = await place.ask("/replay", {"all": True}, "acme", Scope.ADMIN)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        place.record.down = True
        answer = await place.ask("/drop", {"all": True}, "acme", Scope.ADMIN)
        assert (answer.status_code, answer.json()["reason"]) == (503, "store")

    run(use)
