"""`[space]` of the configuration, and `tailrace space`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.app.commands import space
from tailrace.app.config import load
from tailrace.app.spacesettings import marks
from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.core.errors import ConfigError
from tailrace.governance.space.marks import Marks


def of(tmp_path: Path, text: str, **environment: str) -> Marks:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return marks(load(path, environment).space)


def test_without_settings_marks_are_the_usual(tmp_path: Path) -> None:
    assert of(tmp_path, "") == Marks()


def test_marks_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    text = "[space]\nbulk_slow = 0.5\nbulk_stop = 0.6\nhot_stop = 1\ncounted = '1TiB'"
    found = of(tmp_path, text, TAILRACE_SPACE__BULK_STOP="0.7", TAILRACE_SPACE__HOT_SLOW="1")
    assert found == Marks(0.5, 0.7, 1.0, 1.0, 1 << 40)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bulk_slow = 85", "space.bulk_slow: a share of the disk, from 0 to 1"),
        ("bulk_slow = -0.1", "space.bulk_slow"),
        ("bulk_stop = 0.8", "space.bulk_stop: a share of the disk, from 0.85, the mark before it,"),
        ("hot_stop = nan", "space.hot_stop"),
        ("hot_stop = 'all'", "space.hot_stop"),
        ("counted = '1MiB'", 'space.counted: at least "1GiB"'),
        ("full = 1", "space.full"),
    ],
)
def test_marks_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        of(tmp_path, f"[space]\n{text}")
    with pytest.raises(ConfigError, match="TAILRACE_SPACE__HOT_STOP: 'all' is no number"):
        of(tmp_path, "", TAILRACE_SPACE__HOT_STOP="all")


PLACE: dict[str, Any] = {
    "name": "data", "path": "/srv/a\x1b[2J", "size_bytes": 107_374_182_400,
    "free_bytes": 12_000_000_000, "level": "bulk_slow", "refused": {"bulk": 0.6, "hot": 0.0},
    "growth_bytes_per_day": 3_000_000_000, "full_s": 200_000.0,
}  # fmt: skip
CALM: dict[str, Any] = PLACE | {
    "name": "spool", "path": "/spool", "level": "enough", "refused": {"bulk": 0, "hot": 0},
    "growth_bytes_per_day": None, "full_s": None,
}  # fmt: skip
USED = [
    {"what": "hot", "table": "logs", "bytes": 5_000_000, "complete": True},
    {"what": "archive", "table": "", "bytes": 7, "complete": False},
]


def test_a_table_says_what_waits_who_uses_it_and_when_it_is_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = msgspec.json.encode({"places": [PLACE, CALM], "used": USED})
    monkeypatch.setattr(Server, "get", lambda server, path, asked: body)
    assert main(["space"]) == 0
    heading, data, spool, _, used, logs, archive = capsys.readouterr().out.splitlines()
    assert re.split("  +", heading) == list(space._HEADINGS)
    assert re.split("  +", data) == [
        "data", "107 GB", "12 GB", "BULK_SLOW", "bulk 60%", "3 GB/d", "2d", "/srv/a\\x1b[2J",
    ]  # fmt: skip
    assert re.split("  +", spool)[3:] == ["enough", "-", "-", "-", "/spool"]
    assert [re.split("  +", one) for one in (used, logs, archive)] == [
        ["USED BY", "BYTES"], ["hot logs", "5 MB"], ["archive", "7 B at least"],
    ]  # fmt: skip
    assert main(["space", "--format", "json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["used"] == USED
