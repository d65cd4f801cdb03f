"""The syslog doors: what senders over UDP, TCP and TLS write arrives, or is counted as lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from listeners import LOCAL, Heard, certificate, hear, needs_openssl

from tailrace.core import limits
from tailrace.core.errors import Busy, ConfigError, Poison
from tailrace.gateway.door import Door
from tailrace.gateway.listening import datagrams, syslogtcp
from tailrace.gateway.listening.networks import Networks
from tailrace.gateway.listening.syslogtcp import SyslogStreams
from tailrace.gateway.listening.syslogudp import SyslogDatagrams

Use = Callable[[Heard], Awaitable[None]]


def udp(use: Use, **options: Any) -> Heard:
    return hear(lambda door: SyslogDatagrams(door, "default", LOCAL, 0, **options), use)


def tcp(use: Use, tls: ssl.SSLContext | None = None, **options: Any) -> Heard:
    return hear(lambda door: SyslogStreams(door, "default", LOCAL, 0, tls, **options), use)


def send(heard: Heard, *messages: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, heard.address)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def connected(heard: Heard, **options: Any) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(*heard.address, **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


async def closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10.0):
        return await reader.read(1) == b""


def test_datagrams_become_records_with_their_senders_address() -> None:
    async def use(heard: Heard) -> None:
        send(heard, b"<34>1 2026-03-02T10:14:15Z mine su 7 - - x\n", b"<14>hostless\0")
        await heard.count(2)

    found = udp(use)
    assert found.records[0] == {
        "severity": "crit", "service": "su", "time": 1772446455000000000, "body": "x",
        "attributes": {
            "syslog.facility": "auth", "syslog.procid": "7", "network.peer.address": LOCAL,
        },
        "resource": {"service.name": "su", "host.name": "mine"},
    }  # fmt: skip
    assert found.records[1]["resource"] == {"host.name": LOCAL}
    assert found.sink.frames[0].header.tenant == "default"


@pytest.mark.parametrize("many", [True, False], ids=["recvmmsg", "recvfrom"])
def test_a_burst_of_datagrams_arrives_whole(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    if not many:
        monkeypatch.setattr(datagrams.ctypes, "PyDLL", lambda *args, **options: None)
    number = 3_000

    async def use(heard: Heard) -> None:
        send(heard, *(b"<14>Mar  2 11:14:15 mine su: %d" % n for n in range(number)))
        await heard.count(number)

    found = udp(use)
    assert sorted(map(int, found.bodies)) == list(range(number))
    assert found.dropped("udp") == 0


def test_what_waits_in_the_socket_at_the_stop_is_taken() -> None:
    async def use(heard: Heard) -> None:
        send(heard, *[b"<14>x"] * 1_000)

    assert udp(use).rows == 1_000


def test_while_the_sink_is_busy_datagrams_are_held_and_then_dropped_with_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DATAGRAMS_WAITING_BYTES", 64 * limits.KIB)
    number = 4_000

    async def use(heard: Heard) -> None:
        heard.sink.failure = Busy("full", 0.05)
        for _ in range(number // 10):
            send(heard, *[b"<14>" + b"x" * 1_000] * 10)
            await asyncio.sleep(0)
        await heard.until(lambda: heard.dropped("udp") > 0)
        heard.sink.failure = None
        await heard.until(lambda: heard.rows + heard.dropped("udp") >= number)

    found = udp(use, limit_bytes=limits.MIB)
    assert found.rows + found.dropped("udp") == number
    assert found.rows >= limits.MIB // 1_100
    assert found.rejected("busy") > 0


def test_what_cannot_be_kept_before_the_stop_is_counted() -> None:
    async def use(heard: Heard) -> None:
        heard.sink.failure = Busy("full", 60.0)
        send(heard, b"<14>lost", b"<14>lost")
        await heard.until(lambda: heard.rejected("busy") > 0)
        await heard.listener.close(0.05)
        assert heard.dropped("stopped") == 2

    udp(use)


@pytest.mark.parametrize(
    ("failure", "reason"), [(Poison("never"), "poison"), (RuntimeError("a bug"), "malformed")]
)
def test_what_can_never_be_kept_is_counted_and_stops_nothing(
    failure: Exception, reason: str
) -> None:
    async def use(heard: Heard) -> None:
        heard.sink.failure = failure
        send(heard, b"<14>one", b"<14>two")
        await heard.until(lambda: heard.dropped(reason) == 2)
        heard.sink.failure = None
        send(heard, b"<14>three")
        await heard.count(1)

    assert udp(use).bodies == ["three"]


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_sender_of_ipv4_has_the_same_address_on_a_socket_of_ipv6(kind: str) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    listener = SyslogDatagrams if kind == "udp" else SyslogStreams

    async def use(heard: Heard) -> None:
        with socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as one:
            one.connect((LOCAL, heard.address[1]))
            one.send(b"<14>x\n")
            await heard.count(1)

    (record,) = hear(lambda door: listener(door, "default", "::", 0), use).records
    assert record["resource"]["host.name"] == LOCAL


def test_an_address_that_is_taken_is_an_error_that_says_so() -> None:
    async def use(heard: Heard) -> None:
        with pytest.raises(ConfigError, match="cannot be used"):
            await SyslogStreams(_door(heard), "default", *heard.address).start()

    tcp(use)


def _door(heard: Heard) -> Door:
    found: Door = heard.listener.batches._door
    return found


def test_both_framings_arrive_over_one_connection_and_the_end_of_it_ends_a_message() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as (_, writer):
            writer.write(b"9 <14>a\nb\nc<14>one\r\n<14>two\0<14>thr")
            writer.write(b"ee")
        await heard.count(4)

    assert tcp(use).bodies == ["a\nb\nc", "one", "two", "three"]


def test_a_message_that_is_too_long_is_cut_and_a_torn_one_is_kept() -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as (_, writer):
            writer.write(b"<14>" + b"x" * 2 * limits.LINE_BYTES + b"\n99 <14>torn")
        await heard.count(2)

    found = tcp(use)
    assert found.bodies[1] == "torn"
    assert (found.repaired("torn"), found.repaired("line_length")) == (1, 2)


def test_while_the_sink_is_busy_senders_wait_and_nothing_is_lost() -> None:
    line = b"<14>" + b"x" * 1_000 + b"\n"

    async def use(heard: Heard) -> None:
        heard.sink.failure = Busy("full", 0.05)
        number = 0
        async with connected(heard) as (_, writer):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    while number < 64_000:
                        writer.write(line * 64)
                        number += 64
                        await writer.drain()
            assert 1_000 < number < 64_000
            heard.sink.failure = None
        await heard.count(number)
        assert heard.rows == number

    found = tcp(use, limit_bytes=limits.MIB)
    assert found.dropped("stopped") == 0


def test_connections_are_bounded_and_a_quiet_one_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def use(heard: Heard) -> None:
        async with connected(heard) as first, connected(heard) as second:
            first[1].write(b"<14>a\n")
            await heard.count(1)
            second[1].write(b"<14>b\n")
            await heard.count(2)
            async with connected(heard) as (refused, _):
                assert await closed(refused)
            assert heard.rejected("connections") == 1
            monkeypatch.setattr(limits, "LISTENER_SPARE_S", 0.02)
            await asyncio.sleep(0.05)
            async with connected(heard) as (_, third):
                third.write(b"<14>c\n")
                await heard.count(3)
                assert await closed(first[0])
                assert heard.metrics.get("tailrace_ingest_connections", "syslog") == 2

    tcp(use, connections=2)


def test_a_connection_that_says_nothing_for_long_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "LISTENER_IDLE_S", 0.05)
    monkeypatch.setattr(syslogtcp, "_EXPIRE_S", 0.05)

    async def use(heard: Heard) -> None:
        async with connected(heard) as (reader, writer):
            writer.write(b"<14>unfinished")
            assert await closed(reader)

    assert tcp(use).bodies == ["unfinished"]


def test_messages_that_never_end_are_bounded_over_all_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "UNFINISHED_BYTES", 3 * limits.LINE_BYTES // 2)

    async def use(heard: Heard) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(4):
                _, writer = await stack.enter_async_context(connected(heard))
                writer.write(b"<14>" + b"x" * (limits.LINE_BYTES // 2))
                await writer.drain()
            await heard.until(lambda: heard.rejected("unfinished") > 0)

    found = tcp(use)
    assert found.rows == 4
    assert found.listener._unfinished_bytes == 0


def test_hostile_senders_stop_nothing() -> None:
    async def use(heard: Heard) -> None:
        for data in (b"\xff" * 70_000, b"9" * 300_000, b"\0" * 70_000, b"<14>1 " + b"[a " * 50_000):
            async with connected(heard) as (_, writer):
                writer.write(data)
                await writer.drain()
        with socket.create_connection(heard.address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(b"<14>reset")
        async with connected(heard) as (_, writer):
            writer.write(b"<14>fine\n")
            await heard.until(lambda: "fine" in heard.bodies)

    tcp(use)


@pytest.mark.parametrize(
    ("networks", "peer", "admitted"),
    [
        ([], "anything", True),
        (["10.0.0.0/8", "fd00::/8"], "10.1.2.3", True),
        (["10.0.0.0/8", "fd00::/8"], "fd00::1%eth0", True),
        (["10.0.0.0/8", "fd00::/8"], "11.1.2.3", False),
        (["10.0.0.0/8"], "", False),
    ],
)
def test_a_peer_is_of_a_network_or_it_is_not(
    networks: list[str], peer: str, admitted: bool
) -> None:
    assert Networks(networks).admits(peer) is admitted


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_senders_of_other_networks_are_refused_and_counted(kind: str) -> None:
    elsewhere = Networks(["10.0.0.0/8"])

    async def use(heard: Heard) -> None:
        if kind == "udp":
            send(heard, b"<14>x")
        else:
            async with connected(heard) as (reader, _):
                assert await closed(reader)
        await heard.until(lambda: heard.rejected("network") == 1)

    assert (udp if kind == "udp" else tcp)(use, networks=elsewhere).rows == 0


@needs_openssl
def test_over_tls_messages_arrive_and_those_without_it_do_not(tmp_path: Path) -> None:
    async def use(heard: Heard) -> None:
        trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        async with connected(heard) as (plain, writer):
            writer.write(b"<14>in the clear\n" * 100)
            assert await closed(plain)
        async with connected(heard, ssl=trusted) as (_, writer):
            writer.write(b"10 <14>hidden")
            await heard.count(1)

    assert tcp(use, certificate(tmp_path)).bodies == ["hidden"]


@needs_openssl
def test_with_mutual_tls_a_sender_without_a_certificate_is_refused(tmp_path: Path) -> None:
    context = certificate(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "cert.pem")
    trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")

    async def use(heard: Heard) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            async with connected(heard, ssl=trusted) as (reader, writer):
                writer.write(b"<14>nobody\n")
                assert await closed(reader)
        trusted.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        async with connected(heard, ssl=trusted) as (_, writer):
            writer.write(b"<14>known\n")
            await heard.count(1)

    assert tcp(use, context).bodies == ["known"]
