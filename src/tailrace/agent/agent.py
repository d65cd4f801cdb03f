"""The agent: one thread reads, numbers and spools; one ships.

A chunk of lines becomes a frame with the next number and is spooled with the offset after it; only
then may it be shipped, and only then may a checkpoint cover it. A spooled frame is deleted when the
gateway has it and a durable checkpoint covers it. A crash anywhere repeats a frame under its own
number, or reads again what was never numbered.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import uuid
from pathlib import Path

from tailrace.agent.checkpoints import Checkpoints, State
from tailrace.agent.credentials import Tls, Token
from tailrace.agent.entries import Note
from tailrace.agent.feeders import feeders, journals
from tailrace.agent.gateways import Gateways, targets
from tailrace.agent.losses import Losses
from tailrace.agent.pacing import Pacing
from tailrace.agent.reader import Reader
from tailrace.agent.rejected import Rejected
from tailrace.agent.settings import AgentSettings
from tailrace.agent.ship import Sender, Shipper
from tailrace.agent.spool import Spool
from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics

_log = log.get("agent")


class Agent:
    """`start`, later `stop`; or `run` until another thread stops it.

    Raises ConfigError when the directory belongs to a running agent, a gateway is no URL or a
    credential cannot be used, and OSError when the directory cannot be used. Threads are daemons: a
    stuck disk does not hold the process. `losses`: what was given up, to be told to the server.
    """

    def __init__(self, settings: AgentSettings, clock: Clock, metrics: Metrics) -> None:
        directory = Path(settings.directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        gateways = targets(settings.gateways)
        token = Token(settings.token, settings.token_file)
        tls = Tls(settings.tls_ca, settings.tls_cert, settings.tls_key)
        if any(target.url.scheme == "https" for target in gateways):
            tls.context()
        self._lock = _lock(directory)
        checkpoints = Checkpoints(directory)
        self.losses = Losses(directory, metrics)
        spool = Spool(directory / "spool", settings.spool_bounds, metrics, self.losses, clock)
        state = recover(checkpoints, spool, clock)
        self._spool = spool
        self._shipper = Shipper(
            spool,
            Sender(
                Gateways(gateways, clock, state.source, settings.zone, settings.region), token, tls
            ),
            Pacing(settings.bulk, state.source, clock),
            Rejected(directory / "rejected", metrics, self.losses, clock),
            clock,
            metrics,
            settings.flush_interval_s,
        )
        self._feeders = feeders(settings, state, self._wake)
        self._reader = Reader(
            settings,
            state,
            checkpoints,
            spool,
            clock,
            metrics,
            self._shipper.new.set,
            [*journals(settings, state), *(feeder.intake for feeder in self._feeders)],
        )
        self._reading = threading.Thread(target=self._reader.run, name="agent-read", daemon=True)
        self._shipping = threading.Thread(target=self._shipper.run, name="agent-ship", daemon=True)
        self._stopped = threading.Event()

    def _wake(self) -> None:
        self._reader.wake.set()

    def start(self) -> None:
        """Begin to read and ship. Raises ConfigError when an input can never work."""
        self._reading.start()
        self._shipping.start()
        for feeder in self._feeders:
            feeder.start()

    def run(self) -> None:
        """Start, and return after another thread has called `stop`."""
        self.start()
        self._stopped.wait()

    def stop(self, deadline_s: float) -> None:
        """Read what is there, ship what can be shipped in time; the rest stays in the spool."""
        end_s = time.monotonic() + deadline_s
        for feeder in self._feeders:
            feeder.stop()
        self._reader.stop.set()
        self._reader.wake.set()
        self._reading.join(deadline_s / 2)
        self._shipper.finish.set()
        self._shipper.new.set()
        self._shipping.join(max(0.0, end_s - time.monotonic()))
        self._shipper.stop.set()
        self._shipping.join(0.5)
        if not self._reading.is_alive():
            self._finish()
        self._stopped.set()

    def _finish(self) -> None:
        try:
            self._reader.save()
            self._spool.close()
        except OSError as error:
            _log.error("state cannot be written; it is made up for at the next start: %s", error)
        if not self._shipping.is_alive():
            os.close(self._lock)


def recover(checkpoints: Checkpoints, spool: Spool, clock: Clock) -> State:
    """The state after everything that the spool holds, durable. Raises OSError."""
    loaded = checkpoints.load()
    state = loaded.state or State(f"agent-{uuid.uuid4().hex[:12]}", clock.wall_ns())

    def apply(note: Note) -> None:
        if not note.more:
            state.cover(note.key, note.mark)
        if note.epoch == state.epoch:
            state.next_seq = max(state.next_seq, note.seq + 1)

    whole = spool.recover(state.next_entry, state.acked, apply, state.acked_bulk, state.source)
    state.next_entry = spool.next_entry
    if not (loaded.intact and whole):
        # Numbers may have been used that nobody remembers: never use them again.
        state.epoch = max(state.epoch + 1, clock.wall_ns())
        state.next_seq = 1
        _log.warning("agent state was damaged; a new epoch begins", extra={"epoch": state.epoch})
    checkpoints.save(state)
    spool.release(state.next_entry)
    return state


def _lock(directory: Path) -> int:
    """Own the directory until the descriptor is closed."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ConfigError(f"agent.directory: {directory} is used by another agent") from None
    return descriptor
