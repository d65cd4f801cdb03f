"""Keys are rotated and destroyed on schedule, by one of those that share them, and nobody else
keeps using an old one."""

from __future__ import annotations

import asyncio
import logging
import random
from pathlib import Path

import pytest
from keepers import DAY_S, KINDS, SCHEDULE, Keeper, Source, master_key, run
from places import Place
from sqlalchemy import update

from tailrace.core.errors import StoreError
from tailrace.governance import keymaking, keyschedule, keytable
from tailrace.governance.keys import SCHEDULE_S
from tailrace.governance.keytable import Key
from tailrace.governance.schema import KEYS

TENANTS = 3


def told(caplog: pytest.LogCaptureFixture, message: str) -> list[tuple[str, str, int]]:
    return [
        (r.__dict__["tenant"], r.__dict__["kind"], r.__dict__["epoch"])
        for r in caplog.records
        if r.getMessage().startswith(message)
    ]


def test_a_key_is_rotated_when_its_time_is_up_and_not_before(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def use(keeper: Keeper) -> None:
        first = dict(await keeper.keys.secrets("shop"))
        keeper.clock.advance(90 * DAY_S - 1)
        await keeper.keys.rotate_due()
        assert await keeper.keys.secrets("shop") == first
        keeper.clock.advance(1)
        await keeper.keys.rotate_due()
        second = await keeper.keys.secrets("shop")
        assert not {*first.values()} & {*second.values()}
        old, new = await keeper.keys.history("shop", "pan")
        assert (old.epoch, old.secret, new.epoch) == (1, first["pan"], 2)
        assert (old.retired_ns, new.retired_ns) == (keeper.clock.wall_ns(), 0)
        assert new.secret == second["pan"]
        assert keeper.counted("rotated") == len(KINDS)
        assert told(caplog, "a key was rotated") == [("shop", kind, 2) for kind in KINDS]

    run(place, use)


def test_a_key_is_destroyed_when_what_it_made_is_gone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        for _ in range(5):
            keeper.clock.advance(90 * DAY_S)
            await keeper.keys.rotate_due()
        assert keeper.counted("destroyed") == 0
        keeper.clock.advance(5 * DAY_S)
        await keeper.keys.rotate_due()
        assert (await keeper.states())[("pan", 1)] == "destroyed"
        history = await keeper.keys.history("shop", "pan")
        assert [key.epoch for key in history] == [2, 3, 4, 5, 6]
        (record,) = [key for key in await keeper.listed() if (key.kind, key.epoch) == ("pan", 1)]
        assert record.destroyed_ns == keeper.clock.wall_ns()
        assert told(caplog, "a key was destroyed") == [("shop", kind, 1) for kind in KINDS]
        assert keeper.counted("destroyed") == len(KINDS)

    run(place, use)


def test_one_of_those_that_share_keys_rotates_them_and_the_others_follow(place: Place) -> None:
    async def use(*keepers: Keeper) -> None:
        for keeper in keepers:
            await keeper.keys.secrets("shop")
            await keeper.keys.secrets("idle")
        keepers[0].clock.advance(90 * DAY_S)
        await asyncio.gather(*(keeper.keys.rotate_due() for keeper in keepers))
        for keeper in keepers:
            await keeper.keys.look()
        found = [await keeper.keys.secrets("shop") for keeper in keepers]
        assert all(one == found[0] for one in found)
        assert sum(keeper.counted("rotated") for keeper in keepers) == 2 * len(KINDS)
        assert [key.epoch for key in await keepers[0].keys.history("shop", "pan")] == [1, 2]

    run(place, use, keepers=3)


def test_who_rotates_by_hand_is_followed_at_the_next_look_and_only_for_that_tenant(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def use(server: Keeper, command: Keeper) -> None:
        before = await server.keys.secrets("shop")
        other = await server.keys.secrets("other")
        server.clock.advance(1)
        now_ns = server.clock.wall_ns()
        due = [k for k in await command.listed() if (k.tenant, k.kind) == ("shop", "pan")]
        await command.control.run(lambda c: keyschedule.rotate(c, master_key(), due, now_ns))
        assert await server.keys.secrets("shop") == before
        await server.keys.look()
        after = await server.keys.secrets("shop")
        assert after["pan"] != before["pan"]
        assert after["email"] == before["email"]
        assert await server.keys.secrets("other") is other
        assert told(caplog, "a key was rotated by another process") == [("shop", "pan", 2)]
        server.clock.advance(1)
        now_ns = server.clock.wall_ns()
        await command.control.run(lambda c: keytable.destroy(c, due, now_ns))
        await server.keys.look()
        await server.keys.look()
        assert told(caplog, "a key was destroyed by another process") == [("shop", "pan", 1)]
        assert len(told(caplog, "a key was rotated by another process")) == 1

    run(place, use, keepers=2)


def test_more_than_one_step_is_done_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyschedule, "STEP", 4)

    async def use(keeper: Keeper) -> None:
        for number in range(TENANTS):
            await keeper.keys.secrets(f"tenant{number}")
        keeper.clock.advance(90 * DAY_S)
        await keeper.keys.rotate_due()
        assert keeper.counted("rotated") == TENANTS * len(KINDS)
        keeper.clock.advance(365 * DAY_S)
        await keeper.keys.rotate_due()
        assert keeper.counted("destroyed") == TENANTS * len(KINDS)

    run(place, use)


def test_the_schedule_is_kept_once_a_minute(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.look()
        await keeper.keys.secrets("shop")
        keeper.clock.jump_wall(90 * DAY_S)
        await keeper.keys.look()
        assert keeper.counted("rotated") == 0
        keeper.clock.advance(SCHEDULE_S)
        await keeper.keys.look()
        assert keeper.counted("rotated") == len(KINDS)

    run(place, use)


def test_what_could_not_be_done_is_done_later(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        keeper.clock.advance(90 * DAY_S)
        broken = Source(StoreError("guard.master_key_command: the command failed"))
        fresh = Keeper(keeper.control, keeper.clock, broken)
        await fresh.keys.look()
        assert "keys cannot be looked after" in caplog.text
        assert (await keeper.states())[("pan", 1)] == "in use"
        broken.key = master_key()
        keeper.clock.advance(SCHEDULE_S)
        await fresh.keys.look()
        assert fresh.counted("rotated") == len(KINDS)

    run(place, use)


def test_a_clock_that_jumps_destroys_nothing_before_somebody_may_have_noticed(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        keeper.clock.advance(90 * DAY_S)
        await keeper.keys.rotate_due()
        keeper.clock.jump_wall(3_650 * DAY_S)
        await keeper.keys.rotate_due()
        assert keeper.counted("destroyed") == 0
        assert "the clock has jumped" in caplog.text
        keeper.clock.jump_wall(-3_650 * DAY_S)
        for _ in range(48):
            keeper.clock.advance(DAY_S / 24)
            await keeper.keys.rotate_due()
        assert keeper.counted("destroyed") == 0
        keeper.clock.jump_wall(3_650 * DAY_S)
        await keeper.keys.rotate_due()
        keeper.clock.advance(DAY_S)
        await keeper.keys.rotate_due()
        assert (await keeper.states())[("pan", 1)] == "destroyed"

    run(place, use)


def test_a_key_ends_on_time_while_the_master_key_is_away(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        keeper.clock.advance(90 * DAY_S)
        await keeper.keys.rotate_due()
        broken = Source(StoreError("guard.master_key_command: the command failed"))
        fresh = Keeper(keeper.control, keeper.clock, broken)
        keeper.clock.advance(365 * DAY_S)
        await fresh.keys.look()
        assert (await keeper.states())[("pan", 1)] == "destroyed"
        assert (await keeper.states())[("pan", 2)] == "in use"

    run(place, use)


def test_a_server_takes_a_new_master_key_after_the_keys_were_wrapped_anew(place: Place) -> None:
    async def use(server: Keeper, command: Keeper) -> None:
        before = dict(await server.keys.secrets("shop"))
        server.source.key = master_key(2)
        wrapped = await command.control.run(
            lambda c: keymaking.rewrap(c, master_key(1), master_key(2))
        )
        assert wrapped == len(KINDS)
        assert await server.keys.secrets("shop") == before
        assert await server.keys.secrets("new")
        assert {key.master for key in await command.listed()} == {master_key(2).id}
        assert [one.secret for one in await server.keys.history("shop", "pan")] == [before["pan"]]
        again = await command.control.run(
            lambda c: keymaking.rewrap(c, master_key(1), master_key(2))
        )
        assert again == 0

    run(place, use, keepers=2)


def test_wrapping_anew_with_the_wrong_old_key_changes_nothing(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        before = await keeper.control.read(keytable.wrapped)
        with pytest.raises(StoreError, match="are wrapped by"):
            await keeper.control.run(lambda c: keymaking.rewrap(c, master_key(3), master_key(2)))
        assert await keeper.control.read(keytable.wrapped) == before

    run(place, use)


def test_after_all_keys_are_gone_new_ones_have_new_epochs_and_the_master_key_of_now(
    place: Place,
) -> None:
    async def use(keeper: Keeper) -> None:
        lost = dict(await keeper.keys.secrets("shop"))
        keeper.source.key = master_key(2)
        keys = await keeper.listed()
        await keeper.control.run(lambda c: keytable.destroy(c, keys, 5))
        await keeper.keys.look()
        found = await keeper.keys.secrets("shop")
        assert not {*lost.values()} & {*found.values()}
        alive = [key for key in await keeper.listed() if key.state == "in use"]
        assert {(key.epoch, key.master) for key in alive} == {(2, master_key(2).id)}

    run(place, use)


@pytest.mark.parametrize("seed", range(3))
def test_a_destroyed_key_is_gone_from_the_files(tmp_path: Path, seed: int) -> None:
    """Pages are split and joined meanwhile, which leaves copies behind where nobody cleans up."""
    rng = random.Random(seed)

    def left(directory: Path, wrapped: list[bytes]) -> int:
        files = [path.read_bytes() for path in directory.iterdir()]
        return sum(any(one in file for file in files) for one in wrapped)

    async def use(keeper: Keeper) -> None:
        tenants = [f"t{rng.randrange(10**6)}" for _ in range(60)]
        for tenant in tenants:
            await keeper.keys.secrets(tenant)
        rows = await keeper.control.read(keytable.wrapped)
        gone = rng.sample(rows, len(rows) // 2)
        retired = update(KEYS).values(retired_ns=1)
        for key, _ in gone:
            this = (KEYS.c.tenant == key.tenant) & (KEYS.c.kind == key.kind)
            await keeper.control.run(lambda c, this=this: c.execute(retired.where(this)))
        assert left(tmp_path, [one for _, one in gone]) == len(gone)
        await keeper.keys.rotate_due()
        assert keeper.counted("destroyed") == len(gone)
        assert left(tmp_path, [one for _, one in gone]) == 0
        kept = [one for key, one in rows if (key, one) not in gone]
        assert left(tmp_path, kept) == len(kept)

    run(Place(tmp_path), use)


def test_what_a_process_that_ended_early_left_is_cleaned_by_the_next(tmp_path: Path) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        rows = await keeper.control.read(keytable.wrapped)
        keys = [key for key, _ in rows]
        await keeper.control.run(lambda c: keytable.destroy(c, keys, 5))
        assert [p for p in tmp_path.iterdir() if rows[0][1] in p.read_bytes()]
        await keeper.keys.look()
        assert not [p for p in tmp_path.iterdir() if rows[0][1] in p.read_bytes()]

    run(Place(tmp_path), use)


def test_the_end_of_a_key_is_known_from_its_beginning() -> None:
    key = Key("shop", "pan", 1, "x", 1_000)
    due_ns = 1_000 + int((90 + 365) * DAY_S * 1e9)
    assert SCHEDULE.end_ns(key) == due_ns
    assert SCHEDULE.end_ns(Key("shop", "pan", 1, "x", 1_000, 5)) == 5 + int(365 * DAY_S * 1e9)
    assert SCHEDULE.end_ns(Key("shop", "pan", 1, "x", 1_000, 5, 7)) == 7
