"""What `--output` writes: whole, or not at all and with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.app.commands.common import save
from tailrace.cli import main
from tailrace.core.errors import ConfigError, StoreError


def breaking() -> Iterator[bytes]:
    yield b"half"
    raise StoreError("the server left")


def test_a_file_is_replaced_when_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    with pytest.raises(StoreError):
        save(tmp_path / "x", breaking())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    save(tmp_path / "x", [b"one ", b"two"])
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one two"]


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    save(tmp_path / "link", [b"text"])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_a_full_disk_is_said_with_the_file() -> None:
    with pytest.raises(ConfigError, match=r"^--output /dev/full: No space left on device$"):
        save(Path("/dev/full"), [b"x"])


@pytest.mark.parametrize("file", ["no/x", "."])
@pytest.mark.parametrize("words", [["sql", "SELECT 1"], ["review", "empty.py"]])
def test_a_file_that_cannot_be_written_is_named_with_status_2(
    words: list[str],
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.py").touch()
    assert main([*words, "--output", file]) == 2
    assert capsys.readouterr().err.startswith(f"tailrace: --output {file}: ")


def test_any_other_file_that_cannot_be_used_is_named_without_its_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["guard", "test", "/nowhere/x"]) == 1
    assert capsys.readouterr().err == "tailrace: /nowhere/x: No such file or directory\n"
