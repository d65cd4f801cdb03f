"""An agent for one standard input or one command, with a directory of its own.

    BASE/SERVICE/NUMBER/       as the directory of any agent
    BASE/SERVICE/NUMBER.lock   held by the process that uses it

Two at a time use two numbers. A number that holds what could not be sent is taken first, so what
one leaves is sent by the next of the same service.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec

from tailrace.agent.agent import Agent
from tailrace.agent.inputs import AnyInput
from tailrace.app.agent import agent_settings
from tailrace.app.config import Config
from tailrace.core.clock import SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics

_NUMBERS = 64
_NAME_CHARACTERS = 100
_STOP_S = 1.0


@contextlib.contextmanager
def one_agent(
    config: Config, source: AnyInput, environment: Mapping[str, str]
) -> Iterator[tuple[Agent, Path]]:
    """An agent that is not started, and its directory. Raises ConfigError."""
    base = _base(config, environment) / _folder(source.service)
    with contextlib.ExitStack() as held:
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory, descriptor = _claim(base)
        except OSError as error:
            raise ConfigError(
                f"agent.directory: {base} cannot be written: {error.strerror}"
            ) from None
        held.callback(os.close, descriptor)
        data = Path(config.server.data_dir).resolve()
        settings = msgspec.structs.replace(
            agent_settings(config, data), directory=str(directory), inputs=[source]
        )
        yield Agent(settings, SystemClock(), Metrics()), directory


def finish(agent: Agent, wait_s: float, patient: bool = False) -> bool:
    """After the input's end: True when a gateway has it all.

    Waits `wait_s`; `patient`: for as long as a gateway takes something within each `wait_s`.
    """
    agent.finish(max(wait_s, _STOP_S))
    end_s = time.monotonic() + wait_s
    acked = agent.acked
    while not (done := agent.shipped(min(0.2, wait_s))) and time.monotonic() < end_s:
        if patient and agent.acked > acked:
            acked, end_s = agent.acked, time.monotonic() + wait_s
    agent.stop(_STOP_S)
    return done


def _base(config: Config, environment: Mapping[str, str]) -> Path:
    if config.agent.directory:
        return Path(config.agent.directory).resolve() / "once"
    state = environment.get("XDG_STATE_HOME", "")
    # The specification says to ignore a relative one.
    found = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return found / "tailrace" / "once"


def _folder(service: str) -> str:
    """A service's name as that of one folder, never a way out of the one it is in."""
    return quote(service, safe=" ").replace(".", "%2E")[:_NAME_CHARACTERS] or "none"


def _claim(base: Path) -> tuple[Path, int]:
    """A number that nobody uses, and the descriptor that keeps it. Raises OSError."""
    known = [int(path.name) for path in base.iterdir() if path.is_dir() and path.name.isdecimal()]
    unsent = [number for number in sorted(known) if _holds(base / str(number))]
    for number in (*unsent, *range(_NUMBERS)):
        descriptor = os.open(base / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return base / str(number), descriptor
    raise ConfigError(f"{_NUMBERS} of this service run already; give this one another --service")


def _holds(directory: Path) -> bool:
    return any(path.stat().st_size for path in directory.glob("spool/*.spool"))
