"""Bodies of frames to a gateway over HTTP, for as long as it takes."""

from __future__ import annotations

import http.client
import random
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from tailrace.agent.rejected import Rejected
from tailrace.agent.spool import Entry, Spool
from tailrace.core import limits, log
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.wire import frames

_log = log.get("agent")
_jitter = random.Random()
PATH = "/ingest/frames"
TIMEOUT_S = 30.0
FIRST_BACKOFF_S = 0.2
LARGEST_BACKOFF_S = 30.0
LARGEST_RETRY_AFTER_S = 300.0
# A credential or an address that is wrong is put right by a person.
SLOW_S = 15.0
# A body is held in memory; larger ones saved no CPU.
SHIP_BYTES = limits.MIB
_ANSWER_BYTES = 64 * limits.KIB
_NEVER = (400, 413, 415, 422)
_SETTING = (401, 403, 404, 405)


class Refused(Exception):  # noqa: N818 - reads as the condition it reports
    """The gateway will never take this body."""


class Later(Exception):  # noqa: N818
    """Nothing is known to be taken; try again after `wait_s`."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


class Sender:
    """Keeps one connection; moves to the next gateway when one fails. One thread."""

    def __init__(self, gateways: Sequence[str], token: str) -> None:
        self._urls = [urlsplit(gateway) for gateway in gateways]
        for gateway, url in zip(gateways, self._urls, strict=True):
            if url.scheme not in ("http", "https") or not url.hostname:
                raise ConfigError(f"agent.gateways: {gateway!r} is not an http or https URL")
        if not self._urls:
            raise ConfigError("agent.gateways: name at least one gateway")
        self._headers = {"Content-Type": frames.MEDIA_TYPE}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._current = 0
        self._failures = 0
        self._connection: http.client.HTTPConnection | None = None

    @property
    def gateway(self) -> str:
        """The base URL of the gateway that is tried now."""
        return self._urls[self._current].geturl()

    def send(self, body: Sequence[bytes]) -> None:
        """POST the parts of a body of frames. Raises Refused or Later."""
        reused = self._connection is not None
        try:
            try:
                answer = self._post(body)
            except (ConnectionError, http.client.BadStatusLine):
                if not reused:
                    raise
                self.close()  # the gateway had closed an idle connection
                answer = self._post(body)
        except (OSError, http.client.HTTPException) as error:
            gateway = self._urls[self._current].netloc
            why = type(error).__name__
            _log.warning("gateway not reached", extra={"gateway": gateway, "why": why})
            raise self._failed(None) from None
        self._judge(answer)

    def _post(self, body: Sequence[bytes]) -> http.client.HTTPResponse:
        url = self._urls[self._current]
        if self._connection is None:
            kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
            if url.scheme == "https":
                kind = http.client.HTTPSConnection
            self._connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_S)
        headers = {**self._headers, "Content-Length": str(sum(map(len, body)))}
        self._connection.request("POST", url.path.rstrip("/") + PATH, body, headers)
        answer = self._connection.getresponse()
        answer.read(_ANSWER_BYTES)
        if not answer.isclosed():
            self.close()
        return answer

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        if 200 <= answer.status < 300:
            self._failures = 0
            return
        if answer.status in _NEVER:
            raise Refused(f"status {answer.status}")
        gateway = self._urls[self._current].netloc
        if answer.status in _SETTING:
            _log.error(
                "gateway refuses this agent: check agent.token and agent.gateways",
                extra={"gateway": gateway, "status": answer.status},
            )
            self._failed(None)
            raise Later(SLOW_S * _jitter.uniform(0.5, 1.5))
        _log.warning("gateway is busy", extra={"gateway": gateway, "status": answer.status})
        raise self._failed(answer.getheader("Retry-After"))

    def _failed(self, retry_after: str | None) -> Later:
        """Full jitter, so that agents do not come back all at once."""
        self.close()
        self._current = (self._current + 1) % len(self._urls)
        self._failures += 1
        ceiling_s = min(LARGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        wait_s = _jitter.uniform(0.0, ceiling_s)
        if retry_after and retry_after.isdecimal():
            wait_s += min(float(retry_after), LARGEST_RETRY_AFTER_S)
        return Later(wait_s)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None


class Shipper:
    """Takes entries out of the spool, in order, until told to stop.

    `stop` is set: no more waiting for the gateway than a first try. `finish` is set: all that
    will be in the spool is there; the thread ends when it is shipped.
    """

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        rejected: Rejected,
        metrics: Metrics,
        wait_s: float,
    ) -> None:
        self._spool = spool
        self._sender = sender
        self._rejected = rejected
        self._metrics = metrics
        self._wait_s = wait_s
        self.oldest_ns = 0  # when the oldest frame that no gateway has was read; 0: there is none
        self.new = threading.Event()
        self.finish = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        """Ship until the end. The thread's main function."""
        while not self.stop.is_set():
            self.new.clear()
            finishing = self.finish.is_set()
            try:
                entries = self._spool.read(SHIP_BYTES, limits.FRAMES_PER_BODY)
            except OSError as error:
                _log.error("spool cannot be read", extra={"why": str(error)})
                self.stop.wait(1.0)
                continue
            self.oldest_ns = frames.received_ns(entries[0].frame) if entries else 0
            if entries:
                self._deliver(entries)
            elif finishing:
                break
            else:
                self.new.wait(self._wait_s)
        self._sender.close()

    def _deliver(self, entries: list[Entry]) -> bool:
        """True when all are taken or set aside; False when told to stop before."""
        try:
            if not self._send(entries):
                return False
        except Refused as refused:
            if len(entries) > 1:
                return all(self._deliver([entry]) for entry in entries)
            self._rejected.keep(entries[0], str(refused))
        else:
            self._metrics.add("tailrace_agent_frames_sent_total", len(entries))
        self._spool.ack(entries[-1].note.entry)
        return True

    def _send(self, entries: list[Entry]) -> bool:
        body = [frames.MAGIC, *(entry.frame for entry in entries)]
        while not self.stop.is_set():
            try:
                self._sender.send(body)
                return True
            except Later as later:
                self._metrics.add("tailrace_agent_retries_total")
                self.stop.wait(later.wait_s)
        return False
