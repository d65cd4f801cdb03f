"""The fixture `asker`; see sql_asking.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sql_asking import Asker, load


@pytest.fixture(scope="module", params=["hot", "archived"])
def asker(
    engine: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Asker:
    """Over the hot store, and over an archive that holds the older half."""
    archived = request.param == "archived"
    return load(engine, tmp_path_factory.mktemp("sql") if archived else None)
