"""`python -m bench.patterns FOLDER`: how lines are grouped to templates, of every *.log there.

Two ways are compared: an online miner that sees each line (`Drain` below: cut at spaces, grouped by
length and first words, a share of equal words), and the way that is served: shapes by the engine,
then query/patterns/miner.py. For each file: lines, templates of each, and how stable they are: of
the lines whose shape is in both halves of the file, the share that has the same template when the
halves are mined apart, and when the second half knows the templates of the first. With `--show N`
the N templates with most lines. At the end the lines a second of each way.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import clickhouse_connect

from tailrace.query.patterns import miner
from tailrace.query.patterns.shapes import ANY, SHAPE_SQL, finished

COPIES = 32
Mine = Callable[[Sequence[str]], list[str]]


class Drain:
    """The textbook miner, for comparison: He and others, 2017."""

    def __init__(self, depth: int = 2, similar: float = 0.5) -> None:
        self._depth = depth
        self._similar = similar
        self._groups: dict[tuple[object, ...], list[list[str]]] = {}

    def add(self, line: str) -> list[str]:
        """The group of a line, which later lines may change."""
        words = line.split()
        first = (ANY if any(c.isdigit() for c in word) else word for word in words[: self._depth])
        groups = self._groups.setdefault((len(words), *first), [])
        for group in sorted(groups, key=lambda one: -_equal(one, words))[:1]:
            if _equal(group, words) >= self._similar * len(words):
                group[:] = [a if a == b else ANY for a, b in zip(group, words, strict=True)]
                return group
        groups.append(words)
        return words


def _equal(one: Sequence[str], other: Sequence[str]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def drained(lines: Sequence[str]) -> list[str]:
    miner_of_lines = Drain()
    groups = [miner_of_lines.add(line) for line in lines]
    return [" ".join(group) for group in groups]


class Engine:
    """Shapes of lines by the engine."""

    def __init__(self, folder: str) -> None:
        self._client = clickhouse_connect.get_client(interface="chdb", path=folder)
        self._client.command("CREATE TABLE lines (N UInt64, Body String) ENGINE = Memory")

    def shapes(self, lines: Sequence[str]) -> list[str]:
        self._client.command("TRUNCATE TABLE lines")
        self._client.insert("lines", list(enumerate(lines)))
        sql = f"SELECT toValidUTF8({SHAPE_SQL}) FROM lines ORDER BY N"
        return [finished(row[0]) for row in self._client.query(sql).result_rows]

    def grouped(self, copies: int) -> tuple[int, int, float]:
        """Lines, shapes and seconds for the lines of `shapes` with other digits, `copies` times."""
        self._client.command("CREATE TABLE many (Body String) ENGINE = Memory")
        for copy in range(copies):
            turned = "".join(str((copy + digit * 3) % 10) for digit in range(10))
            self._client.command(
                f"INSERT INTO many SELECT translate(Body, '0123456789', '{turned}') FROM lines"
            )
        began = time.perf_counter()
        sql = f"SELECT {SHAPE_SQL} AS shape, count() AS lines FROM many GROUP BY shape"
        rows = self._client.query(sql).result_rows
        miner.templates(Counter({finished(row[0]): row[1] for row in rows}))
        return sum(row[1] for row in rows), len(rows), time.perf_counter() - began


def served(shapes: Sequence[str], known: Iterable[str] = ()) -> list[str]:
    found = miner.templates(Counter(shapes), known)
    return [found[shape] for shape in shapes]


def stable(shapes: Sequence[str], first: Sequence[str], second: Sequence[str]) -> float:
    """The share of lines, of shapes in both halves, whose template is the same in both."""
    by_shape = dict(zip(shapes, first, strict=False))
    later = zip(shapes[len(first) :], second, strict=True)
    same = [by_shape[shape] == template for shape, template in later if shape in by_shape]
    return sum(same) / len(same) if same else 1.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=int, default=0, help="templates to print of each file")
    options = parser.parse_args()
    everything: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(folder)
        print(f"{'file':<14} lines shapes templates   Drain  stable: ours  with known  Drain")
        for path in sorted(options.folder.glob("*.log")):
            lines = [one for one in path.read_text(errors="replace").splitlines() if one.strip()]
            everything += lines
            report(path.stem, lines, engine.shapes(lines), options.show)
        engine.shapes(everything)
        number, shapes, seconds = engine.grouped(COPIES)
    print(f"engine and miner: {number:,} lines, {shapes:,} shapes, {number / seconds:,.0f} lines/s")
    began = time.perf_counter()
    drained(everything)
    print(f"Drain in Python: {len(everything) / (time.perf_counter() - began):,.0f} lines/s")


def report(name: str, lines: Sequence[str], shapes: Sequence[str], show: int) -> None:
    templates, other = served(shapes), drained(lines)
    half = len(lines) // 2
    first, second = served(shapes[:half]), served(shapes[half:])
    informed = served(shapes[half:], set(first))
    theirs = stable(shapes, drained(lines[:half]), drained(lines[half:]))
    print(
        f"{name:<14} {len(lines):>5} {len(set(shapes)):>6} {len(set(templates)):>9} "
        f"{len(set(other)):>7} {stable(shapes, first, second):>13.1%} "
        f"{stable(shapes, first, informed):>11.1%} {theirs:>6.1%}"
    )
    for template, number in Counter(templates).most_common(show):
        print(f"    {number:>6}  {template[:160]}")


if __name__ == "__main__":
    main()
