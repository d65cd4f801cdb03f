"""What a server claims before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app.claims import claimed
from tailrace.app.config import Config
from tailrace.core.errors import ConfigError


@pytest.mark.parametrize("section", ["archive", "agent"])
def test_a_directory_that_cannot_be_made_is_named(section: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = Config()
    config.server.listen = "127.0.0.1:0"
    config.server.data_dir = str(tmp_path / "data")
    getattr(config, section).directory = str(tmp_path / "file" / "below")
    with (
        pytest.raises(ConfigError, match=rf"^{section}\.directory: .*/below cannot be written"),
        claimed(config),
    ):
        pass
