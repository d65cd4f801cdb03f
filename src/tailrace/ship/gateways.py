"""Which gateway gets the next body.

Nearest first: those of the agent's zone, then of its region, then the rest. Among equals each agent
has an order of its own (rendezvous hashing of its source and the URL), so that a fleet is spread
evenly, the agents of one that fails are spread over all others, and it gets the same ones back.

A gateway that fails is left at once; each has a backoff of its own, so the first round of all has
none. While another one serves, a nearer one that failed is asked for `/ready` now and then and used
again when it says so. One that is full (503 with Retry-After) is left alone for that time: an
equally near one takes its place, one further away does not, or a crowd would wander through the
regions. One that has no room for what may be late still takes the rest. 429 is about this agent: it
waits there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

import msgspec
import xxhash

from tailrace.core.backoff import LARGEST_RETRY_AFTER_S, backoff_s, jitter, slow_s
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError

PROBE_S = (10.0, 30.0)
_ZONE_LETTER = re.compile(r"(?<=[0-9])-?[a-z]$")
_PATH = re.compile(r"[!-~]*")


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway and where it is. Without `region` it is the zone without its letter: "eu-west-1"
    for "eu-west-1a", "europe-west1" for "europe-west1-b"."""

    url: str
    zone: str = ""
    region: str = ""


def region_of(zone: str, region: str = "") -> str:
    """The region that is named, or that the name of the zone begins with."""
    return region or _ZONE_LETTER.sub("", zone)


class Target:
    """A gateway, as one agent sees it. `distance`: 0 same zone, 1 same region, 2 elsewhere."""

    def __init__(self, gateway: Gateway, url: SplitResult) -> None:
        self.gateway = gateway
        self.url = url
        self.name = url.netloc
        self.path = url.path.rstrip("/")
        self.distance = 2
        self.failures = 0
        self.full = False
        self.closed_until_s = 0.0
        # For what may be late alone.
        self.late_until_s = 0.0
        self.asked_s = 0.0

    def until_s(self, late: bool) -> float:
        """When it may be asked again."""
        return max(self.closed_until_s, self.late_until_s) if late else self.closed_until_s


def targets(gateways: Sequence[str | Gateway], key: str = "agent.gateways") -> list[Target]:
    """Raises ConfigError that names `key`."""
    if not gateways:
        raise ConfigError(f"{key}: name at least one gateway")
    return [_target(g if isinstance(g, Gateway) else Gateway(g), key) for g in gateways]


def _target(gateway: Gateway, key: str) -> Target:
    try:
        url = urlsplit(gateway.url)
        port = url.port
    except ValueError:
        raise ConfigError(f"{key}: {gateway.url!r} is not a URL") from None
    if "@" in url.netloc:
        raise ConfigError(f"{key}: a URL holds no user and password; there is token_file")
    host = url.hostname or ""
    named = host.isascii() and host.isprintable() and not host.startswith(".") and port != 0
    if url.scheme not in ("http", "https") or not host or not named:
        raise ConfigError(f"{key}: {gateway.url!r} is not an http or https URL")
    if not _PATH.fullmatch(url.path) or url.query or url.fragment:
        raise ConfigError(f"{key}: {gateway.url!r}: a base URL ends with its path")
    return Target(gateway, url)


class Gateways:
    """The targets of one agent, in its order. One thread."""

    def __init__(
        self,
        targets: Sequence[Target],
        clock: Clock,
        source: str = "",
        zone: str = "",
        region: str = "",
    ) -> None:
        """`source`: the agent's name in its frames; `zone` and `region`: where it is."""
        self._clock = clock
        here = region_of(zone, region)
        for target in targets:
            there = region_of(target.gateway.zone, target.gateway.region)
            target.distance = 2
            if here and here == there:
                target.distance = 0 if zone and zone == target.gateway.zone else 1

        def place(target: Target) -> tuple[int, int]:
            key = f"{source}\0{target.gateway.url}"
            return target.distance, xxhash.xxh3_64_intdigest(key.encode(errors="replace"))

        self.order = sorted(targets, key=place)
        self._probe_s = 0.0

    def pick(self, late: bool = False) -> tuple[Target | None, float]:
        """The one to send to now; or none, and the seconds until there is one. `late`: for what
        may be late."""
        now_s = self._clock.monotonic_s()
        reach = self._reach(now_s, late)
        for target in reach:
            if not target.failures and target.until_s(late) <= now_s:
                return target, 0.0
        first = min(reach, key=lambda target: target.until_s(late))
        wait_s = first.until_s(late) - now_s
        return (first, 0.0) if wait_s <= 0 else (None, wait_s)

    def _reach(self, now_s: float, late: bool) -> list[Target]:
        """Those that may be used: none further away than one that is full."""
        full = [t.distance for t in self.order if t.full and t.closed_until_s > now_s]
        full += [t.distance for t in self.order if late and t.late_until_s > now_s]
        return [t for t in self.order if t.distance <= min(full, default=2)]

    def served(self, target: Target) -> None:
        """It took a body, or refused it for good."""
        target.failures, target.full, target.closed_until_s = 0, False, 0.0

    def failed(self, target: Target, slow: bool = False) -> None:
        """It was not reached, or what it said was of no use; `slow`: until a person changes it."""
        now_s = self._clock.monotonic_s()
        target.failures += 1
        target.full = False
        wait_s = slow_s() if slow else backoff_s(target.failures)
        target.closed_until_s = now_s + wait_s
        if self._probe_s <= now_s:
            self._probe_s = now_s + jitter.uniform(*PROBE_S)

    def full(self, target: Target, retry_after_s: float, late: bool = False) -> None:
        """It has no room (503): an equal one may have. `late`: for what may be late; whether it has
        for the rest is not known."""
        until_s = self._clock.monotonic_s() + _spread(retry_after_s)
        if late:
            target.failures, target.late_until_s = 0, until_s
        else:
            target.full, target.closed_until_s = True, until_s

    def throttled(self, retry_after_s: float) -> None:
        """This agent may not, yet (429), wherever it asks."""
        until_s = self._clock.monotonic_s() + _spread(retry_after_s)
        for target in self.order:
            target.closed_until_s = max(target.closed_until_s, until_s)

    def probe(self) -> Target | None:
        """One nearer than the one that serves, when it is time to ask whether it is back."""
        now_s = self._clock.monotonic_s()
        if now_s < self._probe_s:
            return None
        self._probe_s = now_s + jitter.uniform(*PROBE_S)
        serving = [place for place, target in enumerate(self.order) if not target.failures]
        away = self.order[: serving[0]] if serving else []
        found = min(away, key=lambda target: target.asked_s, default=None)
        if found:
            found.asked_s = now_s
        return found


def _spread(retry_after_s: float) -> float:
    """So that agents do not come back all at once."""
    return min(retry_after_s, LARGEST_RETRY_AFTER_S) + jitter.uniform(0.0, 1.0)
