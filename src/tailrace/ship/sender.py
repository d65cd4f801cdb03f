"""Bodies of frames to whichever gateway is next: one try, and what its answer means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.core import log
from tailrace.ship.connection import CONNECT_S, Answer, Closed, Connection, NoAnswer, reason
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, Target
from tailrace.wire import frames

_log = log.get("ship")
PATH = "/ingest/frames"
FRAMES = {"Content-Type": frames.MEDIA_TYPE}
# Asking whether a gateway is back holds up the one that serves.
PROBE_CONNECT_S = 1.0
PROBE_ANSWER_S = 1.0
_TAKEN = (b"application/json", b"")
_NEVER = (400, 413, 415, 422)
_SETTING = (401, 403, 404, 405)


class Refused(Exception):
    """The gateway will never take this body."""


class Later(Exception):
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

    @property
    def open(self) -> bool:
        """Whether some gateway may be asked now."""
        return self._gateways.pick()[0] is not None

    def send(
        self,
        body: Sequence[bytes],
        path: str = PATH,
        headers: Mapping[str, str] = FRAMES,
        late: bool = False,
    ) -> Answer:
        """POST the parts of a body, of frames by default, once. Raises Refused or Later.

        `late`: it may come late, so a gateway that has no room for it may have for others.
        """
        self._probe()
        target, wait_s = self._gateways.pick(late)
        if target is None:
            raise Later(wait_s)
        if target is not self._target:
            self.close()
            self._target = target
        try:
            answer = self._post(target, path, headers, body)
        except (OSError, NoAnswer) as error:
            extra = {"gateway": target.name, "why": reason(error)}
            _log.warning("gateway not reached", extra=extra)
            self._gateways.failed(target)
            raise self._later(late) from None
        self._judge(target, answer, late)
        return answer

    def _post(
        self, target: Target, path: str, headers: Mapping[str, str], body: Sequence[bytes]
    ) -> Answer:
        headers = dict(headers)
        if token := self._token.header():
            headers["Authorization"] = token
        path = target.path + path
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

    def _judge(self, target: Target, answer: Answer, late: bool) -> None:
        status, wait_s = answer.status, answer.retry_after_s
        if status == 200 and answer.media_type in _TAKEN:
            self._gateways.served(target)
            return
        if status in _NEVER:
            self._gateways.served(target)
            raise Refused(f"status {status}")
        extra = {"gateway": target.name, "status": status}
        if 200 <= status < 400:  # whoever takes anything has kept nothing
            _log.error("what answers is no gateway of tailrace: check the address", extra=extra)
            self._gateways.failed(target, slow=True)
        elif status in _SETTING:
            _log.error("gateway refuses this sender: check its token and the address", extra=extra)
            self._gateways.failed(target, slow=True)
        else:
            _log.warning("gateway is busy", extra=extra)
            if status == 429:
                self._gateways.throttled(wait_s or 1.0)
            elif status == 503 and wait_s is not None:
                self._gateways.full(target, wait_s, late)
            else:
                self._gateways.failed(target)
        raise self._later(late)

    def _later(self, late: bool) -> Later:
        return Later(self._gateways.pick(late)[1])

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
