"""Senders that remember what they sent, and what the server said of it.

Every frame or request has a service of its own, `NAME-000007`, so that a count by service is a
count by frame. The body of a row starts with its service and its number: no two are alike.
"""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from running import Server

from tailrace.core.frame import Codec, Frame, Header, Lane
from tailrace.core.payload import compress, describe
from tailrace.wire import frames as wire

EPOCH = 7
ECHOES = 0.05
TIMEOUT_S = 30


@dataclass(frozen=True)
class Request:
    """`rows` by service."""

    path: str
    body: bytes
    rows: dict[str, int]
    lane: Lane = Lane.BOTH
    headers: dict[str, str] = field(default_factory=dict)


class Load:
    """Sends requests one after another from a thread of its own, until `stop`.

    A request that got no answer is sent again when `repeat`; one that was refused always is. Some
    that were acknowledged are sent again when `echo`: senders do that when an answer is lost.
    """

    def __init__(
        self,
        server: Server,
        requests: Iterator[Request],
        *,
        repeat: bool = True,
        echo: bool = False,
        pause_s: float = 0.02,
    ) -> None:
        self._server = server
        self._requests = requests
        self._repeat = repeat
        self._echo = echo
        self._pause_s = pause_s
        self._chance = random.Random(1)
        self._stop = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self.acked: list[Request] = []
        self.unsure: list[Request] = []
        self.refused = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def await_acks(self, more: int, timeout_s: float = 30.0) -> None:
        """Wait until `more` further requests are acknowledged."""
        wanted = len(self.acked) + more
        self._server.until(lambda: len(self.acked) >= wanted, f"{more} more acks", timeout_s)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._hang_up()

    def _run(self) -> None:
        for request in self._requests:
            if not self._deliver(request):
                return
            if self._echo and self.acked and self._chance.random() < ECHOES:
                self._send(self._chance.choice(self.acked[-50:]))

    def _deliver(self, request: Request) -> bool:
        """False when it is time to stop."""
        while not self._stop.is_set():
            status = self._send(request)
            self._stop.wait(self._pause_s)
            if status == 200:
                self.acked.append(request)
                return True
            if status == 0 and not self._repeat:
                self.unsure.append(request)
                return True
            self.refused += status != 0
        self.unsure.append(request)
        return False

    def _send(self, request: Request) -> int:
        """The status; 0 where no answer came."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", self._server.port, timeout=TIMEOUT_S
            )
        try:
            self._connection.request("POST", request.path, request.body, request.headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._hang_up()
            return 0
        return answer.status

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def frames(
    name: str, rows: int = 50, row_bytes: int = 0, per_body: int = 1, lane: Lane = Lane.BOTH
) -> Iterator[Request]:
    """Numbered frames, `per_body` in a request; rows padded with text that does not compress."""
    numbers = itertools.count()
    chance = random.Random(name)
    while True:
        found: dict[str, Frame] = {}
        for number in itertools.islice(numbers, per_body):
            service = _service(name, number)
            pads = (chance.randbytes(row_bytes // 2).hex() for _ in range(rows))
            data = b"".join(_record(service, row, pad) for row, pad in enumerate(pads))
            found[service] = _frame(name, number, data, lane)
        body = wire.encode(found.values())
        yield Request("/ingest/frames", body, dict.fromkeys(found, rows), lane)


def keyed(name: str, rows: int = 20) -> Iterator[Request]:
    """Foreign records under an Idempotency-Key."""
    for number in itertools.count():
        service = _service(name, number)
        body = b"".join(
            b'{"msg":"%s %d","level":"warn","n":%d,"app":"%s"}\n'
            % (service.encode(), row, row, service.encode())
            for row in range(rows)
        )
        yield Request(
            "/ingest/records?body_key=msg&service_key=app&severity_key=level",
            body,
            {service: rows},
            headers={"Idempotency-Key": service},
        )


def lines(name: str, rows: int = 20) -> Iterator[Request]:
    """Plain lines, which nothing numbers: for a load that does not repeat."""
    for number in itertools.count():
        service = _service(name, number)
        body = b"".join(b"%s %d plain\n" % (service.encode(), row) for row in range(rows))
        yield Request(f"/ingest/lines?service={service}", body, {service: rows})


def _service(name: str, number: int) -> str:
    return f"{name}-{number:06d}"


def _record(service: str, row: int, pad: str) -> bytes:
    return b'{"body":"%s %d %s","service":"%s"}\n' % (
        service.encode(), row, pad.encode(), service.encode(),
    )  # fmt: skip


def _frame(name: str, number: int, data: bytes, lane: Lane) -> Frame:
    facts = describe(data)
    header = Header(
        "default",
        f"load-{name}",
        EPOCH,
        number,
        facts.rows,
        facts.bytes,
        facts.checksum,
        time.time_ns(),
        lane=lane,
        codec=Codec.RECORDS,
    )
    return Frame(header, compress(data))
