"""Bodies of frames to a gateway over HTTP, for as long as it takes: the hot lane at once, the bulk
lane when there is nothing hot to send and its pace allows."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tailrace.agent.delivery.connection import CONNECT_S, Answer, Closed, Connection, NoAnswer
from tailrace.agent.delivery.credentials import Tls, Token
from tailrace.agent.delivery.entries import Entry
from tailrace.agent.delivery.gateways import Gateways, Target
from tailrace.agent.delivery.pacing import Pacing
from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.delivery.spool import Spool
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.wire import frames

_log = log.get("agent")
PATH = "/ingest/frames"
# A body is held in memory; larger ones saved no CPU.
SHIP_BYTES = limits.MIB
FAILURE_S = 1.0
# Asking whether a gateway is back holds up the one that serves.
PROBE_CONNECT_S = 1.0
PROBE_ANSWER_S = 1.0
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
    """Keeps one connection; what the gateways answer decides who is next. One thread."""

    def __init__(self, gateways: Gateways, token: Token, tls: Tls) -> None:
        self._gateways = gateways
        self._token = token
        self._tls = tls
        self._target: Target | None = None
        self._connection: Connection | None = None

    @property
    def target(self) -> Target:
        """The gateway that was used last, and before the first the nearest."""
        return self._target or self._gateways.order[0]

    def send(self, body: Sequence[bytes]) -> None:
        """POST the parts of a body of frames, once. Raises Refused or Later."""
        self._probe()
        target, wait_s = self._gateways.pick()
        if target is None:
            raise Later(wait_s)
        if target is not self._target:
            self.close()
            self._target = target
        try:
            answer = self._post(target, body)
        except (OSError, NoAnswer) as error:
            why = str(error) if isinstance(error, NoAnswer) else type(error).__name__
            _log.warning("gateway not reached", extra={"gateway": target.name, "why": why})
            self._gateways.failed(target)
            raise self._later() from None
        self._judge(target, answer)

    def _post(self, target: Target, body: Sequence[bytes]) -> Answer:
        headers = {"Content-Type": frames.MEDIA_TYPE}
        if token := self._token.header():
            headers["Authorization"] = token
        path = target.path + PATH
        reused = self._connection is not None and self._connection.usable
        if reused and self._connection:
            try:
                return self._connection.request("POST", path, headers, body)
            except TimeoutError:
                raise
            except (OSError, Closed):
                pass  # the gateway had closed an idle connection
        self._connection = self._connect(target, CONNECT_S)
        return self._connection.request("POST", path, headers, body)

    def _connect(self, target: Target, connect_s: float) -> Connection:
        tls = self._tls.context() if target.url.scheme == "https" else None
        return Connection(target.url, tls, connect_s)

    def _judge(self, target: Target, answer: Answer) -> None:
        status, wait_s = answer.status, answer.retry_after_s
        if 200 <= status < 300:
            self._gateways.served(target)
            return
        if status in _NEVER:
            self._gateways.served(target)
            raise Refused(f"status {status}")
        extra = {"gateway": target.name, "status": status}
        if status in _SETTING:
            _log.error(
                "gateway refuses this agent: check agent.token and agent.gateways", extra=extra
            )
            self._gateways.failed(target, slow=True)
        else:
            _log.warning("gateway is busy", extra=extra)
            if status == 429:
                self._gateways.throttled(wait_s or 1.0)
            elif status == 503 and wait_s is not None:
                self._gateways.full(target, wait_s)
            else:
                self._gateways.failed(target)
        raise self._later()

    def _later(self) -> Later:
        return Later(self._gateways.pick()[1])

    def _probe(self) -> None:
        """Now and then, while away from the nearest gateway."""
        target = self._gateways.probe()
        if target is None:
            return
        try:
            connection = self._connect(target, PROBE_CONNECT_S)
            answer = connection.request("GET", target.path + "/ready", answer_s=PROBE_ANSWER_S)
            connection.close()
        except (OSError, NoAnswer):
            return
        if answer.status == 200:
            _log.info("a nearer gateway is back", extra={"gateway": target.name})
            self._gateways.served(target)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None


class Shipper:
    """Takes entries out of the spool, in order, until told to stop.

    `stop` is set: no more waiting for the gateway than a first try. `finish` is set: all that
    will be in the spool is there; the thread ends when it is shipped, but for bulk that is to wait.
    """

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        pacing: Pacing,
        rejected: Rejected,
        clock: Clock,
        metrics: Metrics,
        wait_s: float,
    ) -> None:
        self._spool = spool
        self._sender = sender
        self._pacing = pacing
        self._rejected = rejected
        self._clock = clock
        self._metrics = metrics
        self._wait_s = wait_s
        self._bulk_s = float("-inf")
        self.new = threading.Event()
        self.finish = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        """Ship until the end. The thread's main function."""
        while not self.stop.is_set():
            self.new.clear()
            finishing = self.finish.is_set()
            try:
                busy = self.round()
            except Exception as error:
                self._failed(error)
                continue
            if busy:
                continue
            if finishing:
                break
            self.new.wait(self._wait_s)
        self._sender.close()

    def _failed(self, error: Exception) -> None:
        """What was read and is not acknowledged is read again."""
        if isinstance(error, OSError):
            _log.error("spool cannot be read", extra={"why": str(error)})
        else:
            _log.error("shipping failed; trying again", exc_info=error)
        for lane in (Lane.HOT, Lane.BULK):
            self._spool.rewind(lane)
        self.stop.wait(FAILURE_S)

    def round(self) -> bool:
        """One body of the hot lane, or one try of the bulk lane. False when there is nothing to do
        now. Raises OSError."""
        if entries := self._spool.read(SHIP_BYTES, limits.FRAMES_PER_BODY):
            self._deliver(entries, Lane.HOT)
            return True
        if self._clock.monotonic_s() < self._bulk_s or self._pacing.wait_s() > 0:
            return False
        size = min(SHIP_BYTES, self._pacing.rate or SHIP_BYTES)
        entries = self._spool.read(size, limits.FRAMES_PER_BODY, Lane.BULK)
        if entries and not self._deliver(entries, Lane.BULK):
            self._spool.rewind(Lane.BULK)
        return bool(entries)

    def _deliver(self, entries: list[Entry], lane: Lane) -> bool:
        """True when all are taken or set aside; False when told to stop before, or to wait."""
        try:
            if not self._send(entries, lane):
                return False
        except Refused as refused:
            if len(entries) > 1:
                return all(self._deliver([entry], lane) for entry in entries)
            self._rejected.keep(entries[0], str(refused))
        else:
            self._metrics.add("tailrace_agent_frames_sent_total", len(entries))
        self._spool.ack(entries[-1].note.entry, lane)
        return True

    def _send(self, entries: list[Entry], lane: Lane) -> bool:
        body = [frames.MAGIC, *(entry.frame for entry in entries)]
        while not self.stop.is_set():
            try:
                self._sender.send(body)
            except Later as later:
                self._metrics.add("tailrace_agent_retries_total")
                if lane is Lane.BULK:  # what is hot does not wait behind it
                    self._bulk_s = self._clock.monotonic_s() + later.wait_s
                    return False
                self.stop.wait(later.wait_s)
            else:
                if lane is Lane.BULK:
                    self._pacing.sent(sum(map(len, body)))
                return True
        return False
