"""Which rows of a piece go to the hot lane, and which are left out of everything.

A row that a `drop` pattern is found in is left out. Of the others, those that `keep` names are
taken as they are, and of the rest a share by chance, each standing for `weight` rows.

Chance is 56 random bits, compared with a threshold (wire/consistent.py): those of the row's trace
id, so that a trace is taken whole; else bits drawn for the row's place in its piece, from a salt
that names the piece. So the same piece, read again, is split alike, and rows that say the same are
still decided one by one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import chain
from random import Random

import msgspec
import xxhash

from tailrace.agent.inputs import LogInput, OtlpInput
from tailrace.agent.sampling import scanner
from tailrace.agent.sampling.keeping import Rows, rows_of
from tailrace.agent.sampling.scanner import KIND_BITS, Expression, Scanner
from tailrace.agent.source import Buffer
from tailrace.core import limits, patterns
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec, Hints
from tailrace.wire import consistent
from tailrace.wire.lines import long_lines
from tailrace.wire.split import piece_end

# A rate as people write it, such as 0.3333333, is one in a whole number when it is this close.
_CLOSE = 1e-6
# A piece is split in steps that stay in the processor's cache and whose rows are few.
_STEP_BYTES = 64 * limits.KIB


class Split(msgspec.Struct, frozen=True):
    """The rows of a piece, in their order.

    `kept`: taken as they are. `sampled`: each stands for the sampler's `weight` rows. `rest`: all
    but what was dropped, which is what the archive gets; the piece's own buffer when nothing was.
    Each row of `kept` and `sampled` ends with a newline.
    """

    kept: Buffer
    kept_rows: int
    sampled: bytes
    sampled_rows: int
    rest: Buffer
    rest_rows: int
    dropped_rows: int

    @property
    def out_rows(self) -> int:
        """Rows that chance left out of the hot lane."""
        return self.rest_rows - self.kept_rows - self.sampled_rows

    @property
    def whole(self) -> bool:
        """Whether all of `rest` is kept as it is, so that one frame serves both lanes."""
        return self.kept_rows == self.rest_rows


class _Kind(IntEnum):
    """What a match makes of its row; the last two only make it worth a look."""

    DROP = 0
    KEEP = 1
    WORTH = 2
    TRACED = 3


_KINDS = (1 << KIND_BITS) - 1
_Found = dict[int, set[int]]


class _Parts:
    """What the steps of a split have found so far. `rest` is of use when rows were dropped."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.kept_rows = 0
        self.sampled: list[bytes] = []
        self.sampled_rows = 0
        self.rest: list[bytes] = []
        self.dropped = 0


def sampler_of(source: LogInput, place: str = "") -> Sampler | None:
    """None when every row is taken.

    Raises ConfigError that names the key behind `place`, such as "agent.inputs[0].".
    """
    if isinstance(source, OtlpInput) and (source.drop or source.sample != 1):
        key = "drop" if source.drop else "sample"
        raise ConfigError(f"{place}{key}: otlp is relayed as it came; sample where it is sent")
    weight = _weight(source.sample, place)
    drop = [_pattern(text, f"{place}drop") for text in source.drop]
    keep = [_pattern(text, f"{place}keep.patterns") for text in source.keep.patterns]
    if source.sample == 1 and not drop:
        return None
    return Sampler(source, weight, drop, keep)


def _weight(rate: float, place: str) -> int:
    if rate == 0:
        return 1
    if not 1 / limits.SAMPLE_WEIGHT <= rate <= 1:
        raise ConfigError(
            f"{place}sample: must be 0, or a share from 1/{limits.SAMPLE_WEIGHT} to 1, not {rate}"
        )
    weight = round(1 / rate)
    if abs(weight * rate - 1) > _CLOSE:
        less, more = math.ceil(1 / rate), math.floor(1 / rate)
        raise ConfigError(
            f"{place}sample: a sampled line stands for a whole number of lines, which {rate:.7g} "
            f"does not make; {1 / less:.7g} (1/{less}) and {1 / more:.7g} (1/{more}) are near"
        )
    return weight


def _pattern(text: str, key: str) -> bytes:
    pattern = patterns.read(text, key)
    if pattern.nested and not scanner.has_hyperscan():
        raise ConfigError(
            f"{key}: {text!r} repeats what repeats or has alternatives, which some lines make "
            "endless work of; write it with one repeat, or install tailrace[patterns]"
        )
    return pattern.text


class Sampler:
    """Splits pieces of one input. Not thread-safe; made by `sampler_of`.

    `weight`: how many rows a sampled one stands for. `threshold`: OpenTelemetry's `th`, empty when
    nothing is taken by chance.
    """

    def __init__(
        self, source: LogInput, weight: int, drop: Sequence[bytes], keep: Sequence[bytes]
    ) -> None:
        """`drop` and `keep`: patterns as `patterns.read` returns them."""
        self.weight = weight
        self._threshold = consistent.threshold(weight) if source.sample else consistent.NONE
        self.threshold = consistent.text(self._threshold)
        self._everything = self._threshold == consistent.ALL
        self._keep = source.keep
        self._drops = bool(drop)
        self._patterns = [Expression(_Kind.DROP, text) for text in drop]
        if not self._everything:
            self._patterns += [Expression(_Kind.KEEP, text) for text in keep]
        self._readers: dict[tuple[Codec, Hints], tuple[Rows, Scanner | None]] = {}
        edge = min(self._threshold >> (consistent.BITS - 8), 255)
        self._high = re.compile(rb"[\x%02x-\xff]" % edge).finditer

    def split(self, data: Buffer, rows: int, codec: Codec, hints: Hints, salt: int) -> Split:
        """Split `rows` rows of lines or of records; the last may end without a newline.

        `salt` is of 64 bits and names the place of the piece: the same for the same piece, another
        for any other.
        """
        reader, scan = self._reader(codec, hints)
        parts = _Parts()
        start = 0
        while start < len(data):
            end = piece_end(data, start, _STEP_BYTES)
            self._step(bytes(data[start:end]), reader, scan, salt ^ start, parts)
            start = end
        rest: Buffer = b"".join(parts.rest) if parts.dropped else data
        rest_rows = rows - parts.dropped
        if self._everything:
            return Split(rest, rest_rows, b"", 0, rest, rest_rows, parts.dropped)
        return Split(
            b"".join(parts.kept),
            parts.kept_rows,
            b"".join(parts.sampled),
            parts.sampled_rows,
            rest,
            rest_rows,
            parts.dropped,
        )

    def _step(
        self, text: bytes, reader: Rows, scan: Scanner | None, salt: int, parts: _Parts
    ) -> None:
        heads, long = _heads(text)
        found = _numbers(heads, scan)
        dropped = found[_Kind.DROP]
        if self._everything and not dropped:
            parts.rest.append(text)
            return
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if dropped:
            text = _joined(line for n, line in enumerate(lines) if n not in dropped)
        parts.dropped += len(dropped)
        if self._drops:
            parts.rest.append(text)
        if self._everything:
            return
        kept, sampled = self._taken(lines, long, found, reader, salt)
        parts.kept.append(_joined(lines[n] for n in kept))
        parts.kept_rows += len(kept)
        parts.sampled.append(_joined(lines[n] for n in sampled))
        parts.sampled_rows += len(sampled)

    def _reader(self, codec: Codec, hints: Hints) -> tuple[Rows, Scanner | None]:
        key = (codec, hints)
        if key not in self._readers:
            rows = rows_of(codec, hints, self._keep)
            wanted = list(self._patterns)
            if not self._everything:
                wanted += rows.worth(_Kind.WORTH)
            if not self._everything and self.threshold:
                wanted.append(rows.traced(_Kind.TRACED, self._threshold))
            self._readers[key] = (rows, scanner.scanner_of(wanted) if wanted else None)
        return self._readers[key]

    def _taken(
        self, lines: Sequence[bytes], long: set[int], found: _Found, reader: Rows, salt: int
    ) -> tuple[list[int], list[int]]:
        """Numbers of the rows that are kept, and of those that are sampled."""
        out = found[_Kind.DROP]
        kept = found[_Kind.KEEP] - out
        kept |= {n for n in (found[_Kind.WORTH] | long) - out - kept if reader.keeps(lines[n])}
        out = out | kept
        trace = reader.trace
        traced = (found[_Kind.TRACED] | long) - out
        sampled = [n for n in traced if (trace(lines[n]) or 0) >= self._threshold]
        drawn = self._drawn(len(lines), salt)
        sampled += [n for n in drawn if n not in out and trace(lines[n]) is None]
        return sorted(kept), sorted(sampled)

    def _drawn(self, rows: int, salt: int) -> list[int]:
        """Numbers of the rows whose bits are at or above the threshold, of a piece of `rows`.

        The first byte of each row's bits decides nearly all; only at the edge are the others made.
        """
        if not self.threshold:
            return []
        first = Random(salt).randbytes(rows)
        edge, below = divmod(self._threshold, 1 << (consistent.BITS - 8))
        high = [match.start() for match in self._high(first)]
        return [n for n in high if first[n] > edge or _lower_bits(n, salt) >= below]


def _lower_bits(number: int, salt: int) -> int:
    digest = xxhash.xxh3_64_intdigest(number.to_bytes(8, "little"), salt)
    return digest >> (64 - consistent.BITS + 8)


def _heads(text: bytes) -> tuple[bytes, set[int]]:
    """So much of each row as is searched, and the numbers of those that are longer."""
    most = limits.PATTERN_BYTES
    if not long_lines(text, most):
        return text, set()
    lines = text.split(b"\n")
    long = {n for n, line in enumerate(lines) if len(line) > most}
    return b"\n".join(line[:most] for line in lines), long


def _numbers(text: bytes, scan: Scanner | None) -> _Found:
    """By kind, the numbers of the rows in which something was found."""
    found: _Found = {kind: set() for kind in _Kind}
    row = at = 0
    for hit in scan.scan(text) if scan else ():
        last = (hit >> KIND_BITS) - 1
        row += text.count(b"\n", at, last)
        at = last
        found[hit & _KINDS].add(row)
    return found


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"\n".join(chain(lines, (b"",)))
