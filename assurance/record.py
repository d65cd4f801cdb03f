"""What the last runs said: `record.json`, which belongs to the repository.

Of tests only those are kept that a promise names, of benchmarks every figure. A run of a part
changes that part alone, so everything says when it was run. Only whole runs are taken in.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assurance.register import HERE, shown_by

RECORD = HERE / "record.json"
_FAILED = {"failure", "error"}
# What whole scripts take, and may take, in seconds.
TIMES = {
    "suite": ("the whole suite, by `make test`", 600.0),
    "first-answer": ("clone to first answer, warm caches, by `scripts/first-answer.sh`", 120.0),
}


def load() -> dict[str, Any]:
    """`tests` by name and then by "test" or "soak", `bench` by part, and `times` of scripts."""
    if not RECORD.exists():
        return {"tests": {}, "bench": {}, "times": {}}
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


def save(record: dict[str, Any]) -> None:
    """Sorted, so that a change is seen line by line; what no promise names any more goes."""
    known = shown_by()
    record["tests"] = {name: said for name, said in record["tests"].items() if name in known}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def add_tests(record: dict[str, Any], path: Path) -> int:
    """How many named tests a JUnit file of pytest had something to say of.

    `soak-*.xml` are of the soak, which runs other cases of some of them.
    """
    run = "soak" if path.stem.startswith("soak-") else "test"
    root = ElementTree.parse(path)
    when = next(root.iter("testsuite")).get("timestamp", "")[:10]
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in root.iter("testcase"):
        cases.setdefault(_test(case), []).append(case)
    named = cases.keys() & shown_by()
    for name in named:
        record["tests"].setdefault(name, {})[run] = {
            "outcome": _outcome(cases[name]),
            "cases": len(cases[name]),
            "seconds": round(sum(float(case.get("time", 0)) for case in cases[name]), 1),
            "when": when,
        }
    return len(named)


def add_bench(record: dict[str, Any], path: Path) -> int:
    """How many parts `bench/results.json` had figures of. Parts that it does not have stay."""
    said = json.loads(path.read_text())
    about = {key: said[key] for key in ("when", "machine", "cores", "python")}
    for part, figures in said["parts"].items():
        record["bench"][part] = {**about, "figures": figures}
    return len(said["parts"])


def add_times(record: dict[str, Any], path: Path) -> None:
    """What a script took as a whole: `TIMES` has its name; `path` is DAY SECONDS."""
    when, seconds = path.read_text().split()
    record["times"][path.stem] = {"when": when, "seconds": float(seconds)}


def _test(case: ElementTree.Element) -> str:
    """The name of the test that this is a case of; of a state machine's, the name of its class."""
    *folders, last = case.get("classname", "").split(".")
    if last.startswith("Test"):
        return f"{'/'.join(folders)}.py::{last}"
    return f"{'/'.join([*folders, last])}.py::{case.get('name', '').partition('[')[0]}"


def _outcome(cases: Iterable[ElementTree.Element]) -> str:
    """`failed` or `skipped` when one case is, else `passed`."""
    said = {child.tag for case in cases for child in case}
    if said & _FAILED:
        return "failed"
    return "skipped" if "skipped" in said else "passed"
