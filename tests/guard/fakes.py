"""The guard's neighbours, in memory: what they were given, and failures on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.core.contracts import Receipt
from tailrace.core.finding import Finding
from tailrace.core.frame import Frame, Header
from tailrace.core.keys import Secret

from .cleaning import KEYS


class FakeSink:
    """A BoundedSink that keeps what it was given."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.failure: Exception | None = None
        self.closed = False
        self.is_ready = True

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        if self.failure:
            raise self.failure
        self.frames += frames
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def close(self, deadline_s: float) -> None:
        self.closed = True

    def pressure(self) -> float:
        return 0.25

    def ready(self) -> bool:
        return self.is_ready


class FakeAway:
    """An Away."""

    def __init__(self) -> None:
        self.noted: list[Header] = []
        self.failure: Exception | None = None

    async def note(self, headers: Sequence[Header]) -> None:
        if self.failure:
            raise self.failure
        self.noted += headers


class FakeKeyring:
    """A Keyring of constant keys."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.keys: Mapping[str, bytes] = dict(KEYS)
        self.asked: list[str] = []

    async def secrets(self, tenant: str) -> Mapping[str, bytes]:
        self.asked.append(tenant)
        if self.failure:
            raise self.failure
        return self.keys

    async def history(self, tenant: str, kind: str) -> list[Secret]:
        if self.failure:
            raise self.failure
        return [Secret(1, self.keys[kind], 0)] if kind in self.keys else []


class FakeFindings:
    """Findings as they were noted."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def note(self, found: Sequence[Finding]) -> None:
        self.found += found
