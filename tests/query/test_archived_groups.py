"""The HTTP APIs where services have left the hot store at times of their own."""

from __future__ import annotations

from typing import Any

import pytest

from .archiving import BASE, BASE_S, SECOND, Archiving
from .test_archived_http import ASKED, NOTES, ask, filled, plain

MINUTE = 60 * SECOND
# In seconds, unlike what Loki takes.
COUNTED = {
    "query": "SELECT ServiceName, count() AS n, min(Timestamp) AS first FROM logs "
    "GROUP BY ServiceName ORDER BY ServiceName",
    "start": str(BASE_S),
    "end": str(BASE_S + 3599),
    "format": "json",
}
SPANS = {**COUNTED, "query": COUNTED["query"].replace("logs", "spans")}
QUESTIONS = [*ASKED, ("/api/sql", COUNTED), ("/api/sql", SPANS)]


# Rows below a horizon are there for an hour more, and nobody reads them.
@pytest.mark.parametrize(
    ("rest", "services", "gone"), [(10, {"web": 50}, False), (50, {"web": 10, "cart": 70}, True)]
)
def test_every_answer_is_that_of_before_the_drop(
    engine: Any,
    tmp_path_factory: pytest.TempPathFactory,
    rest: int,
    services: dict[str, int],
    gone: bool,
) -> None:
    store = Archiving(engine, tmp_path_factory.mktemp("groups"))
    tenant = filled(store)
    before = [ask(store, tenant, path, params) for path, params in QUESTIONS]
    times = {name: BASE + minute * MINUTE for name, minute in services.items()}
    store.dropped(BASE + rest * MINUTE, *([tenant] if gone else []), **times)
    fresh = Archiving(engine, store.folder)
    noted = 0
    for (path, params), answer in zip(QUESTIONS, before, strict=True):
        after = ask(fresh, tenant, path, params)
        assert answer.status_code == 200
        assert plain(after) == plain(answer), (path, params)
        noted += "by service" in after.headers.get(NOTES, "")
    assert noted
