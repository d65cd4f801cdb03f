"""The guard: what it finds of the corpus, and what it costs.

`guard-recall` prints per detector how many labels of the corpus were found and how many clean lines
it changed without need. `guard-speed` measures one core: CPU seconds of the cleaner alone, on rows
that are already unpacked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from bench.corpus import corpus, load
from bench.corpus.judge import FALSE_PER_10_000, Batch, Clean, Cleaned, Verdict, goal, judge
from bench.figures import Figure, at_least, at_most, plain
from tailrace.core.frame import Codec
from tailrace.core.keys import SECRET_BYTES

MB = 1e6
KINDS = (*corpus.KINDS, "name", "ip")
ORDINARY_MB_S = 200.0
HITS_MB_S = 60.0
# Hostile input may be this slow and no slower, whatever it holds.
HOSTILE_S_PER_MB = 1.0
_ORDINARY_BYTES = 64_000_000
_HITS_BYTES = 32_000_000
_HOSTILE_BYTES = 1_000_000


def cleaner() -> Clean:
    """The guard's own, at its defaults."""
    from tailrace.guard.cleaner import Cleaner

    found = Cleaner()
    secrets = {kind: bytes([number]) * SECRET_BYTES for number, kind in enumerate(KINDS, 1)}

    def clean(batch: Batch) -> Cleaned:
        done = found.clean(batch.header(), batch.data, secrets)
        return Cleaned(done.data)

    return clean


def recall(rows: int, examples: Path | None) -> list[Figure]:
    """Judge `rows` lines. `examples`: where lines that went wrong are written, some of each."""
    verdict = judge(corpus.samples(rows), cleaner())
    print(report(verdict), flush=True)
    if examples:
        examples.write_text(listing(verdict))
        print(f"lines that went wrong are in {examples}")
    return figures(verdict)


def figures(verdict: Verdict) -> list[Figure]:
    """What was not found, in percent of each kind; false alarms; rows that are no longer valid."""
    found = [
        at_most(f"{kind}: not found", 100 * (1 - verdict.recall(kind)), "%", 100 * (1 - goal(kind)))
        for kind in verdict.kinds
        if verdict.total(kind)
    ]
    false = at_most(
        "false alarms in 10,000 clean lines", verdict.false_rate(), "lines", FALSE_PER_10_000
    )
    broken = at_most("rows no longer valid", verdict.broken, "rows", 0)
    return [plain("lines", verdict.rows, "lines"), *found, false, broken]


def report(verdict: Verdict) -> str:
    """A line for each detector and, below, for each form: labels, found, recall, false alarms."""
    rows = [("detector", "form", "labels", "found", "recall", "goal", "false per 10,000")]
    for kind in verdict.kinds:
        rows.append(
            (kind, "", *_counts(verdict.total(kind), verdict.recall(kind)), f"{goal(kind):.1%}",
             f"{verdict.false_rate(kind):.2f}")
        )  # fmt: skip
        for form in sorted(form for name, form in verdict.labels if name == kind):
            total = verdict.labels[kind, form]
            share = 1 - verdict.missed[kind, form] / total
            rows.append(("", form, *_counts(total, share), "", ""))
    rows.append(("all", "", "", "", "", "", f"{verdict.false_rate():.2f}"))
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _counts(total: int, share: float) -> tuple[str, str, str]:
    return f"{total:,}", f"{round(total * share):,}", f"{share:.3%}"


def listing(verdict: Verdict) -> str:
    """What went wrong by template, the most frequent first, then examples."""
    head = [f"{count:6}  {what}" for what, count in verdict.templates.most_common()]
    parts = [f"== {what}\n" + "\n".join(kept) for what, kept in sorted(verdict.examples.items())]
    return "\n".join(head) + "\n\n" + "\n\n".join(parts) + "\n"


def speed() -> list[Figure]:
    """MB (10^6 bytes) in a CPU second: ordinary rows, one in ten with a hit, hostile ones."""
    clean = cleaner()
    found: list[Figure] = []
    for codec, make in ((Codec.RECORDS, load.records), (Codec.LINES, load.lines)):
        rate = _rate(clean, codec, make(_ORDINARY_BYTES))
        found.append(at_least(f"ordinary {codec}", rate, "MB/s", ORDINARY_MB_S))
    for codec in (Codec.RECORDS, Codec.LINES):
        rate = _rate(clean, codec, load.with_hits(_HITS_BYTES, codec))
        name = f"{codec}, one in {load.TENTH} with a hit"
        found.append(at_least(name, rate, "MB/s", HITS_MB_S))
    for name in load.HOSTILE:
        for codec in (Codec.RECORDS, Codec.LINES):
            payload = load.hostile(name, _HOSTILE_BYTES, codec)
            cost = 1 / _rate(clean, codec, [payload])
            found.append(at_most(f"hostile {codec}: {name}", cost, "s/MB", HOSTILE_S_PER_MB))
    return found


def _rate(clean: Clean, codec: Codec, payloads: Iterable[bytes]) -> float:
    """MB in a CPU second; the first payload is cleaned once before, to warm up."""
    spent_s, size, warm = 0.0, 0, False
    for payload in payloads:
        batch = Batch.of(codec, payload)
        if not warm:
            clean(batch)
            warm = True
        start_s = time.process_time()
        clean(batch)
        spent_s += time.process_time() - start_s
        size += len(payload)
    return size / MB / max(spent_s, 1e-9)
