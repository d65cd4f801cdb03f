"""What agents say that they sent and left out, as sayings for the books."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.fleet import Announcement, Sent, Settled
from tailrace.core.ledger import Saying
from tailrace.governance.ledger.tally import MINUTE_NS

# Who it is said of: tenant, source, reason and run.
Whose = tuple[str, str, str, int]


class Words:
    """In memory. `begun_ns`: when the books were begun; what agents did before is not in them."""

    def __init__(self) -> None:
        self._heard: dict[Whose, int] = {}
        self.begun_ns = 0

    def load(self, heard: dict[Whose, int], begun_ns: int) -> None:
        """How far each was heard before, by its last `upto`."""
        self._heard.update(heard)
        self.begun_ns = begun_ns

    def of(self, tenant: str, said: Announcement, now_ns: int) -> list[Saying]:
        """What is new in an announcement. Of who was not heard of before, first where it begins:
        at nothing when that was after the books were begun, else at what it says now."""
        found: list[Saying] = []
        for settled in said.settled:
            for sent in settled.sent:
                found += self._sent(tenant, settled, sent)
        for reason, rows in said.dropped.items():
            whose = (tenant, said.source, reason, said.started_ns)
            minute = now_ns // MINUTE_NS
            one = Saying(*whose, minute, 0, rows, 0, 0, rows)
            found += self._new(one, fresh=said.started_ns > self.begun_ns)
        return found

    def _sent(self, tenant: str, settled: Settled, sent: Sent) -> list[Saying]:
        minute = sent.at_ns // MINUTE_NS
        counts = (sent.frames, sent.rows, sent.bytes, int(sent.checksum, 16))
        one = Saying(tenant, settled.source, "", settled.epoch, minute, *counts, sent.upto_seq)
        fresh = settled.epoch > self.begun_ns and settled.from_seq == 1
        return self._new(one, fresh)

    def _new(self, one: Saying, fresh: bool) -> list[Saying]:
        whose = one[:4]
        if one.upto <= self._heard.get(whose, -1):
            return []
        first = whose not in self._heard
        if first and len(self._heard) >= limits.LEDGER_COUNTS:
            return []
        self._heard[whose] = one.upto
        if not first:
            return [one]
        begins = Saying(*whose, max(0, one.minute - 1), 0, 0, 0, 0, 0)
        if fresh:
            return [begins, one]
        return [one]
