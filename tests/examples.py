"""How many examples a property test tries: some in the suite, ten times as many in the soak.

Of these two profiles of hypothesis the soak's is asked for by `--hypothesis-profile=soak`, as
`scripts/soak.sh` does for all property tests. Neither repeats itself: every run tries others, but
where a test says that it always tries the same.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

SUITE, SOAK = "suite", "soak"
# Of a test that says no number of its own.
USUAL = 30
_TIMES = {SUITE: 1, SOAK: 10}


def examples(in_the_suite: int) -> int:
    """What `max_examples` is in the profile of this run, for a test that tries `in_the_suite`."""
    return in_the_suite * _TIMES.get(settings.get_current_profile_name(), 1)


def load() -> None:
    """Names both profiles and takes the suite's. An option of pytest takes another after that."""
    # How long an example takes says nothing on a machine that does much else.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    for name, times in _TIMES.items():
        settings.register_profile(name, patient, max_examples=USUAL * times)
    settings.load_profile(SUITE)
