"""A token bucket that may go into debt."""

from __future__ import annotations

from tailrace.gateway.admission.quota import Rate


class TokenBucket:
    """Fills with `rate` a second up to `burst`, and is full at the start.

    An amount may be taken when the bucket holds it, or is full: what is larger than the burst
    could never come in otherwise. It then goes into debt, which is paid before anything else, so
    that over any time t at most `burst + rate * t` plus one such amount comes in.
    """

    def __init__(self, rate: float, burst: float, now_s: float) -> None:
        self.rate = rate
        self.burst = burst
        self._level = burst
        self._filled_s = now_s

    def level(self, now_s: float) -> float:
        """What it holds; below 0 in debt."""
        if now_s > self._filled_s:
            self._level = min(self.burst, self._level + self.rate * (now_s - self._filled_s))
            self._filled_s = now_s
        return self._level

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken, 0 for now."""
        missing = min(amount, self.burst) - self.level(now_s)
        return max(0.0, missing) / self.rate

    def debt_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount`, which is being taken, is there in full; 0 when it is."""
        return max(0.0, amount - self.level(now_s)) / self.rate

    def take(self, amount: float, now_s: float) -> None:
        """Take it, whatever there is: ask `wait_s` first."""
        self._level = self.level(now_s) - amount

    def give(self, amount: float) -> None:
        """Give back what was taken for nothing."""
        self._level = min(self.burst, self._level + amount)


class Meter:
    """The two buckets of a rate; one that has no limit never waits."""

    def __init__(self, rate: Rate, burst_s: float, now_s: float) -> None:
        self.rate = rate
        self._bytes = _bucket(rate.bytes_per_second, burst_s, now_s)
        self._rows = _bucket(rate.rows_per_second, burst_s, now_s)

    def waits(self, bytes_: float, rows: float, now_s: float) -> tuple[float, float]:
        """Seconds until so many bytes and so many rows may come."""
        return (
            self._bytes.wait_s(bytes_, now_s) if self._bytes else 0.0,
            self._rows.wait_s(rows, now_s) if self._rows else 0.0,
        )

    def debts(self, bytes_: float, rows: float, now_s: float) -> float:
        """Seconds until so many bytes and rows, which are being taken, are there in full."""
        return max(
            self._bytes.debt_s(bytes_, now_s) if self._bytes else 0.0,
            self._rows.debt_s(rows, now_s) if self._rows else 0.0,
        )

    def take(self, bytes_: float, rows: float, now_s: float) -> None:
        if self._bytes:
            self._bytes.take(bytes_, now_s)
        if self._rows:
            self._rows.take(rows, now_s)

    def give(self, bytes_: float, rows: float) -> None:
        if self._bytes:
            self._bytes.give(bytes_)
        if self._rows:
            self._rows.give(rows)

    def left(self, now_s: float) -> dict[str, float]:
        """What may come at once, by the name of its limit."""
        buckets = {"bytes_per_second": self._bytes, "rows_per_second": self._rows}
        return {name: bucket.level(now_s) for name, bucket in buckets.items() if bucket}


def _bucket(rate: float, burst_s: float, now_s: float) -> TokenBucket | None:
    return TokenBucket(rate, rate * burst_s, now_s) if rate else None
