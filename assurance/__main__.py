"""`python -m assurance`: take in what the last runs said, and make the pages from it.

Runs are what `make test`, `make soak` and `scripts/first-answer.sh` leave in `assurance/runs/`
when they ran whole, and `bench/results.json` of `make bench`; what is not there is left as it was.
Exit status: 1 when something that was promised has not been shown or measured, else 0.
"""

from __future__ import annotations

import sys
from typing import Any

from assurance import page, record
from assurance.register import HERE, ROOT, limits, promises

RUNS = HERE / "runs"
RESULTS = ROOT / "bench" / "results.json"


def main() -> int:
    """Record, render, and say what is missing."""
    said = record.load()
    for path in sorted(RUNS.glob("*.xml")):
        print(f"{path.name}: {record.add_tests(said, path)} tests")
    for path in sorted(RUNS.glob("*.seconds")):
        record.add_times(said, path)
    if RESULTS.exists():
        print(f"{RESULTS.name}: {record.add_bench(said, RESULTS)} parts")
    record.save(said)
    page.write(page.PAGE, page.assurance(said))
    page.write(page.BENCHMARKS, page.benchmarks(page.BENCHMARKS.read_text(), said))
    page.write(page.README, page.readme(page.README.read_text(), said))
    missing = unshown(said)
    print("\n".join(missing) or "everything that was promised was shown")
    return int(bool(missing))


def unshown(said: dict[str, Any]) -> list[str]:
    """A line for each promise without a test, each test that has not passed, each part that has
    no figures."""
    found = [f"no test shows: {one.says}" for one in promises() if not one.shown_by]
    found += [f"no test shows the limit {one.name}" for one in limits() if not one.shown_by]
    for test in sorted({test for one in (*promises(), *limits()) for test in one.shown_by}):
        outcomes = {run["outcome"] for run in said["tests"].get(test, {}).values()}
        for outcome in (outcomes or {"not run"}) - {"passed"}:
            found.append(f"{outcome}: {test}")
    for part in page.parts(page.BENCHMARKS.read_text()):
        if part not in said["bench"]:
            found.append(f"not measured: {part}")
    found += [f"not measured: {name}" for name in record.TIMES if name not in said["times"]]
    return found


if __name__ == "__main__":
    sys.exit(main())
