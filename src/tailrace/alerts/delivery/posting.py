"""One POST: one connection, bounded in time and size, to an address that may be connected to."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urljoin, urlsplit

import h11

from tailrace.alerts.delivery import targets
from tailrace.alerts.delivery.checks import is_url
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core import limits, tls
from tailrace.core.visible import visible

CONNECT_S = 5.0
# By then the status has been said.
_BODY_S = 2.0
_INFORMATIONAL = 8
_REDIRECTS = 3
_RECEIVE_BYTES = 16 * limits.KIB
_WORDS = 100
_NONE: Mapping[str, str] = {}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """`body`: as much of it as came in time, at most ALERT_ANSWER_BYTES."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Judge = Callable[[Answer], None]


class Post:
    """Sends to the URLs of one receiver. `tls_ca` and `tls_cert`: PEM files, "" for the usual.
    `judge` raises NotTaken for an answer that says so."""

    def __init__(
        self, allowed: Allowed, tls_ca: str = "", tls_cert: str = "", judge: Judge | None = None
    ) -> None:
        self._allowed = allowed
        self._judge = judge or judged
        self._tls = (tls_ca, tls_cert)

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, str] = _NONE
    ) -> None:
        """Until it is taken with a status from 200 to 299. Raises NotTaken, OSError.

        Redirects by 307 and 308 are followed. `secrets` are headers for the first place only.
        """
        given = {name.lower(): value for name, value in {**headers, **secrets}.items()}
        trusted = True
        for _ in range(_REDIRECTS + 1):
            answer = await self._once(url, given, body, trusted)
            if answer.status not in (307, 308):
                return self._judge(answer)
            to = urljoin(url, answer.headers.get("location", ""))
            if not is_url(to) or (url.startswith("https:") and not to.startswith("https:")):
                raise NotTaken(f"status {answer.status}: it redirects to nowhere", lasting=True)
            if _origin(to) != _origin(url):
                trusted = False
                given = {name.lower(): value for name, value in headers.items()}
            url = to
        raise NotTaken(f"it redirects more than {_REDIRECTS} times", lasting=True)

    async def _once(
        self, url: str, headers: Mapping[str, str], body: bytes, trusted: bool
    ) -> Answer:
        if not is_url(url):
            raise NotTaken("what stands for its URL is none", lasting=True)
        parts = urlsplit(url)
        connection = h11.Connection(h11.CLIENT, limits.ALERT_ANSWER_BYTES)
        try:
            sent = _request(connection, parts, headers, body)
            async with self._connected(parts, trusted) as (reader, writer):
                writer.writelines(sent)
                await writer.drain()
                return await _answer(connection, reader)
        except h11.RemoteProtocolError:
            raise NotTaken("what it answers is no HTTP/1.1") from None
        except h11.LocalProtocolError:
            raise NotTaken("a header or the URL cannot be sent", lasting=True) from None

    @contextlib.asynccontextmanager
    async def _connected(
        self, parts: SplitResult, trusted: bool
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        context = tls_context(*self._tls) if parts.scheme == "https" else None
        found = await self._reached(host, port, context, trusted)
        try:
            yield found
        finally:
            found[1].transport.abort()

    async def _reached(
        self, host: str, port: int, context: ssl.SSLContext | None, trusted: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The first of its addresses that takes the connection."""
        async with asyncio.timeout(CONNECT_S):
            failed: OSError | None = None
            for address in await targets.addresses(host, port, trusted, self._allowed):
                try:
                    return await asyncio.open_connection(
                        address, port, ssl=context, server_hostname=host if context else None
                    )
                except ssl.SSLCertVerificationError as error:
                    words = f"its certificate is not trusted: {error.verify_message}"
                    raise NotTaken(words, lasting=True) from None
                except OSError as error:
                    failed = error
            raise failed or OSError("no address")


@lru_cache(limits.ALERT_RECEIVERS)
def tls_context(ca: str, cert: str) -> ssl.SSLContext:
    """The same for all that trust the same: it takes a megabyte. Raises NotTaken."""
    try:
        return tls.context(ca or None, cert or None) or ssl.create_default_context()
    except OSError as error:
        raise NotTaken(f"TLS: {error}", lasting=True) from None


def _request(
    connection: h11.Connection, parts: SplitResult, headers: Mapping[str, str], body: bytes
) -> list[bytes]:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = {"host": parts.netloc, "content-length": str(len(body)), "connection": "close"}
    request = h11.Request(method="POST", target=target, headers=[*{**headers, **own}.items()])
    return [
        connection.send(request) or b"",
        connection.send(h11.Data(data=body)) or b"",
        connection.send(h11.EndOfMessage()) or b"",
    ]


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    for _ in range(_INFORMATIONAL):
        event = await _event(connection, reader)
        if isinstance(event, h11.Response):
            break
        if not isinstance(event, h11.InformationalResponse):
            raise NotTaken("it ends without an answer")
    else:
        raise NotTaken("it never comes to its status")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
    body = bytearray()
    with contextlib.suppress(OSError, h11.RemoteProtocolError):
        async with asyncio.timeout(_BODY_S):
            while len(body) < limits.ALERT_ANSWER_BYTES:
                part = await _event(connection, reader)
                if not isinstance(part, h11.Data):
                    break
                body += part.data
    return Answer(event.status_code, headers, bytes(body[: limits.ALERT_ANSWER_BYTES]))


async def _event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(_RECEIVE_BYTES))
    return event


def judged(answer: Answer) -> None:
    """Raises NotTaken when it says that the notice was not taken."""
    if 200 <= answer.status < 300:
        return
    words = visible(answer.body[:_WORDS].decode("utf-8", "replace").strip())
    wait = answer.headers.get("retry-after", "")
    raise NotTaken(
        f"status {answer.status}" + (f": {words}" if words else ""),
        lasting=300 <= answer.status < 500 and answer.status not in (408, 425, 429),
        retry_after_s=float(wait) if re.fullmatch(r"\d{1,9}", wait, re.ASCII) else None,
    )


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
