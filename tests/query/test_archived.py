"""Hot store and archive as one: no range of time tells where a row is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.frame import Signal
from tailrace.query.plan import Grid

from .archiving import BASE, SECOND, Archiving
from .logs.rows import rows
from .logs.test_agreement import same

ALL = '{service_name=~".+"}'
HOUR = (BASE, BASE + 3599 * SECOND)
MINUTE = Grid(BASE + 60 * SECOND, SECOND, 1)
COUNT = f"sum(count_over_time({ALL}[1m]))"


@pytest.fixture
def store(engine: Any, tmp_path: Path) -> Archiving:
    return Archiving(engine, tmp_path)


def total(found: dict[Any, list[float | None]]) -> float:
    return sum(value or 0.0 for values in found.values() for value in values)


def bodies(found: list[tuple[int, str, str]]) -> list[str]:
    return [body for _, body, _ in found]


def load(store: Archiving, *seconds: int, tenant: str = "", **fields: Any) -> str:
    """A row for each second, which is its line."""
    tenant = tenant or store.engine.tenant()
    store.engine.load(tenant, [
        {"ns": BASE + second * SECOND, "body": f"at {second}", **fields} for second in seconds
    ])  # fmt: skip
    return tenant


queries = st.sampled_from([
    ALL, '{service_name="web"}', f'{ALL} |= "status"', f'{ALL} |= "5"',
    f"{ALL} | json | status=`500`", f"{ALL} | logfmt | status > 5", '{zone="a"}',
])  # fmt: skip
QUANTILE = f"quantile_over_time(0.5, {ALL} | logfmt | unwrap status | __error__=`` [20s])"
metrics = st.sampled_from([
    "count_over_time({}[10s])", "sum by (level)(rate({}[25s]))", "sum(bytes_over_time({}[7s]))",
    "sum by (zone)(count_over_time({}[10s] offset 5s))",
    QUANTILE,
    "sum(count_over_time({}[10s])) / sum(count_over_time({}[20s]))",
]).map(lambda text: text.replace("{}", ALL))  # fmt: skip


@settings(
    max_examples=examples(13),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    found=rows, query=queries, metric=metrics, horizon=st.integers(0, 62), start=st.integers(0, 40),
    length=st.integers(1, 62), limit=st.integers(1, 14), forward=st.booleans(),
    unaligned=st.integers(0, 3), apart=st.none() | st.integers(0, 62),
    gone=st.booleans(),
)  # fmt: skip
@example(
    [
        {
            "second": 5,
            "body": "status=5",
            "severity": 9,
            "service": "web",
            "weight": 1,
            "resource": {},
            "attributes": {},
        }
    ],
    ALL,
    QUANTILE,
    20,
    0,
    40,
    1,
    True,
    0,
    None,
    True,
)
def test_any_range_gives_what_it_gave_before_the_drop(
    engine: Any, tmp_path_factory: pytest.TempPathFactory, found: list[dict[str, Any]], query: str,
    metric: str, horizon: int, start: int, length: int, limit: int, forward: bool, unaligned: int,
    apart: int | None, gone: bool,
) -> None:  # fmt: skip
    store = Archiving(engine, tmp_path_factory.mktemp("archived"))
    tenant = engine.tenant()
    # Time and number apart, so that the order of lines is no matter of where they are.
    engine.load(tenant, [
        {**{name: value for name, value in row.items() if name != "second"},
         "ns": BASE + row["second"] * SECOND + number, "seq": number}
        for number, row in enumerate(found)
    ])  # fmt: skip
    span = (BASE + start * SECOND, BASE + (start + length) * SECOND)
    grid = Grid(BASE + start * SECOND, 7 * SECOND, length // 7 + 1)

    def answers() -> tuple[Any, Any]:
        values: Any
        try:
            values = store.metric(tenant, metric, grid)
        except QueryError as error:
            values = str(error)
        return store.lines(tenant, query, span, limit, forward), values

    before = answers()
    store.archived(tenant)
    services = {} if apart is None else {"web": BASE + apart * SECOND}
    # Rows below a horizon are there for an hour more, and nobody reads them.
    store.dropped(BASE + horizon * SECOND + unaligned, *([tenant] if gone else []), **services)
    store.service.steps.changed(tenant, Signal.LOGS, 0)
    after = answers()
    assert after[0] == before[0]
    assert same(after[1], before[1]), (after, before)


def test_an_answer_says_what_of_it_is_from_the_archive(store: Archiving) -> None:
    tenant = load(store, 1, 2, 3)
    store.archived(tenant)
    store.dropped(BASE + 2 * SECOND, tenant)
    for exact, words in [
        ("", "answered from the archive before 2026-01-01T00:00:02Z (1 file)"),
        ("archive", "exact: from the archive, which holds what came in until "
                    "2026-01-01T00:00:00Z (1 file)"),
    ]:  # fmt: skip
        assert len(store.lines(tenant, ALL, HOUR, exact=exact)) == 3
        assert store.remarks == [words]
        # Also of steps that are remembered.
        for _ in range(2):
            grid = Grid(BASE + 10 * SECOND, 10 * SECOND, 5)
            store.metric(tenant, COUNT, grid, exact)
            assert store.remarks == [words]
    later = (BASE + 2 * SECOND, BASE + 3600 * SECOND)
    assert len(store.lines(tenant, ALL, later)) == 2
    assert store.remarks == []


def test_a_row_that_comes_late_is_answered_once(store: Archiving) -> None:
    tenant = load(store, 1, 30)
    store.archived(tenant)
    store.dropped(BASE + 20 * SECOND, tenant)
    grid = Grid(BASE + 30 * SECOND, 10 * SECOND, 4)
    assert total(store.metric(tenant, f"sum(count_over_time({ALL}[60s]))", grid)) == 2 * 4
    load(store, 5, tenant=tenant, seq=2)
    assert bodies(store.lines(tenant, ALL, HOUR)) == ["at 30", "at 1"]
    store.archived(tenant, seq=2)
    assert bodies(store.lines(tenant, ALL, HOUR)) == ["at 30", "at 5", "at 1"]
    # The steps that were remembered without it are evaluated anew.
    assert total(store.metric(tenant, f"sum(count_over_time({ALL}[60s]))", grid)) == 3 * 4
    assert bodies(store.lines(tenant, ALL, HOUR, exact="archive")) == ["at 30", "at 5", "at 1"]


def test_exact_counts_every_row_where_the_hot_lane_was_sampled(store: Archiving) -> None:
    tenant = load(store, *range(40))
    store.bulk(tenant)
    load(store, 3, 17, tenant=tenant, weight=10)
    query = f"sum(count_over_time({ALL}[1m]))"
    grid = Grid(BASE + 60 * SECOND, 10 * SECOND, 3)
    for _ in range(2):  # the second time from remembered steps
        assert total(store.metric(tenant, query, grid)) == 20 + 10
        exactly = store.metric(tenant, query, grid, "archive")
        assert list(exactly.values()) == [[39.0, 29.0, 19.0]]
    assert len(store.lines(tenant, ALL, HOUR)) == 2
    assert len(store.lines(tenant, ALL, HOUR, exact="archive")) == 40
    # Below the horizon nothing is sampled, with or without it.
    store.dropped(BASE + 3600 * SECOND, tenant)
    assert len(store.lines(tenant, ALL, HOUR)) == 40


def test_remembered_steps_of_exact_answers_see_what_is_archived_next(store: Archiving) -> None:
    tenant = load(store, 1)
    grid = Grid(BASE + 10 * SECOND, 10 * SECOND, 3)
    query = f"sum(count_over_time({ALL}[1m]))"
    assert total(store.metric(tenant, query, grid, "archive")) == 0
    store.archived(tenant)
    assert total(store.metric(tenant, query, grid, "archive")) == 3


def test_tenants_see_their_own_rows_of_the_archive(store: Archiving) -> None:
    mine, other = load(store, 1, 2), load(store, 1, 2, 3)
    for tenant in (mine, other):
        store.archived(tenant)
    store.dropped(BASE + 3600 * SECOND, mine, other)
    for exact in ("", "archive"):
        assert len(store.lines(mine, ALL, HOUR, exact=exact)) == 2
        assert len(store.lines(other, ALL, HOUR, exact=exact)) == 3
        assert store.lines("nobody", ALL, HOUR, exact=exact) == []
        assert total(store.metric(mine, COUNT, MINUTE, exact)) == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ARCHIVE_QUERY_FILES", 1, "2 files of the archive"),
        ("ARCHIVE_QUERY_BYTES", 1_000, "narrow the time range"),
    ],
)
def test_more_of_the_archive_than_a_query_may_read_is_refused(
    store: Archiving, monkeypatch: pytest.MonkeyPatch, name: str, value: int, words: str
) -> None:
    tenant = load(store, 0, 3600)
    store.archived(tenant)
    store.dropped(BASE + 7200 * SECOND, tenant)
    monkeypatch.setattr(limits, name, value)
    both = (BASE, BASE + 7200 * SECOND)
    with pytest.raises(QueryError, match=words) as refused:
        store.lines(tenant, ALL, both)
    assert name in str(refused.value)
    with pytest.raises(QueryError, match=words):
        store.metric(tenant, COUNT, Grid(BASE, 3600 * SECOND, 2))
    if name == "ARCHIVE_QUERY_FILES":
        assert len(store.lines(tenant, ALL, HOUR)) == 1


def test_a_file_that_is_gone_fails_the_query(store: Archiving, tmp_path: Path) -> None:
    tenant = load(store, 0, 3600)
    store.archived(tenant)
    store.dropped(BASE + 7200 * SECOND, tenant)
    next((tmp_path / "archive").rglob("hour=01/*.parquet")).unlink()
    with pytest.raises(StoreError, match="1 of 2 files"):
        store.lines(tenant, ALL, (BASE, BASE + 7200 * SECOND))
    assert len(store.lines(tenant, ALL, HOUR)) == 1


WEEK_S = 7 * 86_400


@pytest.mark.parametrize(
    ("function", "steps"), [("weekly_baseline", 1), ("weekly_robust_zscore", 20)]
)
def test_weeks_before_are_read_of_the_archive_and_nothing_between(
    store: Archiving, monkeypatch: pytest.MonkeyPatch, function: str, steps: int
) -> None:
    tenant = store.engine.tenant()
    around = [minute * 60 for minute in range(-60, 90, 7)]
    load(store, *(s - week * WEEK_S for week in range(4) for s in around[week:]), tenant=tenant)
    load(store, *(-day * 86_400 - 43_200 for day in range(21)), tenant=tenant)
    query, grid = f"{function}(sum(count_over_time({ALL}[30m])), 3)", Grid(BASE, 60 * SECOND, steps)
    before = store.metric(tenant, query, grid)
    assert before
    store.archived(tenant)
    store.dropped(BASE - 86_400 * SECOND, tenant)
    store.service.steps.changed(tenant, Signal.LOGS, 0)
    # A file is of an hour: around the same time of a week there are four at most.
    monkeypatch.setattr(limits, "ARCHIVE_QUERY_FILES", 4)
    assert store.metric(tenant, query, grid) == before
    assert any("answered from the archive" in one for one in store.remarks)
    with pytest.raises(QueryError, match="files of the archive"):
        store.metric(tenant, f"sum(count_over_time({ALL}[21d]))", grid)
