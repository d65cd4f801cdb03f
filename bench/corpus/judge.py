"""The judge: what of the corpus a cleaner finds, misses, spoils or changes without need.

It compares row by row and knows nothing of how the cleaner works. A label counts as found when none
of its parts is left in the folded row; a clean line as a false alarm when a byte of it changed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from bench.corpus.folding import folded
from bench.corpus.sample import Label, Sample
from tailrace.core import sample as metric
from tailrace.core import span
from tailrace.core.errors import InputError
from tailrace.core.frame import CANONICAL, Codec, Header, Hints, Signal
from tailrace.wire import records

BATCH_BYTES = 1_000_000
# Share of labels in these forms that must be found, by kind; the other forms are only told.
GATED_FORMS = frozenset({"formatted", "contextual", "adjacent", "keyed"})
STRICT = {"pan": 0.999, "ssn": 0.999}
RECALL = 0.99
FALSE_PER_10_000 = 1.0
_EXAMPLES = 20
_MARK = re.compile(rb"#([a-z_]+):[0-9a-z]{16}|\[redacted:([a-z_]+)\]")


@dataclass(frozen=True)
class Batch:
    """Rows that travel in one frame: one codec, one signal, the same hints."""

    codec: Codec
    signal: Signal
    hints: Hints
    data: bytes
    samples: Sequence[Sample] = ()

    @classmethod
    def of(cls, codec: Codec, data: bytes) -> Batch:
        """Rows of logs that nobody will judge."""
        return cls(codec, Signal.LOGS, CANONICAL, data)

    def header(self) -> Header:
        """A header as the gateway would have made it; the checksum is none."""
        return Header(
            tenant="corpus", source="corpus", epoch=1, seq=1, rows=self.data.count(b"\n"),
            bytes=len(self.data), checksum=0, received_ns=1_790_000_000_000_000_000,
            signal=self.signal, codec=self.codec, hints=self.hints,
        )  # fmt: skip


@dataclass(frozen=True)
class Cleaned:
    """What a cleaner made of a batch: as many rows, and the names of the detectors that hit."""

    data: bytes
    detectors: Sequence[str] = ()


# Takes a batch, gives its rows cleaned, in their order.
Clean = Callable[[Batch], Cleaned]


@dataclass
class Verdict:
    """Counts by kind, and by kind and form. `examples`: some lines, by what went wrong."""

    rows: int = 0
    clean: int = 0
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    broken: int = 0
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    templates: Counter[str] = field(default_factory=Counter)

    def total(self, kind: str, gated: bool = True) -> int:
        return _of(self.labels, kind, gated)

    def recall(self, kind: str, gated: bool = True) -> float:
        """Share of the labels that were found; 1 when there are none."""
        total = _of(self.labels, kind, gated)
        return 1 - _of(self.missed, kind, gated) / total if total else 1.0

    @property
    def kinds(self) -> list[str]:
        return sorted({kind for kind, _ in self.labels} | set(self.false))

    def false_rate(self, kind: str = "") -> float:
        """False alarms in 10,000 clean lines, of one detector or of all."""
        found = self.false[kind] if kind else self.changed
        return found * 10_000 / self.clean if self.clean else 0.0

    def failures(self) -> list[str]:
        """Every gate that is not met, in words."""
        found = [
            f"{kind}: recall {self.recall(kind):.4%} of {self.total(kind)}, not {goal(kind):.1%}"
            for kind in sorted({kind for kind, _ in self.labels})
            if self.recall(kind) < goal(kind)
        ]
        if self.false_rate() > FALSE_PER_10_000:
            found.append(f"{self.changed} of {self.clean} clean lines changed: {dict(self.false)}")
        if self.broken:
            found.append(f"{self.broken} rows are no longer valid in their format")
        return found


def goal(kind: str) -> float:
    return STRICT.get(kind, RECALL)


def batches(samples: Iterable[Sample], size: int = BATCH_BYTES) -> Iterator[Batch]:
    """Samples with the same codec, signal and hints, about `size` bytes at a time."""
    waiting: dict[tuple[Codec, Signal, Hints], list[Sample]] = defaultdict(list)
    sizes: Counter[tuple[Codec, Signal, Hints]] = Counter()
    for one in samples:
        key = (one.codec, one.signal, one.hints)
        waiting[key].append(one)
        sizes[key] += len(one.data) + 1
        if sizes[key] >= size:
            yield _batch(key, waiting.pop(key))
            sizes[key] = 0
    for key, rest in waiting.items():
        yield _batch(key, rest)


def judge(
    samples: Iterable[Sample],
    clean: Clean,
    verdict: Verdict | None = None,
) -> Verdict:
    """What `clean` makes of the samples, added to `verdict`.

    Raises ValueError when rows went missing or were added.
    """
    verdict = verdict or Verdict()
    for batch in batches(samples):
        data = clean(batch).data
        rows = data.removesuffix(b"\n").split(b"\n")
        if len(rows) != len(batch.samples):
            raise ValueError(f"{len(batch.samples)} rows went in, {len(rows)} came out")
        for one, row in zip(batch.samples, rows, strict=True):
            _weigh(one, row, verdict)
    return verdict


def left(label: Label, row: str, letters: str) -> bool:
    """True when a value can still be read from the row, whose folded form is `letters`."""
    if label.parts:
        return any(part in letters for part in label.parts)
    return any(needle in row for needle in label.needles)


def _weigh(one: Sample, row: bytes, verdict: Verdict) -> None:
    verdict.rows += 1
    if one.disputed:
        return
    if row != one.data and not _is_valid(one, row):
        verdict.broken += 1
        _keep(verdict, "broken", one, row)
    if not one.labels:
        verdict.clean += 1
        if row != one.data:
            _alarm(one, row, verdict)
        return
    text = row.decode(errors="replace")
    letters = folded(text)
    for label in one.labels:
        key = (label.kind, label.form)
        verdict.labels[key] += 1
        if left(label, text, letters):
            verdict.missed[key] += 1
            _keep(verdict, f"missed {label.kind} ({label.form})", one, row)


def _alarm(one: Sample, row: bytes, verdict: Verdict) -> None:
    """A clean line that was changed; whose work it was is read from the marks."""
    before = Counter(_MARK.findall(one.data))
    new = Counter(_MARK.findall(row)) - before
    kinds = {(first or second).decode() for first, second in new} or {"unknown"}
    verdict.changed += 1
    for kind in kinds:
        verdict.false[kind] += 1
        _keep(verdict, f"false alarm of {kind}", one, row)


def _is_valid(one: Sample, row: bytes) -> bool:
    if one.codec is not Codec.RECORDS:
        return True
    try:
        if one.signal is Signal.SPANS:
            span.decode(row)
        elif one.signal is Signal.METRICS:
            metric.decode(row)
        elif one.hints.foreign:
            msgspec.json.decode(row, type=dict)
        else:
            return records.check(row) == one.hints
    except (InputError, msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True


def _keep(verdict: Verdict, what: str, one: Sample, row: bytes) -> None:
    verdict.templates[f"{what}: {one.template}"] += 1
    kept = verdict.examples[what]
    if len(kept) < _EXAMPLES:
        before, after = one.data.decode(), row.decode(errors="replace")
        kept.append(f"[{one.template}]\n  in:  {before}\n  out: {after}")


def _batch(key: tuple[Codec, Signal, Hints], samples: list[Sample]) -> Batch:
    return Batch(*key, b"".join(one.data + b"\n" for one in samples), samples)


def _of(counts: Counter[tuple[str, str]], kind: str, gated: bool) -> int:
    return sum(
        count
        for (name, form), count in counts.items()
        if name == kind and (form in GATED_FORMS or not gated)
    )
