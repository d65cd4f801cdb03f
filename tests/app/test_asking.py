"""What a command that asks says of a refusal, and of a token that cannot be read."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tailrace.cli import main
from tailrace.client.server import said
from tailrace.core import limits


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"expected a number", "expected a number"),
        (b'{"error":"a valid token is required","reason":"token"}', "a valid token is required"),
        (b"<!DOCTYPE HTML>\n<html></html>", "what answers is no tailrace server"),
    ],
)
def test_a_refusal_is_said_in_one_line(body: bytes, words: str) -> None:
    assert said(body) == words


@pytest.mark.parametrize("command", ["agents", "queries", "findings"])
def test_a_token_file_that_is_missing_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none"
    assert main([command, "--token-file", str(path)]) == 2
    assert capsys.readouterr().err == f"tailrace: --token-file {path}: No such file or directory\n"


def test_a_token_file_that_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")
    assert main(["agents", "--token-file", str(path)]) == 2
    assert capsys.readouterr().err == f"tailrace: --token-file {path} is no text\n"


def test_a_certificate_authority_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.pem"
    assert main(["agents", "--tls-ca", str(path)]) == 2
    assert capsys.readouterr().err == f"tailrace: {path}: No such file or directory\n"


def test_an_audit_is_not_waited_for_without_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AUDIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        assert main(["guard", "audit", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}"]) == 1
        assert time.monotonic() - began_s < 20
    assert "timed out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["query", "x", "--start", "20", "--until", "10"], "--start 20 is not before --until 10"),
        (["sql", "x", "--start", "20", "--end", "20"], "--start 20 is not before --end 20"),
        (["query", "x", "--start", "2200-01-01T00:00:00Z"], "is not before --until now"),
    ],
)
def test_a_range_that_ends_before_it_starts_is_wrong_usage(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
