"""What a server claims before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app.claims import claim_port, claimed
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


def test_an_address_of_another_machine_is_said_to_be_none_of_this_one() -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:80 .*; set an address of this machine"):
        claim_port("192.0.2.1", 80)
    with claim_port("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        said = rf"127\.0\.0\.1:{port} .* in use; set another port, for example TAILRACE_SERVER__"
        with pytest.raises(ConfigError, match=said):
            claim_port("127.0.0.1", port)
