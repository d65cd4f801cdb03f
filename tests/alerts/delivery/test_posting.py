"""One POST over real sockets, to receivers of every kind of ill will."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.app.certificates import served as served_as
from webhooks import OK, serving, status

from tailrace.alerts.delivery import posting
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.posting import Post
from tailrace.alerts.delivery.targets import allowed

ANYWHERE = allowed(["127.0.0.0/8"])


async def refused(url: str, poster: Post | None = None) -> NotTaken:
    with pytest.raises(NotTaken) as error:
        await (poster or Post(allowed([]))).post(url, {}, b"{}")
    return error.value


def test_a_body_arrives_with_its_headers() -> None:
    async def run() -> None:
        async with serving() as served:
            url = served.url + "?a=b"
            await Post(allowed([])).post(url, {"X-A": "1"}, b"{}", {"Authorization": "Bearer t"})
            (one,) = served.received
            assert one.head.startswith("POST /hook?a=b HTTP/1.1\r\n")
            assert one.header("host") == f"127.0.0.1:{served.port}"
            assert (one.header("x-a"), one.header("authorization")) == ("1", "Bearer t")
            assert one.body == b"{}"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "lasting"),
    [(500, False), (503, False), (429, False), (408, False), (400, True), (404, True), (302, True)],
)
def test_a_status_that_is_not_2xx_is_a_failure(code: int, lasting: bool) -> None:
    async def run() -> None:
        async with serving(status(code, body="no such\x1b hook")) as served:
            error = await refused(served.url)
            assert str(error) == f"status {code}: no such\\x1b hook"
            assert error.lasting is lasting

    asyncio.run(run())


def test_retry_after_is_read() -> None:
    async def run() -> None:
        async with serving(status(503, "Retry-After: 17")) as served:
            assert (await refused(served.url)).retry_after_s == 17

    asyncio.run(run())


def test_a_redirect_is_followed_with_the_body_and_without_secrets() -> None:
    async def run() -> None:
        async with serving() as last:
            location = f"Location: http://127.0.0.1:{last.port}/there"
            async with serving(status(307, location)) as first:
                poster = Post(ANYWHERE)
                await poster.post(first.url, {"X-A": "1"}, b"{}", {"Authorization": "Bearer t"})
            (one,) = last.received
            assert one.body == b"{}"
            assert (one.header("x-a"), one.header("authorization")) == ("1", "")

    asyncio.run(run())


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://127.0.0.2:1/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
        "http://localhost:1/",
    ],
)
def test_a_redirect_does_not_lead_to_a_private_address(target: str) -> None:
    async def run() -> None:
        async with serving(status(308, f"Location: {target}")) as served:
            error = await refused(served.url)
            assert "no address that may be connected to" in str(error)
            assert error.lasting

    asyncio.run(run())


def test_a_redirect_to_itself_ends() -> None:
    async def run() -> None:
        async with serving(status(307, "Location: /hook")) as served:
            error = await refused(served.url)
            assert "redirects more than" in str(error)
            assert len(served.received) == 4

    asyncio.run(run())


@pytest.mark.parametrize("location", ["ftp://a/", "http://u@h/", "http://h:99999/"])
def test_a_redirect_to_what_is_no_url_leads_nowhere(location: str) -> None:
    async def run() -> None:
        async with serving(status(307, f"Location: {location}")) as served:
            assert "nowhere" in str(await refused(served.url))

    asyncio.run(run())


def test_an_endless_body_is_not_read_to_its_end() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()

    async def run() -> None:
        async with serving(endless) as served:
            await Post(allowed([])).post(served.url, {}, b"{}")

    asyncio.run(run())


def test_a_body_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def run() -> None:
        monkeypatch.setattr(posting, "_BODY_S", 0.1)
        async with serving(drip) as served:
            began_s = time.monotonic()
            await Post(allowed([])).post(served.url, {}, b"{}")
            assert time.monotonic() - began_s < 5

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "no HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "no HTTP/1.1"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "never comes"),
    ],
    ids=["nothing", "a huge header", "many headers", "ssh", "always 100"],
)
def test_what_is_no_answer_is_a_failure(said: bytes, words: str) -> None:
    async def run() -> None:
        async with serving(said) as served:
            error = await refused(served.url)
            assert words in str(error)
            assert not error.lasting

    asyncio.run(run())


def test_a_connection_that_ends_within_the_body_was_an_answer() -> None:
    async def run() -> None:
        async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf") as served:
            await Post(allowed([])).post(served.url, {}, b"{}")

    asyncio.run(run())


def test_a_receiver_that_does_not_answer_is_left_when_the_time_is_over() -> None:
    async def run() -> None:
        async with serving(lambda writer: asyncio.Event().wait()) as served:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await Post(allowed([])).post(served.url, {}, b"{}")

    asyncio.run(run())


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    async def run() -> None:
        async with serving() as served:
            url = served.url
        with pytest.raises(OSError, match=r"\S"):
            await Post(allowed([])).post(url, {}, b"{}")

    asyncio.run(run())


@pytest.mark.parametrize("name", ["X-A", "Authorization"])
def test_a_header_that_cannot_be_sent_is_a_failure_that_does_not_show_it(name: str) -> None:
    async def run() -> None:
        async with serving() as served:
            with pytest.raises(NotTaken) as error:
                await Post(allowed([])).post(served.url, {}, b"{}", {name: "s3cret\r\nX-B: 1"})
            assert error.value.lasting
            assert "s3cret" not in str(error.value)
            assert not served.received

    asyncio.run(run())


def test_a_certificate_of_the_configured_authority_is_trusted(home: Path) -> None:
    async def run() -> None:
        async with serving(OK, served_as(home)) as served:
            url = served.url.replace("http:", "https:")
            await Post(allowed([]), str(home / "ca.pem")).post(url, {}, b"{}")
            assert len(served.received) == 1

    asyncio.run(run())


def test_a_certificate_of_nobody_known_is_a_failure_that_a_person_mends(home: Path) -> None:
    async def run() -> None:
        async with serving(OK, served_as(home)) as served:
            error = await refused(served.url.replace("http:", "https:"))
            assert "not trusted" in str(error)
            assert error.lasting

    asyncio.run(run())


def test_what_answers_tls_without_it_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr(posting, "CONNECT_S", 0.2)
        async with serving() as served:
            with pytest.raises((OSError, NotTaken)):
                await Post(allowed([])).post(served.url.replace("http:", "https:"), {}, b"{}")

    asyncio.run(run())
