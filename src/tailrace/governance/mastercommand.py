"""Runs the command that prints the master key: without a shell, for a bounded time and output.

What it prints is secret, and what it complains of may be: of that at most a few short words are
shown, never one that could be a key.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import IO

from tailrace.core import limits
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.visible import visible

_COMPLAINT_BYTES = 4096
_COMPLAINT_CHARACTERS = 160
# Tokens and keys are longer than words.
_LONG = re.compile(r"\S{20,}")


def output(words: Sequence[str], setting: str) -> bytes:
    """At most MASTER_KEY_BYTES. Raises ConfigError, StoreError that name the setting."""
    within_s = limits.MASTER_COMMAND_S
    deadline_s = time.monotonic() + within_s
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell; the words are the configuration's
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it cannot be run"
        raise ConfigError(f"{setting}: {visible(words[0])}: {why}") from None
    with process:
        try:
            said, complained = _read(process, deadline_s)
            if len(said) > limits.MASTER_KEY_BYTES:
                raise ConfigError(f"{setting}: the command prints more than a key")
            status = process.wait(max(0.0, deadline_s - time.monotonic()))
        except (TimeoutError, subprocess.TimeoutExpired):
            raise StoreError(f"{setting}: the command took longer than {within_s:g} s") from None
        finally:
            # Whatever it has started too, for that may hold the pipes.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if status != 0:
        raise StoreError(f"{setting}: the command failed with status {status}{_shown(complained)}")
    return said


def _read(process: subprocess.Popen[bytes], deadline_s: float) -> tuple[bytes, bytes]:
    """The beginnings of both outputs, read to their ends, or to too much of the first. Raises
    TimeoutError."""
    assert process.stdout is not None
    assert process.stderr is not None
    found: dict[IO[bytes], bytes] = {process.stdout: b"", process.stderr: b""}
    bounds = {process.stdout: limits.MASTER_KEY_BYTES + 1, process.stderr: _COMPLAINT_BYTES}
    with selectors.DefaultSelector() as selector:
        for pipe in found:
            selector.register(pipe, selectors.EVENT_READ, pipe)
        while selector.get_map() and len(found[process.stdout]) <= limits.MASTER_KEY_BYTES:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            for key, _ in selector.select(left_s):
                piece = os.read(key.fd, 65_536)
                if not piece:
                    selector.unregister(key.fd)
                found[key.data] = (found[key.data] + piece)[: bounds[key.data]]
    return found[process.stdout], found[process.stderr]


def _shown(complained: bytes) -> str:
    line = complained.decode("utf-8", "replace").strip().partition("\n")[0]
    words = _LONG.sub("...", line)[:_COMPLAINT_CHARACTERS]
    return f": {visible(words)}" if words else ""
