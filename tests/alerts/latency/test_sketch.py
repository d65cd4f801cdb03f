"""What an hour of delays gives."""

from __future__ import annotations

from tailrace.alerts.latency.report import Delays
from tailrace.alerts.latency.sketch import Sketch


def test_nothing_gives_nothing() -> None:
    assert Sketch().delays(0.0) == Delays(0)


def test_quantiles_are_never_too_small_and_at_most_a_tenth_too_large() -> None:
    values = [0.002 * 1.01**n for n in range(1_000)]
    sketch = Sketch()
    for value in values:
        sketch.add(value, 5.0)
    found = sketch.delays(6.0)
    assert found.count == len(values)
    assert found.worst_s == max(values)
    for said, true in ((found.p50_s, values[499]), (found.p99_s, values[989])):
        assert true <= said <= true * 1.1


def test_what_is_an_hour_old_is_forgotten() -> None:
    sketch = Sketch()
    sketch.add(40.0, 100.0)
    sketch.add(1.0, 1_900.0)
    assert sketch.delays(3_500.0).worst_s == 40.0
    assert sketch.delays(3_700.0) == Delays(1, 1.0, 1.0, 1.0)
    assert sketch.delays(90_000.0) == Delays(0)


def test_it_stays_small_whatever_comes() -> None:
    sketch = Sketch()
    for n in range(20_000):
        sketch.add(1.5 ** (n % 80) / 1e6, float(n * 10))
    assert len(sketch._slices) == 6
    assert all(len(one.counts) < 200 for one in sketch._slices)
