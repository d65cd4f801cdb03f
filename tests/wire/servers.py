"""Real database servers for a moment, each in a folder of its own and as a user without rights."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailrace.wire.content import Content
from tailrace.wire.multiline import Joiner


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the servers may write to; its path is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="tr-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(made, "nobody")
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def run(words: Sequence[str | Path], stdin: str = "", check: bool = True) -> None:
    subprocess.run(
        _as_nobody(words), input=stdin, text=True, check=check, timeout=60,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _as_nobody(words: Sequence[str | Path]) -> list[str]:
    """Both servers refuse to run as root."""
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    return [*(user if os.geteuid() == 0 else []), *map(str, words)]


class Postgresql:
    """A PostgreSQL server that is started and stopped at will: on a socket in its folder, where the
    user `app` needs no password, and on a port of loopback, where everyone does."""

    def __init__(self, place: Path, settings: Sequence[str] = ()) -> None:
        """Its data is made here, and gone with the folder. Skips where it is not installed."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        psql = shutil.which("psql")
        if not found or psql is None:
            pytest.skip("PostgreSQL is not installed; see scripts/system-packages.sh")
        self.place, self.log, self.port = place, place / "log", free_port()
        self._psql, self._data = psql, place / "data"
        users = ["--auth-local=trust", "--auth-host=scram-sha-256", "-U", "app"]
        run([found[-1] / "initdb", "-D", self._data, *users, "-N", "--locale=C.UTF-8"])
        own = [
            "listen_addresses='127.0.0.1'", f"port={self.port}", "fsync=off",
            f"unix_socket_directories='{place}'",
        ]  # fmt: skip
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n".join([*own, *settings]) + "\n")
        self._control = [found[-1] / "pg_ctl", "-D", self._data, "-l", self.log, "-w"]

    def start(self) -> None:
        run([*self._control, "start"])

    def stop(self) -> None:
        """At once, and who is connected is cut off."""
        run([*self._control, "-m", "fast", "stop"], check=False)

    def do(self, statements: str, database: str = "postgres", check: bool = False) -> None:
        """By psql."""
        words = [self._psql, "-X", "-h", self.place, "-p", str(self.port), "-U", "app"]
        run([*words, "-d", database, "-v", f"ON_ERROR_STOP={check:d}"], statements, check)

    def uri(self, database: str) -> str:
        """As `app`, on the socket."""
        return f"postgresql://app@/{database}?host={self.place}&port={self.port}"


@contextmanager
def postgresql_server(settings: Sequence[str] = ()) -> Iterator[Postgresql]:
    """One that runs."""
    with folder() as place:
        server = Postgresql(place, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def postgresql(settings: Sequence[str], statements: str) -> bytes:
    """What PostgreSQL logs with these settings while psql runs these statements."""
    with postgresql_server(settings) as server:
        server.do(statements)
        server.stop()
        return server.log.read_bytes()


def mariadb(options: Sequence[str], statements: str) -> bytes:
    """The slow log of MariaDB with these options while its client runs these statements."""
    server, client = shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), shutil.which("mariadb")
    install = shutil.which("mariadb-install-db")
    if server is None or client is None or install is None:
        pytest.skip("MariaDB is not installed; see scripts/system-packages.sh")
    with folder() as place:
        data, log, door = place / "data", place / "slow", place / "s"
        plain = ["--no-defaults", f"--datadir={data}"]
        run([install, *plain, "--auth-root-authentication-method=normal", "--skip-test-db"])
        words = [
            server, *plain, f"--socket={door}", "--skip-networking", "--slow-query-log",
            f"--slow-query-log-file={log}", f"--pid-file={place / 'pid'}", "--long-query-time=0",
            *options,
        ]  # fmt: skip
        process = subprocess.Popen(_as_nobody(words), stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not door.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            ask = [client, "--no-defaults", "-S", door, "-u", "root", "-f", "-c"]
            run(ask, statements, check=False)
        finally:
            process.terminate()
            process.wait(30)
        return log.read_bytes()


def in_pieces(joiner: Joiner, decode: Callable[[bytes], Content], text: bytes) -> bytes:
    """The records of a log that arrives line by line."""
    found: list[bytes] = []
    waiting = b""
    for line in text.splitlines(keepends=True):
        waiting += line
        size = joiner.complete(waiting)
        if size:
            found.append(decode(waiting[:size]).data)
            waiting = waiting[size:]
    return b"".join(found) + (decode(waiting).data if waiting else b"")
