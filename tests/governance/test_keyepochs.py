"""Which keys can have made the pseudonyms of what came in since a moment."""

from __future__ import annotations

from keepers import DAY_S, Keeper, run
from places import Place

from tailrace.governance.keyepochs import MARGIN_NS, KeyEpochs


def test_the_keys_in_use_since_a_moment_are_known_by_their_numbers(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        epochs = KeyEpochs(keeper.control)
        first_ns = keeper.clock.wall_ns()
        assert await epochs.since("shop", first_ns) is None
        await keeper.keys.secrets("shop")
        assert await epochs.since("shop", first_ns) == (1, 1)
        assert await epochs.since("other", first_ns) is None
        for _ in range(2):
            keeper.clock.advance(91 * DAY_S)
            await keeper.keys.rotate_due()
        now_ns = keeper.clock.wall_ns()
        assert await epochs.since("shop", first_ns) == (1, 3)
        # The second was in use a moment ago, and copies of it are for a moment longer.
        assert await epochs.since("shop", now_ns + MARGIN_NS) == (2, 3)
        assert await epochs.since("shop", now_ns + MARGIN_NS + 1) == (3, 3)

    run(place, use)


def test_without_the_control_store_nobody_knows(place: Place) -> None:
    async def use(keeper: Keeper) -> None:
        await keeper.keys.secrets("shop")
        await keeper.control.close()
        assert await KeyEpochs(place.control()).since("shop", 0) is None

    run(place, use)
