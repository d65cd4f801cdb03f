"""The Fluent Forward door: what is acknowledged is durable, and nobody unknown gets in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fluent.asyncsender import FluentSender as AsyncFluentSender
from fluent.event import Event
from fluent.sender import EventTime, FluentSender
from listeners import LOCAL, Heard, certificate, hear, needs_openssl

from tailrace.core import limits
from tailrace.core.errors import Busy, Poison
from tailrace.gateway.listening import forward
from tailrace.gateway.listening.forward import Forward, Keys
from tailrace.gateway.listening.networks import Networks

SECOND = 1_790_000_000
Use = Callable[[Heard], Awaitable[None]]
pack = msgspec.msgpack.encode


def run(use: Use, **options: Any) -> Heard:
    return hear(lambda door: Forward(door, "team", LOCAL, 0, **options), use)


class Client:
    """A sender that reads what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *messages: Any) -> None:
        for message in messages:
            self._writer.write(message if isinstance(message, bytes) else pack(message))
        await self._writer.drain()

    async def told(self, deadline_s: float = 10.0) -> Any:
        """The next object; None when the connection is closed."""
        data = b""
        async with asyncio.timeout(deadline_s):
            while part := await self._reader.read(4096):
                data += part
                with contextlib.suppress(msgspec.DecodeError):
                    return msgspec.msgpack.decode(data)
        return None


@contextlib.asynccontextmanager
async def connected(heard: Heard, **options: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(*heard.address, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


def event(body: str, **option: str) -> list[Any]:
    return ["app", SECOND, {"log": body}, *([option] if option else [])]


def test_an_acknowledgement_is_sent_only_when_asked_and_after_the_sink_has_it() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            heard.sink.failure = Busy("full", 0.05)
            await client.send(event("one"), event("two", chunk="aWQ="))
            with pytest.raises(TimeoutError):
                await client.told(0.3)
            heard.sink.failure = None
            assert await client.told() == {"ack": "aWQ="}
            assert sorted(heard.bodies) == ["one", "two"]
            await client.send(event("three"), event("four", chunk="x"))
            assert await client.told() == {"ack": "x"}

    found = run(use)
    assert sorted(found.bodies) == ["four", "one", "three", "two"]
    assert {frame.header.tenant for frame in found.sink.frames} == {"team"}
    assert found.metrics.get("tailrace_ingest_requests_total", "forward") == 4


def test_a_message_that_is_sent_again_has_the_same_number_and_another_has_not() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            for body in ("one", "one", "other"):
                await client.send(event(body, chunk="same"))
                assert await client.told() == {"ack": "same"}

    first, again, other = (frame.header.key for frame in run(use).sink.frames)
    assert first == again != other


def test_while_the_sink_is_busy_for_long_a_sender_that_asked_is_closed_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FORWARD_PATIENCE_S", 0.1)

    async def use(heard: Heard) -> None:
        heard.sink.failure = Busy("full", 0.05)
        async with connected(heard) as client:
            await client.send(event("x", chunk="id"))
            assert await client.told() is None
        assert heard.rejected("busy") == 1

    assert run(use).rows == 0


def test_what_nobody_would_send_again_waits_and_is_counted_when_it_is_lost() -> None:
    async def use(heard: Heard) -> None:
        heard.sink.failure = Busy("full", 60.0)
        async with connected(heard) as client:
            await client.send(event("x"))
            await heard.until(lambda: any(one.unasked for one in heard.listener._open.values()))
            await heard.listener.close(0.1)
        assert heard.dropped("stopped") == 1

    run(use)


def test_what_can_never_be_kept_is_not_acknowledged() -> None:
    async def use(heard: Heard) -> None:
        heard.sink.failure = Poison("no")
        async with connected(heard) as client:
            await client.send(event("x", chunk="id"))
            assert await client.told() is None
        assert heard.rejected("poison") == 1

    run(use)


@pytest.mark.parametrize("chunk", [b"", b"id"])
def test_a_large_message_arrives_whole(chunk: bytes) -> None:
    entries = b"".join(pack([SECOND, {"log": f"{n} " + "x" * 1000}]) for n in range(8_000))

    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            await client.send(["app", entries, {"chunk": chunk.decode()}])
            if chunk:
                assert await client.told() == {"ack": "id"}
            await heard.count(8_000)

    found = run(use)
    assert [int(body.split()[0]) for body in found.bodies] == list(range(8_000))
    assert found.listener._budget.free_bytes == limits.FORWARD_HELD_BYTES


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x93\xa1t\x01\x81\xa1a" + b"\x91" * 100_000 + b"\xc0", "msgpack"),
        (b"\xdd\xff\xff\xff\xff" + b"x" * 100, "expanded"),
        (b"\xc6\xff\xff\xff\xff" + b"x" * 100, "expanded"),
        (b"\xc1", "msgpack"),
        (b"GET / HTTP/1.1\r\n\r\n", "msgpack"),
        (pack(["t", b"", {"compressed": "gzip"}]), "empty"),
        (pack(["t", b"xx", {"compressed": "gzip"}]), "gzip"),
        (pack(["t", b"xx", {"fluent_signal": 1}]), "signal"),
    ],
)
def test_hostile_senders_are_closed_and_stop_nothing(data: bytes, reason: str) -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            await client.send(data)
            with contextlib.suppress(ConnectionError):
                assert await client.told() is None
        assert heard.rejected(reason) == 1
        async with connected(heard) as client:
            await client.send(event("fine"))
            await heard.count(1)

    assert run(use).bodies == ["fine"]


def test_a_message_that_never_ends_is_bounded_in_bytes_and_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forward, "MESSAGE_BYTES", limits.MIB)

    async def endless(heard: Heard) -> None:
        async with connected(heard) as client:
            with contextlib.suppress(ConnectionError):
                await client.send(b"\xdc\xff\xff")
                for _ in range(4):
                    await client.send((b"\xc4\xff" + b"x" * 255) * 1_100)
                await client.told()
        assert heard.rejected("expanded") == 1

    run(endless)
    monkeypatch.setattr(limits, "BODY_S", 0.1)

    async def slow(heard: Heard) -> None:
        async with connected(heard) as client:
            await client.send(b"\xc6\x00\x08\x00\x00" + b"x" * 100_000)
            assert await client.told() is None
        assert heard.rejected("slow") == 1
        assert heard.listener._budget.free_bytes == limits.FORWARD_HELD_BYTES

    run(slow)


def test_connections_are_bounded_and_idle_ones_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bounded(heard: Heard) -> None:
        async with connected(heard) as first:
            await first.send(event("x", chunk="id"))
            assert await first.told()
            async with connected(heard) as second:
                assert await second.told() is None
            assert heard.rejected("connections") == 1

    run(bounded, connections=1)
    monkeypatch.setattr(limits, "LISTENER_IDLE_S", 0.05)

    async def idle(heard: Heard) -> None:
        async with connected(heard) as client:
            assert await client.told() is None

    run(idle)


def test_a_sender_of_another_network_is_refused() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            assert await client.told() is None
        assert heard.rejected("network") == 1

    run(use, networks=Networks(["10.0.0.0/8"]))


def _hex(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


async def shake(client: Client, key: bytes, user: str, password: str) -> Any:
    """What the server answers to who says it is `user`."""
    name, options = await client.told()
    assert name == "HELO"
    proof = _hex(b"salt", b"client", options["nonce"], key)
    own = _hex(options["auth"] or b"", user.encode(), password.encode())
    await client.send(["PING", "client", b"salt", proof, user, own])
    return await client.told()


def test_with_keys_only_who_knows_them_may_send() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            answer = await shake(client, b"key", "me", "word")
            assert answer[:2] == ["PONG", True]
            await client.send(event("welcome", chunk="id"))
            assert await client.told() == {"ack": "id"}
        for key, user, password in ((b"no", "me", "word"), (b"key", "me", "no"), (b"key", "x", "")):
            async with connected(heard) as client:
                answer = await shake(client, key, user, password)
                assert answer[1] is False
                assert answer[4] == ""
                with contextlib.suppress(ConnectionError):
                    await client.send(event("intruder", chunk="id"))
                    assert await client.told() is None
        async with connected(heard) as client:
            await client.told()
            await client.send(event("unasked"))
            assert await client.told() is None
        assert heard.rejected("handshake") == 4

    assert run(use, keys=Keys("key", {"me": "word"})).bodies == ["welcome"]


def test_a_handshake_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.05)

    async def use(heard: Heard) -> None:
        async with connected(heard) as client:
            assert (await client.told())[0] == "HELO"
            assert await client.told() is None

    run(use, keys=Keys("key"))


@needs_openssl
def test_over_tls_messages_arrive(tmp_path: Path) -> None:
    async def use(heard: Heard) -> None:
        trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        async with connected(heard, ssl=trusted) as client:
            await client.send(event("hidden", chunk="id"))
            assert await client.told() == {"ack": "id"}

    assert run(use, tls=certificate(tmp_path)).bodies == ["hidden"]


@pytest.mark.parametrize("kind", [FluentSender, AsyncFluentSender])
def test_fluent_logger_of_python_arrives_with_its_nanoseconds(kind: type[FluentSender]) -> None:
    def work(port: int) -> None:
        sender = kind("shop", host=LOCAL, port=port, nanosecond_precision=True)
        moment = SECOND + 0.25
        for n in range(500):
            assert sender.emit_with_time("pay", EventTime(moment), {"message": f"paid {n}", "n": n})
        Event("pay", {"msg": "by event", "level": "warn"}, sender=sender)
        sender.close()

    async def use(heard: Heard) -> None:
        await asyncio.to_thread(work, heard.address[1])
        await heard.count(501)

    found = run(use)
    assert found.bodies == [*(f"paid {n}" for n in range(500)), "by event"]
    record = found.records[0]
    assert record["time"] == SECOND * 10**9 + 250_000_000
    assert record["attributes"] == {
        "n": 0, "fluent.tag": "shop.pay", "network.peer.address": LOCAL,
    }  # fmt: skip
    assert found.records[-1]["severity"] == "warn"
