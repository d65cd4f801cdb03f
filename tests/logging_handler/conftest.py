from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tailrace.logging import Handler

from .gateways import Gateway

MakeLogger = Callable[..., tuple[logging.Logger, Handler]]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway()
    yield found
    found.close()


@pytest.fixture
def attach() -> Iterator[MakeLogger]:
    """`attach(url, **options)`: a logger of the level DEBUG and its only handler."""
    made: list[tuple[logging.Logger, Handler]] = []

    def run(
        url: str, name: str = "shop.checkout", **options: Any
    ) -> tuple[logging.Logger, Handler]:
        logger = logging.getLogger(name)
        handler = Handler(url=url, **options)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(handler)
        made.append((logger, handler))
        return logger, handler

    yield run
    for logger, handler in made:
        logger.removeHandler(handler)
        handler.sender.close(0.1)
        logger.propagate = True
