"""The fixture `asker`; see sql_asking.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sql_asking import Asker, load


@pytest.fixture(scope="module")
def asker(engine: Any) -> Asker:
    return load(engine)
