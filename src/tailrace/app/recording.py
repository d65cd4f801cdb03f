"""Series that rules record, into the same way that all samples go: guarded, queued, stored."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.rule import Group
from tailrace.core.frame import Codec, Signal
from tailrace.core.sample import Sample
from tailrace.gateway.door import Door
from tailrace.query.matrix.matrix import Matrix
from tailrace.wire import samples
from tailrace.wire.content import Content

_NAME = "__name__"


class Recording:
    """A Recorder. What it gives to the door is durable when `record` returns, and seen by queries
    as soon as any other sample; so a later rule of the group sees it at its next slot."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def record(self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int) -> None:
        """See Recorder. Raises Busy and InputError."""
        listed = _samples(group, owner, found, last_slot_ns)
        if not listed:
            return

        def content(data: bytes) -> Sequence[Content]:
            return [Content(Codec.RECORDS, data, len(listed), signal=Signal.METRICS)]

        await self._door.take_bytes(samples.encode(listed), owner.tenant, content)


def _samples(group: Group, owner: Owner, found: Matrix, last_slot_ns: int) -> list[Sample]:
    first_ns = last_slot_ns - (found.steps - 1) * group.interval_ns
    return [
        Sample(
            time=first_ns + step * group.interval_ns,
            name=owner.rule.record,
            value=float(found.values[row, step]),
            kind="gauge",
            attributes=_labels(group, owner, dict(labels)),
        )
        for row, labels in enumerate(found.labels)
        for step in range(found.steps)
        if found.present[row, step]
    ]


def _labels(group: Group, owner: Owner, labels: dict[str, str]) -> dict[str, str]:
    """Those of the rule win over those of its group, and these over the series'; an empty one is
    none."""
    joined = {**labels, **dict(group.labels), **dict(owner.rule.labels)}
    return {name: value for name, value in joined.items() if value and name != _NAME}
