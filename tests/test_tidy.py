"""Style as a test: sizes of files and functions, and no path of somebody's machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
# Of the page only the files people write: no lock file, nothing that was built.
PAGE_SOURCES = sorted(p for p in (ROOT / "web" / "src").rglob("*") if p.is_file())
FILE_LINES = 500
FUNCTION_LINES = 60


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_enough_to_read(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} at line {node.lineno} has {lines} lines"


@pytest.mark.parametrize("path", PAGE_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_the_page_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= FILE_LINES


@pytest.mark.parametrize("path", [*SOURCES, *PAGE_SOURCES], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_names_no_place_of_somebodys_machine(path: Path) -> None:
    text = path.read_text()
    assert not [name for name in ("home", "root", "Users", "work") if f"/{name}/" in text]


def test_what_running_needs_is_pinned_as_everything_is() -> None:
    whole, run = (
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-run.lock")
    )
    assert run < whole
    assert len(run) > 20
