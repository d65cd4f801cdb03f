"""What holds for every test: the profile of property tests, and how garbage is collected."""

from __future__ import annotations

import gc

from tests import examples

# Modules and thousands of tests stay to the end: to look for garbage among them again and again
# takes a quarter of the time that it takes to collect them.
gc.disable()
examples.load()


def pytest_collection_finish() -> None:
    """What was collected is looked at no more."""
    gc.collect()
    gc.freeze()
    gc.enable()
