"""Real database servers for a moment, each in a folder of its own and as a user without rights."""

from __future__ import annotations

import os
import shutil
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


def postgresql(settings: Sequence[str], statements: str) -> bytes:
    """What PostgreSQL logs with these settings while psql runs these statements."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    psql = shutil.which("psql")
    if not found or psql is None:
        pytest.skip("PostgreSQL is not installed; see scripts/system-packages.sh")
    with folder() as place:
        data, log = place / "data", place / "log"
        run(
            [found[-1] / "initdb", "-D", data, "-A", "trust", "-U", "app", "-N", "--locale=C.UTF-8"]
        )
        own = ["listen_addresses=''", f"unix_socket_directories='{place}'", "fsync=off"]
        with (data / "postgresql.conf").open("a") as file:
            file.write("\n".join([*own, *settings]) + "\n")
        control = [found[-1] / "pg_ctl", "-D", data, "-l", log, "-w"]
        run([*control, "start"])
        try:
            run([psql, "-X", "-h", place, "-U", "app", "-d", "postgres"], statements)
        finally:
            run([*control, "-m", "fast", "stop"])
        return log.read_bytes()


def mariadb(options: Sequence[str], statements: str) -> bytes:
    """The slow log of MariaDB with these options while its client runs these statements."""
    server, client = shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), shutil.which("mariadb")
    install = shutil.which("mariadb-install-db")
    if server is None or client is None or install is None:
        pytest.skip("MariaDB is not installed; see scripts/system-packages.sh")
    with folder() as place:
        data, log, socket = place / "data", place / "slow", place / "s"
        plain = ["--no-defaults", f"--datadir={data}"]
        run([install, *plain, "--auth-root-authentication-method=normal", "--skip-test-db"])
        words = [
            server, *plain, f"--socket={socket}", "--skip-networking", "--slow-query-log",
            f"--slow-query-log-file={log}", f"--pid-file={place / 'pid'}", "--long-query-time=0",
            *options,
        ]  # fmt: skip
        process = subprocess.Popen(_as_nobody(words), stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not socket.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            ask = [client, "--no-defaults", "-S", socket, "-u", "root", "-f", "-c"]
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
