"""The laws of a Sender, over every kind of receiver: returning, raising, being cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import get_args

import pytest
from mailing import Mailbox, mailbox
from test_receivers import ONE, receiver
from webhooks import OK, serving, status

from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.receivers import Sender
from tailrace.alerts.delivery.settings import AnyReceiver

SECRET = "s3cret"
HTTP = ("webhook", "slack", "alertmanager")
KINDS = (*HTTP, "email", "command", "log")
# The own log takes everything at once.
FAILING = tuple(kind for kind in KINDS if kind != "log")


@contextlib.asynccontextmanager
async def over_http(kind: str, does: str) -> AsyncGenerator[Sender]:
    async def hang(writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    answers = {"takes": OK, "refuses": status(500, body="no"), "hangs": hang}
    async with serving(answers[does]) as served:
        url = f"{served.url}/{SECRET}"
        said = {"urls": [url]} if kind == "alertmanager" else {"url": url}
        more = {} if kind == "slack" else {"token": SECRET}
        yield receiver(kind, **said, **more)


@contextlib.asynccontextmanager
async def by_mail(does: str) -> AsyncGenerator[Sender]:
    answers = {"MAIL": b"451 no\r\n"} if does == "refuses" else {}
    box = Mailbox(answers=answers, greeting=b"" if does == "hangs" else b"220 mail\r\n")
    with mailbox(box):
        said = {"tls": "none", "sender": "a@a.example", "to": ["b@b.example"]}
        yield receiver("email", server=f"127.0.0.1:{box.port}", **said)


@contextlib.asynccontextmanager
async def receiving(kind: str, does: str) -> AsyncGenerator[Sender]:
    """One that takes what it is sent, refuses it, or hangs."""
    if kind in HTTP:
        async with over_http(kind, does) as found:
            yield found
    elif kind == "email":
        async with by_mail(does) as found:
            yield found
    elif kind == "command":
        words = {"takes": ["true"], "refuses": ["false"], "hangs": ["sleep", "600"]}
        yield receiver(kind, command=words[does])
    else:
        yield receiver(kind)


def test_every_kind_is_here() -> None:
    assert set(KINDS) == {one.__struct_config__.tag for one in get_args(AnyReceiver)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_returns_as_often_as_it_is_sent(kind: str) -> None:
    async def run() -> None:
        async with receiving(kind, "takes") as sender:
            for _ in range(2):
                await sender.send(ONE)

    asyncio.run(run())


@pytest.mark.parametrize("kind", FAILING)
def test_what_is_not_taken_raises_and_says_nothing_secret(kind: str) -> None:
    async def run() -> None:
        async with receiving(kind, "refuses") as sender:
            with pytest.raises(NotTaken) as error:
                await sender.send(ONE)
            assert SECRET not in str(error.value)
            assert not error.value.lasting

    asyncio.run(run())


@pytest.mark.parametrize("kind", FAILING)
def test_one_that_hangs_is_let_go_when_it_is_cancelled(kind: str) -> None:
    async def run() -> None:
        async with receiving(kind, "hangs") as sender:
            before = asyncio.all_tasks()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await sender.send(ONE)
            left = {task for task in asyncio.all_tasks() - before if not task.done()}
            assert not [task for task in left if "converse" not in str(task.get_coro())]

    async def bounded() -> None:
        async with asyncio.timeout(5):
            await run()

    asyncio.run(bounded())
