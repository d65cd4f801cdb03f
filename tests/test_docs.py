"""What a user can set, call, read or follow a link to is documented, and nothing else is."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shlex
import socket
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from tailrace import __version__
from tailrace.agent.inputs import AnyInput, Input, Keep, LogInput
from tailrace.app.config import Config, load
from tailrace.app.server import Runtime
from tailrace.cli import COMMANDS, build_parser
from tailrace.core import fleet
from tailrace.core.metrics import NAMES
from tailrace.ui.site import routes as ui_routes

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
API = DOCS / "openapi.json"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def rows(page: str) -> dict[str, str]:
    """Table rows of a page by their first cell, which is `code`."""
    text = (DOCS / page).read_text()
    return dict(re.findall(r"^\| `([^`]+)`[^|]*\|(.*)\|$", text, re.MULTILINE))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_metric_is_described_and_no_other() -> None:
    assert {name for name in rows("metrics.md") if name.startswith("tailrace_")} == set(NAMES)


def settings() -> dict[str, Any]:
    """Every `section.key` with its default."""
    return {
        f"{section.name}.{field.name}": getattr(getattr(Config(), section.name), field.name)
        for section in msgspec.structs.fields(Config)
        for field in msgspec.structs.fields(section.type)
    }


def test_every_setting_is_described_with_its_default_and_no_other() -> None:
    found = rows("configuration.md")
    dotted = {name for name in found if re.fullmatch(r"[a-z]+\.[a-z_]+", name)}
    assert dotted == set(settings())
    for name, default in settings().items():
        if default:
            shown = str(default).lower() if default is True else getattr(default, "text", default)
            assert found[name].startswith(f" `{shown}` |"), name


def described(page: str, heading: str) -> dict[str, str]:
    """Table rows of one part of a page by their first cell, which is `code`."""
    part = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", (DOCS / page).read_text(), re.M | re.S)
    assert part, f"docs/{page} has no part {heading}"
    return dict(re.findall(r"^\| `([^`]+)`[^|]*\|(.*)\|$", part[1], re.MULTILINE))


def keys(struct: type[msgspec.Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("kind", get_args(AnyInput), ids=lambda kind: kind.__struct_config__.tag)
def test_every_key_of_an_input_is_described_and_no_other(kind: type[Input]) -> None:
    common = LogInput if issubclass(kind, LogInput) else Input
    heading = f"`{kind.__struct_config__.tag}`"
    assert set(described("inputs.md", heading)) == keys(kind) - keys(common)


def test_every_key_that_inputs_share_is_described_and_no_other() -> None:
    assert set(described("inputs.md", "Every input")) == {"type", *keys(Input)}
    assert set(described("inputs.md", "Log inputs")) == keys(LogInput) - keys(Input)
    assert set(described("inputs.md", "What is kept")) == keys(Keep)


def test_every_line_of_the_own_log_that_is_explained_is_written() -> None:
    rooms = [ROOT / "src/tailrace" / room for room in ("agent", "ship")]
    sources = "".join(path.read_text() for room in rooms for path in room.rglob("*.py"))
    found = described("agent.md", "When something is wrong")
    assert len(found) > 10
    for name in found:
        assert name in NAMES or f'"{name}"' in sources, name


def commands() -> dict[str, argparse.ArgumentParser]:
    actions = build_parser()._actions
    (found,) = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
    return dict(found.choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_is_described_and_no_other(command: str) -> None:
    section = re.search(
        rf"^## tailrace {command}\n(.*?)(?=^## |\Z)", (DOCS / "cli.md").read_text(), re.M | re.S
    )
    assert section, f"docs/cli.md has no part about tailrace {command}"
    described = set(re.findall(r"^\| `([^` ]+)[^`]*` \|", section[1], re.MULTILINE))
    known: set[str] = set()
    for action in commands()[command]._actions:
        if action.dest != "help":
            positional = action.choices or [action.metavar]
            known |= set(action.option_strings or map(str, positional))
    assert described == known


def test_every_command_is_a_part_of_its_page() -> None:
    assert set(commands()) == set(COMMANDS)


@pytest.fixture
def application(tmp_path: Path) -> Starlette:
    config = Config()
    config.server.data_dir = str(tmp_path)
    with socket.socket() as unused:
        return Runtime(config, unused)._application()


def path_of(route: Any) -> str:
    """The path of a route as it is written, without the kinds of its parts."""
    return re.sub(r":\w+\}", "}", getattr(route, "path", ""))


def test_every_route_is_documented(application: Starlette) -> None:
    text = "".join(page.read_text() for page in PAGES)
    for route in application.routes:
        path = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), path_of(route))
        assert re.search(rf"{re.escape(path)}(?![\w/])", text), f"{path} is in no page"


def described_methods() -> dict[tuple[str, str], Any]:
    """The operations of the description by path and method; some paths share theirs."""
    api = json.loads(API.read_text())
    shared = {f"#/components/pathItems/{k}": v for k, v in api["components"]["pathItems"].items()}
    return {
        (path, method): operation
        for path, item in api["paths"].items()
        for method, operation in shared.get(item.get("$ref"), item).items()
    }


def test_the_description_of_the_api_has_every_route_and_method_and_no_other(
    application: Starlette,
) -> None:
    page = {route.path for route in ui_routes() if isinstance(route, Route)} - {"/"}
    served = {
        (path_of(route), method.lower())
        for route in application.routes
        if isinstance(route, Route | WebSocketRoute) and route.path not in page
        for method in getattr(route, "methods", None) or ["GET"]
    }
    # HEAD goes with GET and needs no words.
    needless = {(path, "head") for path, method in served if method == "get"}
    assert set(described_methods()) == served - needless


def test_the_description_of_the_api_is_of_this_version_and_refers_to_what_it_has() -> None:
    text = API.read_text()
    api = json.loads(text)
    assert api["info"]["version"] == __version__
    parts = {f"{kind}/{name}" for kind in api["components"] for name in api["components"][kind]}
    security = {f"securitySchemes/{name}" for name in api["components"]["securitySchemes"]}
    assert set(re.findall(r'"#/components/(\w+/\w+)"', text)) == parts - security
    names = [one["operationId"] for one in described_methods().values() if "operationId" in one]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["Announcement", "InputReport", "Loss"])
def test_the_description_of_an_announcement_has_every_field_and_no_other(name: str) -> None:
    described = json.loads(API.read_text())["components"]["schemas"][name]
    fields = msgspec.structs.fields(getattr(fleet, name))
    assert set(described["properties"]) == {field.name for field in fields}
    assert set(described["required"]) == {field.name for field in fields if field.required}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{named(page)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor in slugs, f"{named(page)} links to {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert f"({named(page)})" in text, f"README.md does not name {named(page)}"


def test_every_page_and_file_that_is_named_exists() -> None:
    folders = [ROOT / name for name in ("src", "tests", "bench", "scripts")]
    sources = [p for folder in folders for p in folder.rglob("*") if p.suffix in (".py", ".sh")]
    sources += (ROOT / "web" / "src").rglob("*.ts*")
    for source in [*sources, *PAGES]:
        if source == Path(__file__):
            continue
        text = source.read_text()
        for name in re.findall(r"(?<![\w/])(?:docs|src|scripts|web/src)/[\w/.-]+\.\w+", text):
            assert (ROOT / name).exists(), f"{named(source)} names {name}"


def blocks(page: Path) -> list[str]:
    """The indented parts of a page, as somebody would copy them."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page.read_text() + "\n", re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE).strip("\n") for block in found]


SECTIONS = "|".join(field.name for field in msgspec.structs.fields(Config))
OWN_TOML = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if re.match(rf"(#.*\n)*\[\[?({SECTIONS})\b", block)
]


@pytest.mark.parametrize("block", OWN_TOML)
def test_every_configuration_that_is_shown_is_one(block: str, tmp_path: Path) -> None:
    path = tmp_path / "tailrace.toml"
    # Places that are not on every machine.
    path.write_text(block)
    for name in re.findall(r'_file\s*=\s*"([^"]+)"', block):
        shown = tmp_path / Path(name).name
        shown.write_text("secret")
        shown.chmod(0o600)
        path.write_text(path.read_text().replace(name, str(shown)))
    load(path, {})


def command_lines(page: Path) -> list[list[str]]:
    """Words of each command of ours that a page shows, without what follows a pipe."""
    found = []
    for block in blocks(page):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if not (said := re.match(r"(?:sudo |[A-Z_]+=\S+ )*(?:\S*/)?tailrace (.+)", line)):
                continue
            lexer = shlex.shlex(said[1], posix=True, punctuation_chars="|<>&;")
            lexer.whitespace_split = True
            words = itertools.takewhile(lambda word: not set(word) <= set("|<>&;"), lexer)
            found.append(list(words))
    return found


COMMAND_LINES = [
    pytest.param(words, id=f"{page.name}: {' '.join(words)}"[:80])
    for page in PAGES
    for words in command_lines(page)
]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_every_command_line_that_is_shown_is_one(words: list[str]) -> None:
    try:
        build_parser().parse_args(words)
    except SystemExit as ended:
        assert ended.code == 0, words
