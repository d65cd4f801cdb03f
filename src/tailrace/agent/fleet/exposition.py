"""GET /metrics and /ready of an agent that runs alone. Imported only where it is configured."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import TCPServer

from tailrace.core import process
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics

# One request at a time: whoever is slow holds up the others for this long, and nobody else.
TIMEOUT_S = 5.0


class Exposition:
    """Serves from its creation on, until `close`. Raises ConfigError for an address that is taken
    or not this machine's."""

    def __init__(self, host: str, port: int, metrics: Metrics, ready: Callable[[], bool]) -> None:
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port), _handler(metrics, ready))
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(f"agent.listen: {host}:{port}: {why}") from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="agent-metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is served."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Let the port go."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(HTTPServer):
    def server_bind(self) -> None:
        """Without the question to the name service that HTTPServer asks."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Someone who left early is no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


def _handler(metrics: Metrics, ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = TIMEOUT_S
        server_version = "tailrace"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                process.measure(metrics)
                self._answer(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
            elif path == "/ready":
                taking = ready()
                self._answer(200 if taking else 503, "ready\n" if taking else "not ready\n")
            else:
                self._answer(404, "there are /metrics and /ready\n")

        def _answer(self, status: int, text: str, kind: str = "text/plain") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A request is no news either."""

    return Handler
