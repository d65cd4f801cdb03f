"""Servers that are born with their imports made: a process that has them forks one for each start.

Most of what a start costs is the same each time: two seconds of a core for the interpreter and the
imports, where opening the store takes half a second. What a child runs is `tailrace.cli.main`, in a
process of its own with an environment, a working directory, files and an end of its own. It becomes
a child of the tests' process, which is the nearest that adopts orphans, and is waited for there.

Servers whose start is what is tried are started as users start them: see `Server.forked`.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

BYTES = 1 << 20
PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.02
# All but the engine, which lives through no fork.
_IMPORTED = (
    "uvloop",
    "tailrace.cli",
    "tailrace.app.commands.gateway",
    "tailrace.app.commands.up",
    "tailrace.app.gateway",
    "tailrace.app.server",
)


class Child:
    """A child of this process, as `subprocess.Popen` shows one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit status, or less its signal; None while it runs."""
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float = float("inf")) -> int:
        """Raises TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(POLL_S)
        return status

    def send_signal(self, number: int) -> None:
        """Nothing once it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Nursery:
    """The process that forks; it starts with the first child, and ends with this one."""

    def __init__(self) -> None:
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()

    def bear(self, words: Sequence[str], environment: Mapping[str, str], log: int) -> Child:
        """A process that runs `tailrace` with `words`, the first of which is the command's path;
        what it says goes to the file `log`."""
        with self._lock:
            if self._channel is None:
                self._channel = _begun()
            asked = json.dumps([list(words), dict(environment), str(Path.cwd())]).encode()
            assert len(asked) < BYTES
            socket.send_fds(self._channel, [asked], [log])
            return Child(int(self._channel.recv(BYTES)))


def _begun() -> socket.socket:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        words = [sys.executable, "-P", __file__, str(theirs.fileno())]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(words, pass_fds=[theirs.fileno()], env=environment)

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


NURSERY = Nursery()


def _import_all() -> Callable[[], int]:
    gc.disable()
    for name in _IMPORTED:
        import_module(name)
    gc.enable()
    gc.collect()
    gc.freeze()
    return cast(Callable[[], int], import_module("tailrace.cli").main)


def _asked(channel: socket.socket) -> list[str]:
    """Forks for each that asks. Returns in each child, with its words."""
    while True:
        asked, files, _, _ = socket.recv_fds(channel, BYTES, 1)
        if not asked:
            os._exit(0)
        own, orphaned = os.pipe()
        between = os.fork()
        if between == 0:
            pid = os.fork()
            if pid:
                os.write(orphaned, str(pid).encode())
                os._exit(0)
            os.close(own)
            os.close(orphaned)
            channel.close()
            words, environment, folder = json.loads(asked)
            _become(environment, folder, files[0])
            return words
        # From here on the child is an orphan, and adopted.
        os.waitpid(between, 0)
        pid_bytes = os.read(own, 32)
        for file in (own, orphaned, *files):
            os.close(file)
        channel.send(pid_bytes)


def _become(environment: dict[str, str], folder: str, log: int) -> None:
    # What imports have set stays.
    for name in _BEGUN_WITH - environment.keys():
        os.environ.pop(name, None)
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


if __name__ == "__main__":
    _BEGUN_WITH = set(os.environ)
    main = _import_all()
    # Others would not be there after a fork, but what they held.
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    sys.argv = _asked(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(main())
