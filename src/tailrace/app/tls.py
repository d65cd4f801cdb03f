"""The server's side of TLS: one context for every listener, of 1.2 or newer.

The certificate and its key are read again when their files change, for the connections after that;
a change of the clients' CA needs a restart. With a client CA every client has to show a certificate
that it signed: beside the token, which is asked for as without.
"""

from __future__ import annotations

import asyncio
import ssl

from tailrace.app.config import Server
from tailrace.core import log
from tailrace.core.disk import FileState, file_state
from tailrace.core.errors import ConfigError

_log = log.get("app")
LOOK_S = 5.0


class ServerTls:
    """`cert` holds the key as well when there is no `key`; no `client_ca`: any client."""

    def __init__(self, cert: str, key: str = "", client_ca: str = "") -> None:
        """Raises ConfigError naming the file's setting."""
        self.cert, self.key, self.client_ca = cert, key, client_ca
        self._seen = self._state()
        self.context = self._build()

    async def run(self) -> None:
        """Look for new files until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.refresh()

    def refresh(self) -> None:
        """Take a new certificate; one that cannot be used leaves the last in force."""
        seen = self._state()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            # A certificate without its key would already have replaced the one that works.
            self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            self._load(self.context)
        except ConfigError as error:
            _log.error("a new certificate cannot be used; the last is kept: %s", error)
        else:
            _log.info("the certificate has changed", extra={"path": self.cert})

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        if self.client_ca:
            try:
                context.load_verify_locations(self.client_ca)
            except OSError as error:
                raise ConfigError(
                    f"server.tls_client_ca: {self.client_ca}: {_why(error)}"
                ) from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # A key with a passphrase would ask for it on the terminal.
            context.load_cert_chain(self.cert, self.key or None, password=lambda: b"")
        except OSError as error:
            files = f"{self.cert} {self.key}".strip()
            raise ConfigError(
                f"server.tls_cert, server.tls_key: {files}: "
                f"{_why(error)}; they take a certificate and its key as PEM, without a passphrase"
            ) from None

    def _state(self) -> list[FileState]:
        return [file_state(path) for path in (self.cert, self.key) if path]


def server_tls(server: Server) -> ServerTls | None:
    """As configured; None for plain connections. Raises ConfigError."""
    if not server.tls_cert:
        return None
    return ServerTls(server.tls_cert, server.tls_key, server.tls_client_ca)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
