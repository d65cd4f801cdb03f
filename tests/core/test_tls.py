"""What a client verifies a server with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.core.tls import context


def test_nothing_given_means_what_the_system_trusts() -> None:
    assert context(None, None) is None


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate\n")
    with pytest.raises(OSError, match=r"bad\.pem"):
        context(str(bad), None)
    with pytest.raises(OSError, match=r"bad\.pem"):
        context(None, str(bad))
    with pytest.raises(OSError, match=r"missing\.pem: No such file"):
        context(str(tmp_path / "missing.pem"), None)
