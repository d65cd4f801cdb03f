"""Style as a test: sizes of files and functions, and no path of somebody's machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
# Of the page only the files people write: no lock file, nothing that was built.
PAGE_SOURCES = sorted(p for p in (ROOT / "web" / "src").rglob("*") if p.is_file())
FILE_LINES = 500
FUNCTION_LINES = 60


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_is_short_enough_to_read() -> None:
    long = [named(path) for path in SOURCES if len(path.read_text().splitlines()) > FILE_LINES]
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{named(path)}: {node.name} has {lines} lines")
    assert SOURCES and not long


def test_a_file_of_the_page_is_short_enough_to_read() -> None:
    lines = {named(path): len(path.read_text().splitlines()) for path in PAGE_SOURCES}
    assert lines and not [name for name, count in lines.items() if count > FILE_LINES]


def test_a_file_names_no_place_of_somebodys_machine() -> None:
    assert not [
        f"{named(path)}: /{name}/"
        for path in (*SOURCES, *PAGE_SOURCES)
        for name in ("home", "root", "Users", "work")
        if f"/{name}/" in path.read_text()
    ]


def test_what_running_needs_is_pinned_as_everything_is() -> None:
    whole, run = (
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-run.lock")
    )
    assert run < whole
    assert len(run) > 20


def test_property_tests_within_others_are_found_by_the_soak() -> None:
    """It runs what has the mark of hypothesis, which gives it to its own kinds alone."""
    missed = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        lines = (text := path.read_text()).splitlines()
        for node in ast.parse(text).body if "max_examples=" in text else ():
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                within = re.search(
                    r"max_examples=\w", "\n".join(lines[node.lineno : node.end_lineno])
                )
                marked = any("hypothesis" in ast.unparse(one) for one in node.decorator_list)
                missed += [f"{named(path)}: {node.name}"] if within and not marked else []
    assert not missed
