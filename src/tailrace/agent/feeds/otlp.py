"""An OTLP/HTTP endpoint that relays: what it took is in the spool before it answers.

Logs, metrics and traces. Protobuf travels as it came, cut between records where it is large, and
the gateway decodes it; JSON becomes rows here. A request that is not answered 200 may be kept in
part, and is kept again when it is sent again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.httpserver import Answer, HttpServer, Request
from tailrace.agent.feeds.intake import Batch, Intake, Ticket
from tailrace.agent.feeds.listening import listen
from tailrace.agent.inputs import OtlpInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.errors import Busy, InputError, TooLarge, Unsupported
from tailrace.core.frame import Codec, Signal
from tailrace.wire import encoding
from tailrace.wire.otlp import answers, walk
from tailrace.wire.otlp.kept import Export
from tailrace.wire.otlp.signals import KINDS
from tailrace.wire.split import split

# By path: what a request there holds.
_PATHS = {f"/v1/{name}": name for name in KINDS}
_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
# A frame of this size decodes to one the gateway takes, and keeps a refusal's company small.
_PIECE_BYTES = limits.MIB
_PIECE_ROWS = 10_000
# Larger bodies are read one at a time.
_SMALL_BYTES = 256 * limits.KIB
_TURN_S = 2.0
_ROOM_S = 1.0
_DURABLE_S = 5.0
_RETRY_S = 1.0


def feeders(
    source: OtlpInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Otlp]:
    """The feeder of this input."""
    return [Otlp(source, f"agent.inputs[{settings.inputs.index(source)}]", wake)]


class Otlp:
    """See Feeder. `address` is where it listens, once it is started."""

    def __init__(self, source: OtlpInput, name: str, wake: Callable[[], None]) -> None:
        """`name` is the key of the input in the configuration."""
        self.intake = Intake(source, name, wake)
        self.address = ("", 0)
        self._input = source
        self._name = name
        self._server: HttpServer | None = None
        self._large = threading.Lock()
        self._working = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Listen. Raises ConfigError when the address is taken, or is none of loopback."""
        listener = listen(self._input.listen, f"{self._name}.listen")
        self.address = listener.getsockname()[:2]
        self._server = HttpServer(listener, self._answer)
        self._server.start()

    def stop(self) -> None:
        """Answer what is being taken; take nothing more."""
        self._stopping.set()
        if self._server:
            self._server.stop()

    def _answer(self, request: Request) -> Answer:
        is_json = _media_type(request) == _JSON
        try:
            self._check(request)
            export = self._take(request, is_json)
        except InputError as error:
            if self._stopping.is_set():  # the end of a body that we broke off is not the sender's
                return _refusal(is_json, 503, "the agent stops; send again", {"Retry-After": "5"})
            return _refusal(is_json, 404 if error.reason == "path" else error.status, str(error))
        except Busy as error:
            return _refusal(is_json, 503, str(error), {"Retry-After": f"{error.retry_after_s:.0f}"})
        if not is_json:
            return Answer(200, answers.encode_success(), _PROTOBUF)
        name = _PATHS[request.path]
        return Answer(200, answers.json_success(name, export.rejected, export.message), _JSON)

    def _check(self, request: Request) -> None:
        if request.path not in _PATHS or request.method != "POST":
            raise InputError(f"there is only POST to {', '.join(_PATHS)}", "path")
        if _media_type(request) not in (_PROTOBUF, _JSON):
            raise Unsupported(f"Content-Type must be {_PROTOBUF} or {_JSON}", "media_type")

    def _take(self, request: Request, is_json: bool) -> Export:
        """What of it is known here to be left out; the rest is durable. Raises InputError or
        Busy."""
        limit = limits.RELAY_JSON_BYTES if is_json else limits.RELAY_BODY_BYTES
        if request.chunked or request.length > _SMALL_BYTES:
            with _Turn(self._large):
                export, tickets = self._put_all(request.read(limit), request, is_json, limit)
        else:
            export, tickets = self._put_all(request.read(limit), request, is_json, limit)
        end_s = time.monotonic() + _DURABLE_S
        for ticket in tickets:
            if not ticket.wait(max(0.0, end_s - time.monotonic())):
                raise Busy("the spool cannot be written just now; send again", _RETRY_S)
        return export

    def _put_all(
        self, body: bytes, request: Request, is_json: bool, limit: int
    ) -> tuple[Export, list[Ticket]]:
        kind = KINDS[_PATHS[request.path]]
        with _Turn(self._working):
            data = encoding.expand(body, request.headers.get("content-encoding", ""), limit)
            if is_json:
                export = kind.json(data)
                return export, list(map(self._put, _rows(export, kind.signal)))
            return Export(None), list(map(self._put, _requests(data, kind.signal)))

    def _put(self, batch: Batch) -> Ticket:
        ticket = None
        if not self._stopping.is_set():
            ticket = self.intake.put(batch, _ROOM_S, urgent=True)
        if ticket is None:
            raise Busy("there is no room just now; send again", _RETRY_S)
        return ticket


class _Turn:
    """A lock that is waited for, for a while. Raises Busy."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_TURN_S):
            raise Busy("other requests are being taken; send again", _RETRY_S)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _requests(data: bytes, signal: Signal) -> Iterator[Batch]:
    """Of protobuf, each with some of its records."""
    if len(data) > _PIECE_BYTES:
        # All of it is looked at before some of it is kept.
        sizes = (len(piece.data) for piece in walk.split(data, _PIECE_BYTES, _PIECE_ROWS))
        if max(sizes, default=0) > limits.FRAME_BYTES:
            raise TooLarge(f"a record is larger than {limits.FRAME_BYTES} bytes", "line_length")
    for piece in walk.split(data, _PIECE_BYTES, _PIECE_ROWS):
        yield Batch(piece.data, piece.rows, Codec.OTLP, signal, checked=True)


def _rows(export: Export, signal: Signal) -> Iterator[Batch]:
    content = export.content
    if content is None:
        return
    repaired, dropped = content.repaired, export.reasons
    for piece in split(content.data, _PIECE_BYTES, _PIECE_ROWS):
        rows = piece.count(b"\n")
        yield Batch(
            piece, rows, Codec.RECORDS, signal, checked=True, repaired=repaired, dropped=dropped
        )
        repaired, dropped = {}, {}


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _refusal(
    is_json: bool, status: int, message: str, headers: dict[str, str] | None = None
) -> Answer:
    """A google.rpc.Status in the encoding of the request."""
    code = answers.status_code(status)
    if is_json:
        body = msgspec.json.encode({"code": code, "message": message})
        return Answer(status, body, _JSON, headers or {})
    return Answer(status, answers.encode_status(code, message), _PROTOBUF, headers or {})
