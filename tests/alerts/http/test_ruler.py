"""Rules as Grafana, mimirtool and curl list and edit them, over files and a store in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import yaml

from tailrace.alerts.http.ruler import PREFIXES, Ruler
from tailrace.alerts.rules.book import Rulebook
from tailrace.alerts.rules.files import RuleFiles
from tailrace.alerts.templating import template
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics

from ..store import MemoryAlerts
from .asking import ask

GROUP = "name: a/b\nrules:\n- alert: Down\n  expr: up == 0\n"


class Desk:
    """A server with one rule file, of the tenant shop."""

    def __init__(self, path: Path, prefix: str = "/loki/api/v1/rules") -> None:
        path.write_text(f"groups: [{{name: disk, rules: {yaml.safe_load(GROUP)['rules']}}}]")
        self.folder = str(path)
        files = RuleFiles({"shop": [self.folder]}, Metrics())
        self.book = Rulebook(files, MemoryAlerts(), ManualClock(), template.check)
        asyncio.run(self.book.load())
        ruler = Ruler(self.book, self.reload)
        self.routes = [*ruler.reading(), *ruler.changing()]
        self.prefix = prefix

    async def reload(self) -> None:
        await self.book.load()

    def ask(self, method: str, *parts: str, body: str = "") -> httpx.Response:
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        return ask(self.routes, method, path, prefix=self.prefix, content=body)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.yml"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_groups_of_a_file_are_asked_for_by_its_path(path: Path, prefix: str) -> None:
    desk = Desk(path, prefix)
    assert list(yaml.safe_load(desk.ask("GET", desk.folder).text)) == [desk.folder]
    assert yaml.safe_load(desk.ask("GET", desk.folder, "disk").text)["name"] == "disk"


def test_a_namespace_and_a_group_may_have_slashes_in_their_names(path: Path) -> None:
    desk = Desk(path)
    assert desk.ask("POST", "team/ä", body=GROUP).status_code == 202
    assert yaml.safe_load(desk.ask("GET", "team/ä", "a/b").text)["name"] == "a/b"
    assert desk.ask("DELETE", "team/ä", "a/b").status_code == 202
    assert desk.ask("GET", "team/ä", "a/b").status_code == 404


def test_a_name_is_read_once_though_it_looks_escaped(path: Path) -> None:
    desk = Desk(path)
    desk.ask("POST", "a%2Fb", body=GROUP)
    assert desk.ask("GET", "a%2Fb", "a/b").status_code == 200
    assert desk.ask("GET", "a/b", "a/b").status_code == 404
