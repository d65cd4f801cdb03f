"""The keys of pseudonyms in the real control store of both kinds: made, known, shared, refused."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from keepers import KINDS, Keeper, Source, master_key, run
from places import Place
from sqlalchemy import update

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError, StoreError
from tailrace.core.keys import SECRET_BYTES
from tailrace.governance import keys, keytable, master
from tailrace.governance.keys import Keys
from tailrace.governance.schema import CHANGES, KEYS

_c = KEYS.c


def finished(coroutine: Any) -> Any:
    """What it returns, if it did not wait for anything."""
    with pytest.raises(StopIteration) as caught:
        coroutine.send(None)
    return caught.value.value


def test_a_tenant_gets_one_key_for_each_kind_and_keeps_it(place: Place) -> None:
    async def first(keeper: Keeper) -> None:
        found = await keeper.keys.secrets("shop")
        assert sorted(found) == sorted(KINDS)
        assert {len(secret) for secret in found.values()} == {SECRET_BYTES}
        other = await keeper.keys.secrets("other")
        assert len({*found.values(), *other.values()}) == 2 * len(KINDS)
        assert await keeper.keys.secrets("shop") == found
        assert keeper.counted("made") == 2 * len(KINDS)
        secrets.append(dict(found))

    async def again(keeper: Keeper) -> None:
        assert await keeper.keys.secrets("shop") == secrets[0]
        assert keeper.counted("made") == 0

    secrets: list[dict[str, bytes]] = []
    run(place, first)
    run(place, again)


def test_known_keys_are_given_without_waiting_for_anything(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        found = await keeper.keys.secrets("shop")
        assert finished(keeper.keys.secrets("shop")) is found

    run(place, use)


def test_many_who_make_the_first_keys_at_once_end_with_the_same(place: Place) -> None:
    async def use(*keepers: Keeper) -> None:
        asked = [keeper.keys.secrets("shop") for keeper in keepers for _ in range(5)]
        found = await asyncio.gather(*asked)
        assert all(one == found[0] for one in found)
        assert len(await keepers[0].listed()) == len(KINDS)
        assert sum(keeper.counted("made") for keeper in keepers) == len(KINDS)

    run(place, use, keepers=4)


def test_a_kind_that_is_new_gets_a_key_and_the_others_keep_theirs(place: Place) -> None:
    async def before(keeper: Keeper) -> None:
        secrets.append(dict(await keeper.keys.secrets("shop")))

    async def after(keeper: Keeper) -> None:
        found = await keeper.keys.secrets("shop")
        assert sorted(found) == ["email", "ssn"]
        assert found["email"] == secrets[0]["email"]

    secrets: list[dict[str, bytes]] = []
    run(place, before)
    run(place, after, kinds=("email", "ssn"))


def test_history_has_all_of_a_kind_and_makes_none(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        assert await keeper.keys.history("shop", "pan") == []
        found = await keeper.keys.secrets("shop")
        (only,) = await keeper.keys.history("shop", "pan")
        assert (only.epoch, only.secret, only.retired_ns) == (1, found["pan"], 0)
        assert only.created_ns == keeper.clock.wall_ns()
        assert await keeper.keys.history("shop", "unknown") == []
        assert await keeper.keys.history("other", "pan") == []

    run(place, use)


def test_the_longest_unused_tenant_is_forgotten_at_the_bound_and_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TENANTS_COUNTED", 2)

    async def use(keeper: Keeper) -> None:
        first = await keeper.keys.secrets("a")
        second = await keeper.keys.secrets("b")
        await keeper.keys.secrets("a")
        await keeper.keys.secrets("c")
        assert finished(keeper.keys.secrets("a")) is first
        again = await keeper.keys.secrets("b")
        assert again == second
        assert again is not second

    run(place, use)


def test_another_master_key_opens_nothing_and_makes_nothing(place: Place) -> None:
    async def make(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")

    async def main() -> None:
        control = place.control()
        await control.open()
        keeper = Keeper(control, ManualClock(), Source(master_key(2)))
        asked = (keeper.keys.open(), keeper.keys.secrets("shop"), keeper.keys.secrets("new"))
        for coroutine in (*asked, keeper.keys.history("shop", "pan")):
            with pytest.raises(StoreError) as caught:
                await coroutine
            said = str(caught.value)
            assert said.startswith("guard.master_key_file: holds the master key ")
            assert master_key(1).id in said
            assert master_key(2).id in said
            assert master_key(2).secret.hex() not in said
        assert len(await keeper.listed()) == len(KINDS)
        await control.close()

    run(place, make)
    asyncio.run(main())


def test_two_with_different_master_keys_never_share_a_store(place: Place) -> None:
    async def main() -> None:
        clock = ManualClock()
        one, two = place.control(), place.control()
        await one.open()
        await two.open()
        keepers = [Keeper(one, clock), Keeper(two, clock, Source(master_key(2)))]
        for keeper in keepers:
            await keeper.keys.open()
        found = await asyncio.gather(
            *(keeper.keys.secrets("shop") for keeper in keepers), return_exceptions=True
        )
        assert len([one for one in found if isinstance(one, StoreError)]) == 1
        assert len({key.master for key in await keepers[0].listed()}) == 1
        await one.close()
        await two.close()

    asyncio.run(main())


def test_a_master_key_that_is_away_is_asked_for_again_but_not_by_everyone(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        keeper.source.key = StoreError("guard.master_key_command: the command failed")
        fresh = Keeper(keeper.control, keeper.clock, keeper.source)
        before = keeper.source.asked
        for _ in range(5):
            with pytest.raises(StoreError, match="the command failed"):
                await fresh.keys.secrets("shop")
        assert keeper.source.asked == before + 1
        keeper.source.key = master_key()
        keeper.clock.advance(master.RETRY_S)
        assert await fresh.keys.secrets("shop") == await keeper.keys.secrets("shop")

    run(place, use)


def test_a_setting_that_is_wrong_stops_the_opening_and_later_is_a_store_error(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        keeper.source.key = ConfigError("guard.master_key_file: no")
        fresh = Keeper(keeper.control, keeper.clock, keeper.source)
        with pytest.raises(ConfigError):
            await fresh.keys.open()
        with pytest.raises(StoreError, match=r"guard\.master_key_file: no"):
            await fresh.keys.secrets("shop")

    run(place, use)


def test_a_row_that_was_moved_to_another_tenant_is_refused(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        stolen = update(KEYS).where(_c.tenant == "shop").values(tenant="thief")
        await keeper.control.run(lambda c: c.execute(stolen))
        with pytest.raises(StoreError, match="of tenant thief cannot be opened"):
            await keeper.keys.secrets("thief")
        # One tenant's damage is nobody else's.
        assert await keeper.keys.secrets("other")

    run(place, use)


def test_known_keys_stay_in_use_while_the_store_is_away(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(keeper: Keeper) -> None:
        found = await keeper.keys.secrets("shop")
        await keeper.control.run(CHANGES.drop)
        await keeper.control.run(KEYS.drop)
        for _ in range(70):
            await keeper.keys.look()
            keeper.clock.advance(1.0)
        assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 2
        assert keeper.metrics.get("tailrace_keys_age_seconds") == 69.0
        assert await keeper.keys.secrets("shop") is found
        with pytest.raises(StoreError):
            await keeper.keys.secrets("new")
        await keeper.control.run(CHANGES.create)
        await keeper.control.run(KEYS.create)
        with pytest.raises(StoreError):
            await keeper.keys.secrets("new")
        keeper.clock.advance(keys.RETRY_S)
        assert await keeper.keys.secrets("new")
        await keeper.keys.look()
        assert keeper.metrics.get("tailrace_keys_age_seconds") == 0.0

    run(place, use)


def test_no_secret_is_in_the_database_a_log_an_error_or_a_repr(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def use(keeper: Keeper) -> None:
        found = await keeper.keys.secrets("shop")
        history = await keeper.keys.history("shop", "pan")
        await keeper.keys.look()
        shown = [repr(keeper.keys), repr(history), repr(keeper.source.key), caplog.text]
        shown += map(repr, await keeper.control.read(keytable.wrapped))
        known = [*found.values(), master_key().secret]
        for text in shown:
            assert not [one for one in known if one.hex() in text or repr(one)[2:-1] in text]
        if not isinstance(place.at, str):
            for path in place.at.iterdir():
                assert not [one for one in known if one in path.read_bytes()], path

    run(place, use)


def test_run_looks_until_it_is_cancelled(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = asyncio.Semaphore(0)

    async def look(_self: Keys) -> None:
        looks.release()

    monkeypatch.setattr(Keys, "look", look)
    monkeypatch.setattr("tailrace.governance.keys.LOOK_S", 0.0)

    async def use(keeper: Keeper) -> None:
        running = asyncio.create_task(keeper.keys.run())
        for _ in range(3):
            await looks.acquire()
        running.cancel()
        await asyncio.wait([running])

    run(place, use)
