"""What an agent says of itself to its gateway: at its start, each interval, and at its end.

It disturbs nothing: a thread of its own, one request at a time, no retry before the next interval,
and of failures in a row one line of the own log.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Protocol

import msgspec

from tailrace.core import limits, log
from tailrace.core.fleet import PATH, Announcement, Confirmed
from tailrace.core.metrics import Metrics
from tailrace.ship.connection import Connection, reason
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Target

_log = log.get("agent")
_jitter = random.Random()
TIMEOUT_S = 5.0
JITTER = 0.1  # of an interval, so that agents do not come all at once
_decoder = msgspec.json.Decoder(Confirmed)


class Post(Protocol):
    """Status and body of the answer to one POST. Raises OSError or NoAnswer."""

    def __call__(self, path: str, body: bytes) -> tuple[int, bytes]: ...


class Poster:
    """POSTs to whichever gateway `where` names then. Raises ConfigError as `Tls` does."""

    def __init__(self, where: Callable[[], Target], token: Token, tls: Tls) -> None:
        self._where = where
        self._token = token
        self._tls = tls

    def __call__(self, path: str, body: bytes) -> tuple[int, bytes]:
        target = self._where()
        headers = {"Content-Type": "application/json"}
        if token := self._token.header():
            headers["Authorization"] = token
        tls = self._tls.context() if target.url.scheme == "https" else None
        connection = Connection(target.url, tls, TIMEOUT_S)
        try:
            answer = connection.request("POST", target.path + path, headers, [body], TIMEOUT_S)
            return answer.status, answer.body
        finally:
            connection.close()


class Announcer:
    """`start`, later `stop`."""

    def __init__(
        self,
        compose: Callable[[bool], Announcement],
        post: Post,
        interval_s: float,
        metrics: Metrics,
        confirmed: Callable[[int], None] = lambda count: None,
    ) -> None:
        """An `interval_s` of 0 is never. `compose(stopping)` says how the agent is; `confirmed`
        hears of how many of the losses it then named are kept by the server, from the first on.
        """
        self._compose = compose
        self._post = post
        self._interval_s = interval_s
        self._metrics = metrics
        self._confirmed = confirmed
        self._failing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="agent-announce", daemon=True)

    def start(self) -> None:
        """Announce, and go on."""
        if self._interval_s:
            self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """Say that the agent stops, if the gateway hears it in time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(deadline_s)

    def run(self) -> None:
        """The thread's main function."""
        self.announce(stopping=False)
        while not self._stop.wait(self._interval_s * _jitter.uniform(1 - JITTER, 1 + JITTER)):
            self.announce(stopping=False)
        self.announce(stopping=True)

    def announce(self, stopping: bool) -> bool:
        """Once. False when the gateway did not take it."""
        try:
            status, answer = self._post(PATH, encode(self._compose(stopping)))
            taken = status == 200
            why = f"status {status}"
        except Exception as error:  # its text may hold a header, and so the token
            taken, why = False, reason(error)
        self._metrics.add("tailrace_agent_announcements_total", 1, "sent" if taken else "failed")
        if taken:
            with contextlib.suppress(msgspec.MsgspecError):
                self._confirmed(_decoder.decode(answer).confirmed_losses)
        elif not self._failing:
            _log.warning("the gateway does not hear how this agent is", extra={"why": why})
        self._failing = not taken
        return taken


def encode(said: Announcement) -> bytes:
    """As JSON that a server takes: inputs and losses that do not fit are left for later."""
    body = msgspec.json.encode(said)
    while len(body) > limits.ANNOUNCEMENT_BYTES and (said.inputs or said.losses):
        said = msgspec.structs.replace(
            said,
            inputs=said.inputs[: len(said.inputs) // 2],
            losses=said.losses[: len(said.losses) // 2],
        )
        body = msgspec.json.encode(said)
    return body
