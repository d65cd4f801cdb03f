"""Silences as amtool and Grafana set them: Alertmanager's API, over a store in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tailrace.alerts.http.silences import SilenceRoutes
from tailrace.core import limits
from tailrace.core.alerting import Matcher, Silence
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError

from ..store import MemoryAlerts
from .asking import ask

HOST = {"name": "host", "value": "a", "isRegex": False, "isEqual": True}


class Desk:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryAlerts()
        self.changed: list[Silence] = []
        routes = SilenceRoutes(self.store, self.changed.append, self.clock)
        self._routes = [*routes.reading(), *routes.changing()]

    def ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        return ask(self._routes, method, path, **how)

    def at(self, seconds: float) -> str:
        """A time so long from now, with as many digits as Go writes."""
        at = datetime.fromtimestamp(self.clock.wall_ns() / 1e9 + seconds, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z"

    def body(self, **other: Any) -> dict[str, Any]:
        return {
            "matchers": [HOST],
            "startsAt": self.at(-1),
            "endsAt": self.at(3_600),
            "createdBy": "ada",
            "comment": "deploy",
            **other,
        }

    def post(self, tenant: str = "shop", **other: Any) -> httpx.Response:
        return self.ask("POST", "/silences", tenant=tenant, json=self.body(**other))

    def made(self, tenant: str = "shop", **other: Any) -> str:
        answer = self.post(tenant, **other)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["silenceID"])

    def one(self, name: str, tenant: str = "shop") -> dict[str, Any]:
        answer = self.ask("GET", f"/silence/{name}", tenant=tenant)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def listed(self, *filters: str, tenant: str = "shop") -> list[dict[str, Any]]:
        answer = self.ask("GET", "/silences", tenant=tenant, params={"filter": list(filters)})
        assert answer.status_code == 200, answer.text
        shown: list[dict[str, Any]] = answer.json()
        return shown


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_silence_is_set_and_shown_as_alertmanager_does(desk: Desk) -> None:
    name = desk.made()
    assert desk.one(name) == {
        "id": name,
        "status": {"state": "active"},
        "updatedAt": "2027-01-15T08:00:00.000Z",
        "startsAt": "2027-01-15T08:00:00.000Z",
        "endsAt": "2027-01-15T09:00:00.123Z",
        "createdBy": "ada",
        "comment": "deploy",
        "matchers": [HOST],
    }
    assert desk.listed() == [desk.one(name)]
    assert [one.id for one in desk.changed] == [name]


def test_each_kind_of_matcher_is_kept(desk: Desk) -> None:
    kinds = [
        (regex, equal, op)
        for regex, equal, op in (
            (False, True, "="), (False, False, "!="), (True, True, "=~"), (True, False, "!~"),
        )
    ]  # fmt: skip
    matchers = [{**HOST, "isRegex": regex, "isEqual": equal} for regex, equal, _ in kinds]
    name = desk.made(matchers=matchers)
    assert desk.one(name)["matchers"] == matchers
    assert [m.op for m in desk.changed[0].matchers] == [op for *_, op in kinds]


def test_an_older_client_that_knows_no_unequal_means_equal(desk: Desk) -> None:
    desk.made(matchers=[{"name": "host", "value": "a", "isRegex": False}])
    assert desk.changed[0].matchers == (Matcher("host", "=", "a"),)


def test_another_end_changes_the_silence_itself(desk: Desk) -> None:
    name = desk.made()
    desk.clock.advance(60)
    before = desk.one(name)
    again = desk.made(id=name, startsAt=before["startsAt"], endsAt=desk.at(60), comment="longer")
    assert again == name
    after = desk.one(name)
    assert after["startsAt"] == before["startsAt"]
    assert after["endsAt"] == "2027-01-15T08:02:00.123Z"
    assert after["comment"] == "longer"


def test_other_matchers_end_a_silence_and_begin_another_one(desk: Desk) -> None:
    name = desk.made()
    desk.clock.advance(60)
    starts = desk.one(name)["startsAt"]
    other = desk.made(id=name, startsAt=starts, matchers=[{**HOST, "value": "b"}])
    assert other != name
    assert desk.one(name)["status"] == {"state": "expired"}
    assert desk.one(name)["endsAt"] == "2027-01-15T08:01:00.000Z"
    assert desk.one(other)["startsAt"] == "2027-01-15T08:01:00.000Z"
    # The new one first: at no time does neither hold.
    assert [one.id for one in desk.changed] == [name, other, name]


def test_one_that_is_over_is_not_changed_but_set_again(desk: Desk) -> None:
    name = desk.made(endsAt=desk.at(10))
    desk.clock.advance(60)
    again = desk.made(id=name)
    assert again != name
    assert desk.one(again)["status"] == {"state": "active"}


def test_one_to_come_may_begin_at_another_time(desk: Desk) -> None:
    name = desk.made(startsAt=desk.at(600))
    assert desk.one(name)["status"] == {"state": "pending"}
    assert desk.made(id=name, startsAt=desk.at(1_200)) == name
    assert desk.one(name)["startsAt"] == "2027-01-15T08:20:00.123Z"


def test_ending_one_that_holds_and_one_to_come_and_both_again(desk: Desk) -> None:
    for name in (desk.made(), desk.made(startsAt=desk.at(600))):
        for _ in range(2):
            answer = desk.ask("DELETE", f"/silence/{name}")
            assert (answer.status_code, answer.content) == (200, b"")
        assert desk.one(name)["status"] == {"state": "expired"}
        assert desk.one(name)["endsAt"] == "2027-01-15T08:00:00.000Z"


def test_what_is_not_there_is_404(desk: Desk) -> None:
    assert desk.ask("GET", "/silence/nothing").status_code == 404
    assert desk.ask("DELETE", "/silence/nothing").status_code == 404
    assert desk.post(id="nothing").status_code == 404


def test_a_tenant_sees_and_changes_only_its_own(desk: Desk) -> None:
    name = desk.made()
    assert desk.listed(tenant="bank") == []
    for method in ("GET", "DELETE"):
        assert desk.ask(method, f"/silence/{name}", tenant="bank").status_code == 404
    assert desk.post("bank", id=name).status_code == 404
    assert desk.one(name)["status"] == {"state": "active"}


def test_the_active_come_first_then_those_to_come_then_the_last_that_ended(desk: Desk) -> None:
    for comment, starts, ends in (
        ("over", -9, 10), ("over later", -9, 20), ("to come later", 900, 999),
        ("to come", 800, 999), ("ends last", -9, 999), ("ends first", -9, 500),
    ):  # fmt: skip
        desk.made(comment=comment, startsAt=desk.at(starts), endsAt=desk.at(ends))
    desk.clock.advance(60)
    shown = [one["comment"] for one in desk.listed()]
    assert shown == ["ends first", "ends last", "to come", "to come later", "over later", "over"]


def test_a_filter_wants_that_very_matcher(desk: Desk) -> None:
    first = desk.made()
    second = desk.made(matchers=[HOST, {**HOST, "name": "job", "value": 'a"b', "isRegex": True}])
    desk.made(matchers=[{**HOST, "value": "b"}])

    def found(*filters: str) -> set[str]:
        return {one["id"] for one in desk.listed(*filters)}

    assert found('host="a"') == {first, second}
    assert found("host=a", r'job=~"a\"b"') == found(r'{host="a","job"=~"a\"b"}') == {second}
    assert found('host=~"a"') == set()


@pytest.mark.parametrize(
    "other",
    [
        {"matchers": []},
        {"matchers": [{**HOST, "value": ""}]},
        {"matchers": [{**HOST, "value": ".*", "isRegex": True}]},
        {"matchers": [{**HOST, "value": "(", "isRegex": True}]},
        {"matchers": [{**HOST, "name": ""}]},
        {"matchers": [{"name": "host"}]},
        {"endsAt": "2027-01-15T07:59:58Z"},
        {"startsAt": "2027-01-15T09:00:00Z", "endsAt": "2027-01-15T09:00:00Z"},
        {"startsAt": "2027-01-15T09:00:00"},
        {"startsAt": "tomorrow"},
        {"comment": None},
        {"comment": "x" * limits.SILENCE_CHARS},
        {"comment": "x" * 12 * limits.SILENCE_CHARS},
    ],
)
def test_what_is_no_silence_is_refused_with_words(desk: Desk, other: dict[str, Any]) -> None:
    answer = desk.post(**other)
    assert answer.status_code == 400
    assert isinstance(answer.json(), str)
    assert desk.listed() == []


def test_a_body_or_a_filter_that_is_none_is_refused(desk: Desk) -> None:
    how = {"content": b"\xff{", "headers": {"content-type": "application/json"}}
    assert desk.ask("POST", "/silences", **how).status_code == 400
    assert desk.ask("GET", "/silences", params={"filter": "host"}).status_code == 400
    many = ["a=b"] * (limits.SILENCE_MATCHERS + 1)
    assert desk.ask("GET", "/silences", params={"filter": many}).status_code == 400


def test_what_is_not_said_to_be_json_is_refused(desk: Desk) -> None:
    how = {"content": json.dumps(desk.body()), "headers": {"content-type": "text/plain"}}
    assert desk.ask("POST", "/silences", **how).status_code == 400
    assert desk.listed() == []


def test_an_end_beyond_all_times_is_the_last_one(desk: Desk) -> None:
    assert desk.one(desk.made(endsAt="9999-12-31T23:59:59Z"))["endsAt"][:4] == "2262"


def test_a_store_that_is_away_is_503_and_told_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.store.failure = StoreError("the disk is gone")
    answer = desk.post()
    assert answer.status_code == 503
    assert "disk" not in answer.text
    assert "cannot be asked for" in caplog.text
    assert desk.changed == []
