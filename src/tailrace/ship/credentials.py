"""The token and the certificates, read again when their files change: rotation needs no restart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tailrace.core import log
from tailrace.core.disk import FileState, file_state
from tailrace.core.errors import ConfigError

if TYPE_CHECKING:
    import ssl

_log = log.get("agent")


class Token:
    """The value of the Authorization header, of a token or of the file it is in."""

    def __init__(self, token: str, path: str = "", section: str = "agent") -> None:
        """`section` of the configuration is named by errors: ConfigError when the token cannot be
        sent, or its file cannot be read."""
        self._path = path
        self._seen = file_state(path)
        try:
            self._header = _header(_read(path) if path else token)
        except (OSError, ValueError) as error:
            name = f"token_file: {path}" if path else "token"
            raise ConfigError(f"{section}.{name}: {_why(error)}") from None

    def header(self) -> str:
        """Empty without a token. A file that is gone or holds none leaves the last one in force."""
        state = file_state(self._path)
        if state != self._seen:
            self._seen = state
            try:
                self._header = _header(_read(self._path))
            except (OSError, ValueError) as error:
                extra = {"path": self._path, "why": _why(error)}
                _log.error("a new token cannot be used; the last one is kept", extra=extra)
            else:
                _log.info("the token has changed", extra={"path": self._path})
        return self._header


class Tls:
    """Verifying TLS. `ca`: certificates to trust instead of the system's; `cert` and `key`: what
    the agent proves itself with. ssl is imported at the first use, for it is large."""

    def __init__(self, ca: str = "", cert: str = "", key: str = "", section: str = "agent") -> None:
        self._ca, self._cert, self._key = ca, cert, key
        self._section = section
        self._context: ssl.SSLContext | None = None
        self._seen: list[FileState] = []

    def context(self) -> ssl.SSLContext:
        """For the next connection. Raises ConfigError when there has never been a usable one."""
        seen = [file_state(path) for path in (self._ca, self._cert, self._key)]
        if self._context is None or seen != self._seen:
            self._seen = seen
            try:
                self._context = self._load()
            except ConfigError as error:
                if self._context is None:
                    raise
                _log.error("new certificates cannot be used; the last are kept: %s", error)
        return self._context

    def _load(self) -> ssl.SSLContext:
        """Raises ConfigError."""
        import ssl

        try:
            context = ssl.create_default_context(cafile=self._ca or None)
        except OSError as error:
            raise ConfigError(
                f"{self._section}.tls_ca: {self._ca}: {_why(error)}; it takes certificates as PEM"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if self._cert:
                # A key with a passphrase would ask for it on the terminal.
                context.load_cert_chain(self._cert, self._key or None, password=lambda: b"")
        except OSError as error:
            files = f"{self._cert} {self._key}".strip()
            raise ConfigError(
                f"{self._section}.tls_cert, tls_key: {files}: {_why(error)}; they take a "
                "certificate and its key as PEM, without a passphrase"
            ) from None
        return context


def _header(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise ValueError("a token is printable ASCII without a line break")
    return f"Bearer {token}" if token else ""


def _read(path: str) -> str:
    token = Path(path).read_text().strip()
    if not token:
        raise ValueError("the file is empty")
    return token


def _why(error: Exception) -> str:
    """Without content: of a text that is no UTF-8 the error shows a byte of it."""
    if isinstance(error, UnicodeDecodeError):
        return "the file is not text"
    return getattr(error, "strerror", None) or str(error)
