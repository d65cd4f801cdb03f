"""One server: where it is, who asks it, and a question to it over HTTP.

From the standard library and msgspec alone.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError

T = TypeVar("T")

# A query may wait for its turn, and a server may be configured to give it longer than by default.
TIMEOUT_S = 2 * limits.QUERY_SECONDS + 15
_REFUSAL_BYTES = 4096
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


class Server(msgspec.Struct, frozen=True):
    """Where to ask, and with what. `tls` is None for what the system trusts.

    All methods raise QueryError when the server refuses what is asked, and StoreError when it
    cannot be asked.
    """

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What proves who asks."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def get(self, path: str, asked: Mapping[str, object], timeout_s: float = TIMEOUT_S) -> bytes:
        """The answer to a GET of `path` with `asked` as its parameters."""
        return self._read(f"{path}?{urllib.parse.urlencode(asked)}", None, timeout_s)

    def post(self, path: str, body: bytes) -> bytes:
        """The answer to a POST of the JSON `body`."""
        return self._read(path, body, TIMEOUT_S)

    def submit(self, path: str, form: Mapping[str, object]) -> Any:
        """The response to a POST of `form`, to be read and closed."""
        return self._open(path, urllib.parse.urlencode(form).encode(), _FORM, TIMEOUT_S)

    def parse(self, body: bytes, form: type[T]) -> T:
        """The answer `body` as `form`. Raises StoreError when it is none."""
        try:
            return msgspec.json.decode(body, type=form)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            message = f"{self.url} does not answer as a tailrace server: {error}"
            raise StoreError(message) from None

    def _read(self, path: str, sent: bytes | None, timeout_s: float) -> bytes:
        with self._open(path, sent, _JSON, timeout_s) as answer:
            return self.read(answer)

    def read(self, answer: Any) -> bytes:
        """All of a response. Raises StoreError beyond CLIENT_ANSWER_BYTES."""
        most = limits.CLIENT_ANSWER_BYTES
        try:
            body: bytes = answer.read(most + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._unasked(error) from None
        if len(body) > most:
            raise StoreError(f"{self.url} answers with more than {most} bytes; ask for less")
        return body

    def _open(self, path: str, sent: bytes | None, media: str, timeout_s: float) -> Any:
        if not self.url.startswith(("http://", "https://")):
            raise StoreError(f"--url {self.url} is no http:// or https:// address")
        headers = self.headers if sent is None else {**self.headers, "Content-Type": media}
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self.url.rstrip('/')}{path}", data=sent, headers=headers
        )
        try:
            return urllib.request.urlopen(request, timeout=timeout_s, context=self.tls)  # noqa: S310
        except urllib.error.HTTPError as error:
            with error:
                words = said(error.read(_REFUSAL_BYTES))
            raise QueryError(f"{words or error.reason} ({error.code})") from None
        except (OSError, http.client.HTTPException) as error:
            raise self._unasked(error) from None

    def _unasked(self, error: Exception) -> StoreError:
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or reason
        return StoreError(f"cannot ask {self.url}: {why}; is `tailrace up` running?")


class _Message(msgspec.Struct):
    msg: str = ""


class _Refused(msgspec.Struct):
    error: str = ""
    errors: list[_Message] | None = None


def said(body: bytes) -> str:
    """The words of an error: Loki's are text, those of the other APIs stand in JSON; a page is not
    ours."""
    if body.lstrip().startswith(b"<"):
        return "what answers is no tailrace server"
    try:
        refused = msgspec.json.decode(body, type=_Refused)
    except msgspec.MsgspecError:
        return body.decode("utf-8", "replace").strip()
    return refused.error or "; ".join(one.msg for one in refused.errors or ())
