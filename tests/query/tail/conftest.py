"""A queue and a store in memory for the hub, which takes no breath between batches."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tail_fakes import Place


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("GATHER_S", "GATHER_PER_FOLLOWER_S"):
        monkeypatch.setattr(f"tailrace.query.tail.hub.{name}", 0.0)
    monkeypatch.setattr("tailrace.query.tail.hub.WORKING_SHARE", 1e9)
    return Place()
