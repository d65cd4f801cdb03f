"""How many examples a property test tries in the suite, where it does not say so itself.

Every run tries others; what needs thousands is a soak.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", max_examples=50)
settings.load_profile("suite")
