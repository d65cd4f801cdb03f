"""A command and the lines of both its outputs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable

from tailrace.agent.checkpoints import State
from tailrace.agent.feeds.intake import Intake
from tailrace.agent.feeds.pipes import Pipes
from tailrace.agent.inputs import CommandInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import log
from tailrace.core.errors import ConfigError

_log = log.get("agent")
_TERM_S = 5.0
_STREAMS = {1: "stdout", 2: "stderr"}
# Python ignores these; a command must not inherit that.
_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)


class Command:
    """See Feeder. Runs its command once.

    `exited` is set when the command has ended, `status` is then its exit status, 128+n after
    signal n. `ended` is set when all that it printed is in the intake.
    """

    def __init__(self, source: CommandInput, name: str, wake: Callable[[], None]) -> None:
        """`name` is the key of the input in the configuration."""
        self.intake = Intake(source, name, wake)
        self.exited = threading.Event()
        self.status = 0
        self._input = source
        self._name = name
        self._pid = 0
        self._lock = threading.Lock()
        self._pipes = Pipes(self.intake)
        self.ended = self._pipes.ended

    def start(self) -> None:
        """Run it. Raises ConfigError when it cannot be run."""
        words = self._input.command
        readers: dict[int, int] = {}
        with contextlib.ExitStack() as writers:
            actions: list[tuple[int, ...] | tuple[object, ...]] = []
            for stream in _STREAMS:
                readers[stream], writer = os.pipe()
                writers.callback(os.close, writer)
                actions.append((os.POSIX_SPAWN_DUP2, writer, stream))
            self._pid = self._spawn(words, actions, readers)
        for stream, reader in readers.items():
            echo = stream if self._input.echo else None
            self._pipes.add(reader, {"log.iostream": _STREAMS[stream]}, echo)
        self._pipes.start()
        threading.Thread(target=self._wait, name="agent-command", daemon=True).start()

    def _spawn(
        self, words: list[str], actions: list[tuple[object, ...]], readers: dict[int, int]
    ) -> int:
        options: dict[str, object] = {}
        if not self._input.attached:
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
            options["setpgroup"] = 0  # Ctrl-C is for us: we end it, and read its last lines
        try:
            return os.posix_spawnp(
                words[0],
                words,
                os.environ,
                file_actions=actions,
                setsigmask=(),
                setsigdef=_DEFAULT,
                **options,  # type: ignore[arg-type]
            )
        except OSError as error:
            for reader in readers.values():
                os.close(reader)
            raise ConfigError(f"{self._name}.command: {words[0]!r}: {error.strerror}") from None

    def _wait(self) -> None:
        # Left a zombie until nobody can send it a signal, so that no other process gets one.
        os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            _, status = os.waitpid(self._pid, 0)
            code = os.waitstatus_to_exitcode(status)
            self.status = code if code >= 0 else 128 - code
            self.exited.set()
        self._pipes.leave()

    def signal(self, number: int) -> None:
        """Send it to the command, if that still runs."""
        with self._lock:
            if self._pid and not self.exited.is_set():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self._pid, number)

    def stop(self) -> None:
        """End the command if it runs, and take its last lines."""
        if self._pid and not self.exited.is_set():
            self.signal(signal.SIGTERM)
            if not self.exited.wait(_TERM_S):
                _log.warning("the command does not end; it is killed")
                self.signal(signal.SIGKILL)
                self.exited.wait(_TERM_S)
            self.ended.wait(_TERM_S)
        self._pipes.stop()


def feeders(
    source: CommandInput, settings: AgentSettings, state: State, wake: Callable[[], None]
) -> list[Command]:
    """The feeder of this input."""
    return [Command(source, f"agent.inputs[{settings.inputs.index(source)}]", wake)]
