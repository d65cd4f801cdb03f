"""Bodies to a gateway over HTTP, for as long as it takes."""

from __future__ import annotations

import http.client
import random
from urllib.parse import urlsplit

from tailrace.core import log

_log = log.get("agent")
TIMEOUT_S = 30.0
LARGEST_BACKOFF_S = 30.0
ANSWER_BYTES = 65536


class Refused(Exception):  # noqa: N818
    """The gateway will never take this body."""


class Later(Exception):  # noqa: N818
    """Nothing was taken; try again after `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class Sender:
    """Keeps one connection; moves to the next gateway when one fails. One thread."""

    def __init__(self, gateways: list[str], token: str) -> None:
        self._gateways = gateways
        self._token = token
        self._current = 0
        self._failures = 0
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> None:
        """POST a body of frames. Raises Refused or Later."""
        headers = {"Content-Type": "application/x-tailrace-frames"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            connection = self._connect()
            connection.request("POST", "/ingest/frames", body, headers)
            answer = connection.getresponse()
            answer.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            _log.warning("gateway not reached", extra={"error": type(error).__name__})
            raise self._failed(None) from None
        self._judge(answer)

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        if answer.status == 200:
            self._failures = 0
            return
        if answer.status in (400, 413, 415):
            raise Refused(f"status {answer.status}")
        _log.warning("gateway is not taking frames", extra={"status": answer.status})
        raise self._failed(answer.getheader("Retry-After"))

    def _failed(self, retry_after: str | None) -> Later:
        self.close()
        self._current += 1
        self._failures += 1
        if retry_after and retry_after.isdigit():
            return Later(min(float(retry_after), LARGEST_BACKOFF_S) + random.random())
        return Later(
            random.uniform(0.05, min(LARGEST_BACKOFF_S, 0.2 * 2 ** min(self._failures, 9)))
        )

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            url = urlsplit(self._gateways[self._current % len(self._gateways)])
            kind = (
                http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
            )
            self._connection = kind(url.hostname or "127.0.0.1", url.port, timeout=TIMEOUT_S)
        return self._connection

    def close(self) -> None:
        """Drop the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None
