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
from collections.abc import Iterator, Sequence
from pathlib import Path

import xxhash

from tailrace.agent.checkpoints import Checkpoints, State
from tailrace.agent.delivery.entries import Note
from tailrace.agent.delivery.losses import Loss, Losses
from tailrace.agent.delivery.pacing import Pacing
from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.delivery.shipper import Shipper
from tailrace.agent.delivery.spool import Spool
from tailrace.agent.feeds.feeders import feeders, journals
from tailrace.agent.feeds.intake import Feeder, Finite
from tailrace.agent.fleet.activity import Activity
from tailrace.agent.fleet.announce import Announcer, Poster
from tailrace.agent.fleet.condition import Condition
from tailrace.agent.reader import Reader
from tailrace.agent.settings import AgentSettings
from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.core.fleet import SOURCE_PREFIX, Settled
from tailrace.core.metrics import Metrics
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, Target, targets
from tailrace.ship.sender import Sender

_log = log.get("agent")
# A gateway that is not there must not hold up the end.
LAST_WORDS_S = 2.0


class Agent:
    """`start`, later `stop`; or `run` until another thread stops it.

    Raises ConfigError when the directory belongs to a running agent or cannot be written, a gateway
    is no URL or a credential cannot be used, and OSError when what is in it cannot be read. Threads
    are daemons: a stuck disk does not hold the process. `losses`: what was given up, to be told to
    the server.
    """

    def __init__(self, settings: AgentSettings, clock: Clock, metrics: Metrics) -> None:
        directory = Path(settings.directory)
        gateways, token, tls = delivery(settings)
        self._lock = _lock(directory)
        checkpoints = Checkpoints(directory)
        self.losses = Losses(directory, metrics)
        spool = Spool(directory / "spool", settings.spool_bounds, metrics, self.losses, clock)
        machine = settings.resource.get("host.id", "")
        state = recover(checkpoints, spool, clock, machine, places(gateways))
        self._spool = spool
        self._numbering, self._former = (state.source, state.epoch, state.from_seq), state.former
        nearest = Gateways(gateways, clock, state.source, settings.zone, settings.region)
        sender = Sender(nearest, token, tls)
        self._shipper = Shipper(
            spool,
            sender,
            Pacing(settings.bulk, state.source, clock),
            Rejected(directory / "rejected", metrics, self.losses, clock),
            clock,
            metrics,
            settings.flush_interval_s,
        )
        self._feeders = feeders(settings, state, self._wake)
        activity = Activity(settings.inputs)
        self._told: list[Loss] = []
        condition = Condition(
            settings,
            state.source,
            activity,
            spool,
            lambda: sender.target.url.geturl(),
            clock,
            metrics,
            self._tell_losses,
            self._tell_settled,
        )
        self._announcer = Announcer(
            condition.compose,
            Poster(lambda: sender.target, token, tls),
            settings.announce_interval_s,
            metrics,
            self._losses_told,
        )
        self._reader = Reader(
            settings,
            state,
            checkpoints,
            spool,
            clock,
            metrics,
            self._shipper.new.set,
            [*journals(settings, state), *(feeder.intake for feeder in self._feeders)],
            activity,
        )
        self._reading = threading.Thread(target=self._reader.run, name="agent-read", daemon=True)
        self._shipping = threading.Thread(target=self._shipper.run, name="agent-ship", daemon=True)
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        ends = [feeder.ended for feeder in self._feeders if isinstance(feeder, Finite)]
        self._ends = ends if len(ends) == len(settings.inputs) else []

    @property
    def feeders(self) -> Sequence[Feeder]:
        """Those of the inputs that are neither files nor journals."""
        return self._feeders

    @property
    def finite(self) -> bool:
        """Whether every input has an end, such as standard input."""
        return bool(self._ends)

    def wait_ended(self) -> None:
        """Return when all inputs have ended; only for an agent that is `finite`."""
        for ended in self._ends:
            ended.wait()

    def _tell_losses(self) -> list[Loss]:
        try:
            self._told = self.losses.pending()
        except OSError:  # a full disk: they are told when it takes the note that they were
            self._told = []
        return self._told

    def _tell_settled(self) -> list[Settled]:
        try:
            return list(self._settled())
        except OSError:  # the next announcement says it
            return []

    def _settled(self) -> Iterator[Settled]:
        if (found := self._spool.settled()) is not None:
            yield Settled(*self._numbering, *found, self._spool.sending.told(found[0]))
        if (old := self._former) is not None:
            before_seq = self._spool.settled_before(old.source, old.epoch, old.next_seq)
            whole = old.sent is not None and before_seq == old.next_seq
            sent = [old.sent.sent(old.next_seq)] if old.sent and whole else []
            yield Settled(old.source, old.epoch, old.from_seq, before_seq, old.next_seq, sent)

    def _losses_told(self, count: int) -> None:
        """The server keeps so many of those that were told last."""
        if told := self._told[:count]:
            self.losses.confirmed(told[-1].number)

    def _wake(self) -> None:
        self._reader.wake.set()

    def start(self) -> None:
        """Begin to read and ship. Raises ConfigError when an input can never work."""
        with self._starting:
            if self._stopped.is_set():
                return
            self._reading.start()
            self._shipping.start()
        for feeder in self._feeders:
            feeder.start()
        self._announcer.start()

    @property
    def ready(self) -> bool:
        """Whether it reads and ships."""
        return self._reading.is_alive() and self._shipping.is_alive()

    def run(self) -> None:
        """Start, and return after another thread has called `stop`."""
        self.start()
        self._stopped.wait()

    def finish(self, deadline_s: float) -> None:
        """Read what is there and nothing more; go on shipping until all of it is shipped."""
        end_s = time.monotonic() + deadline_s
        for feeder in self._feeders:
            feeder.stop()
        for feeder in self._feeders:
            # The last part of the time is for the reading thread's last round.
            wait_s = end_s - deadline_s / 4 - time.monotonic()
            if not feeder.intake.drained(max(0.0, wait_s)):
                _log.error("the spool cannot be written: the last rows were not kept")
        self._reader.stop.set()
        self._reader.wake.set()
        self._reading.join(max(0.0, end_s - time.monotonic()))
        self._shipper.finish.set()
        self._shipper.new.set()

    def shipped(self, wait_s: float) -> bool:
        """After `finish`: whether a gateway has everything, waited for at most `wait_s`."""
        self._shipping.join(wait_s)
        return not self._shipping.is_alive()

    @property
    def acked(self) -> int:
        """A number that grows while a gateway takes what is shipped."""
        return self._spool.acked

    def stop(self, deadline_s: float) -> None:
        """Read what is there, ship what can be shipped in time; the rest stays in the spool."""
        end_s = time.monotonic() + deadline_s
        with self._starting:
            if not self._reading.ident:
                self._stopped.set()  # it never ran
                return
        self.finish(deadline_s / 2)
        self._shipping.join(max(0.0, end_s - time.monotonic()))
        self._shipper.stop.set()
        self._shipping.join(0.5)
        self._announcer.stop(LAST_WORDS_S)
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


def delivery(settings: AgentSettings) -> tuple[list[Target], Token, Tls]:
    """Where frames go, and with what. Raises ConfigError."""
    gateways = targets(settings.gateways)
    token = Token(settings.token, settings.token_file)
    tls = Tls(settings.tls_ca, settings.tls_cert, settings.tls_key)
    if any(target.url.scheme == "https" for target in gateways):
        tls.context()
    return gateways, token, tls


def _new_source() -> str:
    return f"{SOURCE_PREFIX}{uuid.uuid4().hex[:12]}"


def places(gateways: Sequence[Target]) -> str:
    """A hash of where frames go, whatever the order."""
    addresses = "\n".join(sorted(one.url.geturl() for one in gateways))
    return xxhash.xxh3_64_hexdigest(addresses.encode())


def recover(
    checkpoints: Checkpoints, spool: Spool, clock: Clock, machine: str = "", gateways: str = ""
) -> State:
    """The state after everything that the spool holds, durable. Raises OSError.

    A directory that was copied from another `machine` gets a new name: under the old one its
    frames would be taken for the other's. `gateways`: a hash of where frames go from now on.
    """
    loaded = checkpoints.load()
    state = loaded.state or State(_new_source(), clock.wall_ns())

    def apply(note: Note) -> None:
        if not note.more:
            state.cover(note.key, note.mark)
        if note.epoch == state.epoch:
            state.next_seq = max(state.next_seq, note.seq + 1)

    spool.sending.begin(state.source, state.epoch, state.next_seq, state.sent)
    whole = spool.recover(state.next_entry, state.acked, apply, state.acked_bulk, state.source)
    state.next_entry = spool.next_entry
    state.sent = spool.sending.totals
    if not (loaded.intact and whole):
        # Numbers may have been used that nobody remembers: never use them again.
        state.number_anew(state.source, max(state.epoch + 1, clock.wall_ns()), 1)
        _log.warning("agent state was damaged; a new epoch begins", extra={"epoch": state.epoch})
    if machine and state.machine != machine:
        if state.machine:
            state.number_anew(_new_source(), state.epoch, state.next_seq, counted=True)
            _log.warning("the directory is from another machine", extra={"source": state.source})
        state.machine = machine
    if state.gateways != gateways:
        state.gateways, state.from_seq = gateways, state.next_seq
    checkpoints.save(state)
    if (state.source, state.epoch) != spool.sending.numbering:
        spool.sending.begin(state.source, state.epoch, state.next_seq, state.sent)
    spool.numbered(state.source, state.epoch, state.next_seq)
    spool.release(state.next_entry)
    return state


def _lock(directory: Path) -> int:
    """Make the directory, and own it until the descriptor is closed. Raises ConfigError."""
    descriptor = -1
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"agent.directory: {directory} is used by another agent") from None
    except OSError as error:
        raise ConfigError(
            f"agent.directory: {directory} cannot be written: {error.strerror}"
        ) from None
    return descriptor
