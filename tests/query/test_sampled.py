"""Estimates of sampled services, compared with what the archive counts of the same hours."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.sampled.comparison import Compared, Hot, compare, weight_of
from tailrace.query.sampled.http import PATH, routes
from tailrace.query.sampled.job import HOUR_NS, Comparing
from tailrace.store.reach import Reach
from tailrace.wire import consistent

from .archiving import BASE, SECOND, Archiving

TWENTY = consistent.text(consistent.threshold(20))


@given(st.integers(1, limits.SAMPLE_WEIGHT))
def test_a_threshold_tells_the_weight(weight: int) -> None:
    found = weight_of(consistent.text(consistent.threshold(weight)))
    assert found == pytest.approx(weight, rel=1.3e-4, abs=0.51)


@given(st.text(max_size=20))
def test_what_is_no_threshold_weighs_one_row_or_more(text: str) -> None:
    assert weight_of(text) >= 1


def of(chance: random.Random, rows: int, kept: int, weight: int = 20, lost: int = 0) -> Compared:
    """Of a service of `rows`, `kept` of them whatever chance says, the rest sampled."""
    taken = sum(chance.random() < 1 / weight for _ in range(rows - kept)) - lost
    hot = {TWENTY: Hot(kept + taken * weight, kept), "": Hot(500, 500)}
    return compare("shop", 0, hot, {TWENTY: rows, "": 500})


def test_chance_alone_is_not_outside_and_loss_is() -> None:
    chance = random.Random(1)
    honest = [of(chance, 2_000, 100) for _ in range(2_000)]
    assert all(one.judged for one in honest)
    assert sum(one.outside for one in honest) <= 3
    mean = sum(one.estimated - one.exact for one in honest) / len(honest)
    assert abs(mean) < 4 * honest[0].deviation / len(honest) ** 0.5
    lossy = [of(chance, 2_000, 100, lost=80) for _ in range(50)]
    assert all(one.outside for one in lossy)


def test_of_few_rows_nothing_is_said() -> None:
    found = compare("shop", 0, {TWENTY: Hot(40, 0)}, {TWENTY: 500})
    assert (found.judged, found.outside) == (False, False)
    assert found.error == pytest.approx(-0.92)


def test_rows_that_were_taken_together_say_less() -> None:
    alone = compare("shop", 0, {TWENTY: Hot(16_000, 0)}, {TWENTY: 20_000})
    traced = compare("shop", 0, {TWENTY: Hot(16_000, 0, effect=10.0)}, {TWENTY: 20_000})
    assert alone.outside
    assert not traced.outside
    assert traced.deviation == pytest.approx(alone.deviation * 10**0.5)


def test_a_service_that_is_hot_not_at_all_is_outside() -> None:
    assert compare("shop", 0, {}, {TWENTY: 5_000}).outside


class Bench:
    """The job over a real engine and archive, some hours after BASE."""

    def __init__(self, engine: Any, folder: Path, hours: float = 6.5) -> None:
        self.store = Archiving(engine, folder)
        self.clock = ManualClock(BASE + int(hours * 3600) * SECOND)
        self.metrics = Metrics()
        self.waiting_ns: int | None = None
        self.caught_up = True
        self.comparing = Comparing(
            engine,
            Reach(self.store.archive, self.store.horizon),
            lambda: self.store.horizon.of(Signal.LOGS),
            lambda tenant: self.waiting_ns,
            self._handled,
            self.clock,
            self.metrics,
        )
        self.tenant = engine.tenant()

    async def _handled(self) -> bool:
        return self.caught_up

    def load(self, hour: int, service: str = "shop", rows: int = 2_000, lost: int = 0) -> None:
        """Rows of an hour in the archive; of them hot: one in ten whole, of the rest a sample."""
        chance = random.Random(f"{hour}{service}")
        resource = {"sampling.threshold": TWENTY}
        whole = [
            {
                "ns": BASE + hour * HOUR_NS + number * SECOND,
                "body": f"{number}",
                "service": service,
                "resource": resource,
            }
            for number in range(rows)
        ]
        self.store.engine.load(self.tenant, whole)
        self.store.bulk(self.tenant)
        kept = whole[: rows // 10]
        taken = [row for row in whole[rows // 10 :] if chance.random() < 0.05]
        sampled = [row | {"weight": 20} for row in taken[lost:]]
        self.hot = [*getattr(self, "hot", []), *kept, *sampled]

    def settle(self) -> None:
        """What is hot, since `bulk` takes all that is."""
        self.store.engine.load(self.tenant, self.hot)

    def turn(self) -> dict[str, Any]:
        asyncio.run(self.comparing.turn())
        return {one.service: one for one in self.comparing.services(self.tenant)}

    def hours(self) -> list[int]:
        return [(hour - BASE) // HOUR_NS for hour in self.comparing.hours(self.tenant)]


@pytest.fixture
def bench(engine: Any, tmp_path: Path) -> Bench:
    return Bench(engine, tmp_path)


def test_services_are_right_or_wrong_by_what_the_archive_counts(bench: Bench) -> None:
    for hour in range(3):
        bench.load(hour)
        bench.load(hour, "lossy", lost=80)
        bench.load(hour, "rare", rows=30)
    bench.settle()
    found = bench.turn()
    assert bench.hours() == [1, 2, 3, 4]
    found = bench.turn()
    assert bench.hours() == list(range(-3, 5))
    assert [found[name].wrong for name in ("shop", "lossy", "rare")] == [False, True, False]
    assert found["shop"].exact == 6_000
    assert abs(found["shop"].error) < 0.1
    assert (found["lossy"].outside, found["lossy"].exact) == (3, 6_000)
    assert next(iter(found)) == "lossy"  # what is wrong stands first
    count = "tailrace_sampling_compared_total"
    said = {kind: bench.metrics.get(count, kind) for kind in ("inside", "outside", "few")}
    assert said == {"inside": 3, "outside": 3, "few": 3}
    assert bench.metrics.get("tailrace_sampling_wrong_services") == 1
    worst = bench.metrics.get("tailrace_sampling_error_ratio", "worst")
    assert worst == pytest.approx(abs(found["lossy"].error))


def test_an_hour_is_compared_once_both_have_all_of_it(bench: Bench) -> None:
    bench.load(0)
    bench.settle()
    bench.caught_up = False
    assert bench.turn() == {}
    bench.caught_up = True
    bench.waiting_ns = BASE + 3 * HOUR_NS // 2  # the agent still has something of the hour after
    bench.turn()
    assert 0 not in bench.hours()
    bench.waiting_ns = BASE + 2 * HOUR_NS
    assert bench.turn()["shop"].exact == 2_000
    assert max(bench.hours()) == 0
    before = bench.metrics.get("tailrace_sampling_compared_total", "inside")
    bench.turn()
    assert bench.metrics.get("tailrace_sampling_compared_total", "inside") == before
    bench.clock.advance(30 * 3600)  # a day is kept
    assert bench.turn() == {}


def test_hours_of_which_rows_are_hot_no_more_are_not_compared(bench: Bench) -> None:
    for hour in range(3):
        bench.load(hour)
    bench.settle()
    bench.store.dropped(BASE + 2 * HOUR_NS, bench.tenant)
    assert bench.turn()["shop"].exact == 2_000
    assert min(bench.hours()) == 2


def test_no_more_services_are_kept_than_may_be(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SAMPLED_SERVICES", 1)
    bench.load(3)
    bench.load(3, "rare", rows=700)
    bench.settle()
    assert set(bench.turn()) == {"shop"}
    monkeypatch.setattr(limits, "SAMPLED_CELLS", 1)
    bench.comparing._kept.clear()
    assert set(bench.turn()) == {"shop"}


def test_a_tenant_is_told_of_its_own(bench: Bench) -> None:
    bench.load(3)
    bench.settle()
    bench.turn()

    async def ask(tenant: str) -> Any:
        app = Starlette(routes=routes(bench.comparing, lambda request: tenant))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get(PATH)).json()

    said = asyncio.run(ask(bench.tenant))
    assert BASE + 3 * HOUR_NS in said["hours"]
    (shop,) = said["services"]
    assert (shop["service"], shop["exact"], shop["wrong"]) == ("shop", 2_000, False)
    assert asyncio.run(ask("other")) == {"hours": [], "services": []}
