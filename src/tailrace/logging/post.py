"""Batches to /ingest/records over HTTP: one try, and what its answer means."""

from __future__ import annotations

import codecs
import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

from tailrace.core import limits
from tailrace.core.backoff import LARGEST_RETRY_AFTER_S, backoff_s, slow_s
from tailrace.core.errors import ConfigError

PATH = "/ingest/records"
TIMEOUT_S = 10.0
_NEVER = (400, 413, 415, 422)
_SETTING = (401, 403, 404, 405)
_JSON = "application/json"
_TOO_LARGE = 413

# Every connection looks this codec up, and the first look-up imports it: a fork at that moment
# would leave the child a module that is locked for ever.
codecs.lookup("idna")


class Refused(Exception):
    """The gateway will never take this body; `too_large` says that a smaller one may do."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.too_large = status == _TOO_LARGE


class Later(Exception):
    """Nothing is known to be stored; try again after `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class Post:
    """Keeps one connection. One thread."""

    def __init__(self, url: str, token: str, complain: Callable[[str], None]) -> None:
        """`complain` is told what a person must put right. Raises ConfigError."""
        try:
            self._url = urlsplit(url)
            self._port = self._url.port
            right = self._url.scheme in ("http", "https") and self._url.hostname
        except ValueError:
            right = False
        if not right:
            raise ConfigError("url: must be an http or https URL such as http://127.0.0.1:7480")
        if self._url.username or self._url.password or self._url.query:
            raise ConfigError("url: must hold no user, password or query; give `token` instead")
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "Content-Encoding": "zstd",
            "User-Agent": "tailrace-logging",
        }
        if token:
            if not (token.isascii() and token.isprintable()):
                raise ConfigError("token: must be printable ASCII")
            self._headers["Authorization"] = f"Bearer {token}"
        self._complain = complain
        self._failures = 0
        self._connection: http.client.HTTPConnection | None = None

    @property
    def address(self) -> str:
        """Where to, for messages."""
        return f"{self._url.scheme}://{self._url.netloc}"

    def send(self, body: bytes, key: str) -> None:
        """POST a zstd `body`; the gateway stores one `key` once. Raises Refused or Later."""
        reused = self._connection is not None
        try:
            try:
                answer = self._post(body, key)
            except (ConnectionError, http.client.BadStatusLine):
                if not reused:
                    raise
                self.close()  # the gateway had closed an idle connection
                answer = self._post(body, key)
        except (OSError, http.client.HTTPException, ValueError):  # ValueError: no such host name
            raise self._failed(None) from None
        self._judge(answer)

    def _post(self, body: bytes, key: str) -> http.client.HTTPResponse:
        if self._connection is None:
            kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
            if self._url.scheme == "https":
                kind = http.client.HTTPSConnection
            self._connection = kind(self._url.hostname or "", self._port, timeout=TIMEOUT_S)
        headers = {**self._headers, "Idempotency-Key": key}
        self._connection.request("POST", self._url.path.rstrip("/") + PATH, body, headers)
        answer = self._connection.getresponse()
        answer.read(limits.GATEWAY_ANSWER_BYTES)
        if not answer.isclosed():
            self.close()
        return answer

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        kind = answer.getheader("Content-Type", _JSON).partition(";")[0].strip().lower()
        if answer.status == 200 and kind == _JSON:
            self._failures = 0
            return
        if answer.status in _NEVER:
            self._complain(f"{self.address} refuses records with status {answer.status}")
            raise Refused(answer.status)
        # Below 400 it is no gateway: what takes anything, such as a login page, has kept nothing.
        if answer.status in _SETTING or 200 <= answer.status < 400:
            self._complain(
                f"{self.address} answers {answer.status}: check the url and the token of the "
                "logging handler; records wait until it takes them"
            )
            self._failed(None)
            raise Later(slow_s())
        raise self._failed(answer.getheader("Retry-After"))

    def _failed(self, retry_after: str | None) -> Later:
        self.close()
        self._failures += 1
        wait_s = backoff_s(self._failures)
        if retry_after and retry_after.isascii() and retry_after.isdecimal():
            wait_s += min(float(retry_after[:9]), LARGEST_RETRY_AFTER_S)
        return Later(wait_s)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None
