"""The fixture `home`: a folder with a CA, and a certificate of it for servers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tests.app.certificates import authority, signed


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("certificates")
    authority(found)
    signed(found, "server")
    return found
