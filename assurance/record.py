"""What the last runs said: `record.json`, which belongs to the repository.

Of tests only those are kept that a promise names, of benchmarks every figure. A run of a part
changes that part alone, so everything says when it was run, and on which commit.
"""

from __future__ import annotations

import json
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assurance.register import HERE, ROOT, shown_by

RECORD = HERE / "record.json"
_FAILED = {"failure", "error"}


def load() -> dict[str, Any]:
    """`tests` by their names and then by "test" or "soak", and `bench` with the figures by part."""
    if not RECORD.exists():
        return {"tests": {}, "bench": {}}
    found: dict[str, Any] = json.loads(RECORD.read_text())
    return found


def save(record: dict[str, Any]) -> None:
    """Sorted, so that a change is seen line by line; what no promise names any more goes."""
    known = shown_by()
    record["tests"] = {name: said for name, said in record["tests"].items() if name in known}
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def add_tests(record: dict[str, Any], path: Path) -> int:
    """How many named tests a JUnit file of pytest had something to say of.

    `soak.xml` is of the soak, which runs other cases of some of them.
    """
    run = "soak" if path.stem == "soak" else "test"
    when = time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))
    cases: dict[str, list[ElementTree.Element]] = {}
    for case in ElementTree.parse(path).iter("testcase"):
        cases.setdefault(_test(case), []).append(case)
    named = cases.keys() & shown_by()
    for name in named:
        record["tests"].setdefault(name, {})[run] = {
            "outcome": _outcome(cases[name]),
            "cases": len(cases[name]),
            "seconds": round(sum(float(case.get("time", 0)) for case in cases[name]), 1),
            "when": when,
            "commit": _commit(),
        }
    return len(named)


def add_bench(record: dict[str, Any], path: Path) -> int:
    """How many parts `bench/results.json` had figures of. Parts that it does not have stay."""
    said = json.loads(path.read_text())
    about = {key: said[key] for key in ("when", "machine", "cores", "python", "rows")}
    for part, figures in said["parts"].items():
        record["bench"][part] = {**about, "commit": _commit(), "figures": figures}
    return len(said["parts"])


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


def _commit() -> str:
    asked = ["git", "rev-parse", "--short=7", "HEAD"]
    return subprocess.run(
        asked, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
