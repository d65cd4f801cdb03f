"""Hours of a day in local time, such as "01:00-05:00", and how far they are."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

DAY_S = 86_400.0
_FORM = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


class Hours(NamedTuple):
    """From `start_s`, in seconds of the day, for `length_s`, which may go over midnight."""

    start_s: float = 0.0
    length_s: float = DAY_S

    def away_s(self, now: time.struct_time) -> float:
        """Seconds until they begin; 0 within them."""
        into_s = now.tm_hour * 3600.0 + now.tm_min * 60.0 + now.tm_sec - self.start_s
        into_s %= DAY_S
        return DAY_S - into_s if into_s >= self.length_s else 0.0


ALWAYS = Hours()


def hours(text: str) -> Hours:
    """What `text` says, ALWAYS for "". Raises ValueError."""
    if not text:
        return ALWAYS
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f'{text!r} is not such as "01:00-05:00"')
    hour, minute, end_hour, end_minute = map(int, found.groups())
    start_s = hour * 3600.0 + minute * 60.0
    length_s = (end_hour * 3600.0 + end_minute * 60.0 - start_s) % DAY_S
    if not length_s:
        raise ValueError(f"{text!r} is empty; leave it out for always")
    return Hours(start_s, length_s)
