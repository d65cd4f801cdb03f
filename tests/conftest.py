"""How many examples a property test tries in the suite, where it does not say so itself.

Every run tries others; what needs thousands is a soak.
"""

from __future__ import annotations

import gc

from hypothesis import settings

# Modules and thousands of tests stay to the end: to look for garbage among them again and again
# takes a quarter of the time that it takes to collect them.
gc.disable()


def pytest_collection_finish() -> None:
    """What was collected is looked at no more."""
    gc.collect()
    gc.freeze()
    gc.enable()


settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")
