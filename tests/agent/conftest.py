from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from answering import Answering
from driving import OPEN
from fakes import FakeGateway


@pytest.fixture(autouse=True)
def benches() -> Iterator[None]:
    """Their descriptors end with the test."""
    yield
    while OPEN:
        OPEN.pop().close()


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.close()


@pytest.fixture
def answering() -> Iterator[Answering]:
    found = Answering()
    yield found
    found.close()
