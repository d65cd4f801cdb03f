"""What is promised, and which test shows it.

`promises.toml` holds an array `promise` of tables: `area`, a heading of the page; `says`, one
sentence; `shown_by`, tests as `tests/gateway/test_auth.py::test_no_header_is_more_than_wrong`, all
of a test's cases together. `limits.toml` names for each constant of `core/limits` the tests that
show it. Figures are no part of this: what `make bench` holds against a goal is a promise by that.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LIMITS = ROOT / "src" / "tailrace" / "core" / "limits"


@dataclass(frozen=True)
class Promise:
    """One sentence, under the heading `area`, and the tests that show it."""

    area: str
    says: str
    shown_by: tuple[str, ...]


@dataclass(frozen=True)
class Limit:
    """A constant of `core/limits` as it is written there, with the comment above it."""

    name: str
    value: str
    reason: str
    shown_by: tuple[str, ...]


@cache
def promises() -> tuple[Promise, ...]:
    """Those of `promises.toml`, in its order."""
    found = tomllib.loads((HERE / "promises.toml").read_text())["promise"]
    return tuple(Promise(one["area"], one["says"], tuple(one["shown_by"])) for one in found)


@cache
def limits() -> tuple[Limit, ...]:
    """Every constant of `core/limits`, in its order; shown by nothing where no row names it."""
    rows = tomllib.loads((HERE / "limits.toml").read_text())
    found = [
        Limit(name, value, reason, tuple(rows.pop(name, ())))
        for file in map(
            LIMITS.joinpath, ("data.py", "kept.py", "alerts.py", "ledger.py", "backup.py")
        )
        for name, value, reason in _constants(file.read_text())
    ]
    if rows:
        raise ValueError(f"limits.toml names what is no limit: {', '.join(rows)}")
    return tuple(found)


def shown_by() -> set[str]:
    """Every test that a promise or a limit names."""
    return {test for one in (*promises(), *limits()) for test in one.shown_by}


def _constants(source: str) -> list[tuple[str, str, str]]:
    """Name, value and reason. A comment is the reason of all constants up to the next one."""
    found: list[tuple[str, str, str]] = []
    comment: list[str] = []
    after_code = True
    for line in source.splitlines():
        if line.startswith("#"):
            comment = [] if after_code else comment
            comment.append(line.lstrip("# "))
            after_code = False
        elif matched := re.match(r"([A-Z][A-Z0-9_]*) = (.+)", line):
            after_code = True
            if comment:
                found.append((matched[1], _readable(matched[2]), " ".join(comment)))
    return found


def _readable(value: str) -> str:
    for unit, word in (("KIB", "KiB"), ("MIB", "MiB"), ("GIB", "GiB")):
        value = re.sub(rf"^(?:(\d+) \* )?{unit}$", lambda m: f"{m[1] or 1} {word}", value)  # noqa: B023
    return value.replace("_", ",") if re.fullmatch(r"[\d_]+", value) else value
