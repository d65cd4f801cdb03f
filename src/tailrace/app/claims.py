"""What one running tailrace has for itself: its data directory and its port.

Both are claimed before anything is started, so that a second one ends with a sentence.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tailrace.app import config as configuration
from tailrace.app.config import Config
from tailrace.core.errors import ConfigError

_BACKLOG = 2048
# In a data directory that a backup is being restored to.
RESTORING = "restoring"


@contextlib.contextmanager
def claimed(config: Config) -> Iterator[socket.socket]:
    """The data directory and the one HTTP port, whose number `server.listen` then holds. Raises
    ConfigError."""
    descriptor = claim_directory(Path(config.server.data_dir).resolve())
    try:
        check_directories(config)
        host, port = configuration.address(config)
        with claim_port(host, port) as listener:
            config.server.listen = configuration.listening(host, listener.getsockname()[1])
            yield listener
    finally:
        os.close(descriptor)


def check_directories(config: Config) -> None:
    """Raises ConfigError that names the one that cannot be written. Makes none of them."""
    _writable(config.server.data_dir, "server.data_dir")
    _writable(config.archive.directory, "archive.directory")
    _writable(config.agent.directory, "agent.directory")


def _writable(directory: str, key: str) -> None:
    """Raises ConfigError where neither `directory` nor what is above it can be written."""
    if not directory:
        return
    found = Path(directory).absolute()
    while not found.exists():
        found = found.parent
    if not found.is_dir() or not os.access(found, os.W_OK | os.X_OK):
        raise ConfigError(
            f"{key}: {directory} cannot be written; make it writable, or set another directory"
        )


def claim_directory(directory: Path, restoring: bool = False) -> int:
    """Make `directory` and own it until the descriptor is closed. Raises ConfigError; also for one
    that is half restored, but for who is `restoring` it."""
    descriptor = -1
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(
            f"server.data_dir: {directory} is used by another running tailrace; stop that one, or "
            "give this one another directory"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"server.data_dir: {directory} cannot be written: {error.strerror}; make it writable, "
            "or set TAILRACE_SERVER__DATA_DIR to another directory"
        ) from None
    if not restoring and (directory / RESTORING).exists():
        os.close(descriptor)
        raise ConfigError(
            f"server.data_dir: {directory} is half restored from a backup; run the same `tailrace "
            "restore` again"
        )
    return descriptor


def claim_port(host: str, port: int, key: str = "server.listen") -> socket.socket:
    """A socket that listens on `host` and `port` once it is served. Raises ConfigError that names
    `key`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # A name such as localhost may stand for two addresses: the older kind is expected.
        family, kind, protocol, _, address = min(found, key=lambda item: item[0])
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"{key}: {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Listening now is what makes a second claim fail; nobody is answered before serving.
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"{key}: {host}:{port} cannot be used: {error.strerror}; {_instead(error, port, key)}"
        ) from None
    return listener


def _instead(error: OSError, port: int, key: str) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return "set an address of this machine, or 0.0.0.0 for all of them"
    if error.errno == errno.EACCES:
        return "set a port from 1024 on, or give this process CAP_NET_BIND_SERVICE"
    example = f", for example TAILRACE_SERVER__LISTEN=127.0.0.1:{port % 65535 + 1}"
    return f"set another port{example if key == 'server.listen' else ''}"
