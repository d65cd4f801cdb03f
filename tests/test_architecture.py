"""docs/architecture.md is true to the code: rooms, who imports whom, and every place it names; and
every Protocol that has several implementations has a suite of laws."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "src" / "tailrace"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
# What stands beside the rooms: the command line, which only calls `app`.
BESIDE = {"cli"}


def module(path: Path) -> str:
    """`tailrace.core.frame` for its file; a package is named by its folder."""
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in sorted(HOUSE.rglob("*.py"))}


def statements(of: ast.AST) -> Iterator[ast.stmt]:
    """All within, however deep; expressions, which are most of a module, have none."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for node in getattr(of, part, ()):
            if isinstance(node, ast.stmt):
                yield node
            yield from statements(node)


def imported(name: str) -> set[str]:
    """Modules of ours that a module imports anywhere, in a function too."""
    found: set[str] = set()
    for node in statements(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            within = {f"{node.module}.{one.name}" for one in node.names}
            found |= within & MODULES.keys() or {node.module}
    return (found & MODULES.keys()) - {name}


IMPORTS = {name: imported(name) for name in MODULES}


def room(name: str) -> str:
    """The room of a module; "" for the package itself."""
    return name.split(".")[1] if "." in name else ""


ROOMS = {room(name) for name in MODULES} - {"", *BESIDE}


def table() -> dict[str, set[str]]:
    """The rooms of the page and what it says they import."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]+\| ([^|]+) \|$", PAGE, re.MULTILINE)
    return {
        name: set()
        if said == "nothing"
        else ROOMS
        if said == "everything"
        else set(said.split(", "))
        for name, said in rows
    }


def test_every_room_is_in_the_table_and_no_other() -> None:
    assert set(table()) == ROOMS


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_a_room_imports_what_the_table_says_and_nothing_less(name: str) -> None:
    used = {room(one) for found in IMPORTS for one in IMPORTS[found] if room(found) == name}
    used -= {"", name}
    assert used <= table()[name]
    if name != "app":
        assert used == table()[name]


def test_no_modules_import_each_other_in_a_circle() -> None:
    try:
        TopologicalSorter(IMPORTS).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_picture_shows_every_room_that_data_goes_through() -> None:
    (picture,) = re.findall(r"^# Architecture\n+((?: {4}.*\n|\n)+)", PAGE)
    through = {
        name for name, used in table().items() if used and name not in ("ui", "client", "app")
    }
    words = set(re.findall(r"[\w.]+", picture))
    # A gateway's way to another, and what the doors and inputs read.
    assert through - {"ship", "wire"} - words - {"logging"} == set()


@pytest.mark.parametrize("place", sorted(set(re.findall(r"`([\w/]+\.py|[\w/]+/)`", PAGE))))
def test_every_file_and_folder_it_names_is_there(place: str) -> None:
    said_as_state = re.search(rf"^\| `{place}` \|", PAGE, re.MULTILINE)
    if said_as_state or place in ("src/tailrace/", "web/"):
        return
    assert [one for one in HOUSE.rglob("*") if str(one).endswith(f"/{place.rstrip('/')}")], place


@pytest.mark.parametrize(
    ("path", "name"), re.findall(r"`([\w/]+\.py):(\w+(?:\.\w+)?)`", PAGE), ids=lambda text: text
)
def test_every_function_it_names_is_there(path: str, name: str) -> None:
    owner, _, method = name.rpartition(".")
    for node in ast.walk(ast.parse((HOUSE / path).read_text())):
        if isinstance(node, ast.ClassDef) and owner == node.name:
            assert method in {one.name for one in node.body if hasattr(one, "name")}
            return
        if not owner and getattr(node, "name", "") == method:
            return
    pytest.fail(f"{path} has no {name}")


def promised(kind: type) -> dict[str, list[str]]:
    """Its public methods and the names of what they take: what is alike here is no chance."""
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if name == "__call__" or not name.startswith("_")
    }


def classes() -> list[type]:
    """Of the whole package, but for what is private to a module."""
    found = [(name, vars(importlib.import_module(name))) for name in MODULES]
    return [
        kind
        for name, held in found
        for kind in held.values()
        if inspect.isclass(kind) and kind.__module__ == name and not kind.__name__.startswith("_")
    ]


def test_a_protocol_with_several_implementations_has_a_suite_of_laws() -> None:
    """A file of tests that begins with "The laws of" and names it. That it is run over all of them
    is for its readers to see."""
    files = (ast.get_docstring(ast.parse(one.read_text())) for one in ROOT.glob("tests/**/*.py"))
    laws = " ".join(said for said in files if said and said.startswith("The laws of"))
    protocols = [kind for kind in classes() if getattr(kind, "_is_protocol", False)]
    others = [promised(kind).items() for kind in classes() if kind not in protocols]
    several = {
        kind.__name__
        for kind in protocols
        if (wanted := promised(kind).items()) and sum(wanted <= one for one in others) > 1
    }
    assert len(several) > 15
    assert several - set(re.findall(r"\w+", laws)) == set()
