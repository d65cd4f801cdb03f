"""How long a sender waits before it tries again: full jitter, so that not all come back at once."""

from __future__ import annotations

import random

FIRST_BACKOFF_S = 0.2
LARGEST_BACKOFF_S = 30.0
# What a server may ask for with Retry-After.
LARGEST_RETRY_AFTER_S = 300.0
# A credential or an address that is wrong is put right by a person.
SLOW_S = 15.0
jitter = random.Random()


def backoff_s(failures: int) -> float:
    """After so many failures in a row, at least one."""
    ceiling_s = min(LARGEST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(failures, 10))
    return jitter.uniform(0.0, ceiling_s)


def slow_s() -> float:
    """Until a person may have changed something."""
    return SLOW_S * jitter.uniform(0.5, 1.5)
