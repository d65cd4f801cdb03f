"""From an alert that fires to a webhook on a real socket, and through the death of the process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from alerting import alert, settings
from keeping import MemoryStore
from webhooks import OK, Served, serving

from tailrace.alerts.delivery.delivery import Delivery
from tailrace.core.alerting import Phase
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics

DOWN = alert("Down", host="a")
OVER = alert("Down", Phase.RESOLVED, host="a")


def hook(served: Served) -> str:
    return f"""
[alerts]
group_wait = "0s"
group_interval = "1s"
[[alerts.receivers]]
name = "hook"
kind = "webhook"
url = "{served.url}"
"""


async def begun(store: MemoryStore, text: str) -> tuple[Delivery, asyncio.Task[None]]:
    delivery = Delivery(settings(text), store, SystemClock(), Metrics())
    await delivery.load()
    return delivery, asyncio.create_task(delivery.run())


async def ended(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def test_an_alert_reaches_a_webhook_at_once_and_so_does_its_end() -> None:
    async def run() -> None:
        store = MemoryStore()
        async with serving() as served:
            delivery, running = await begun(store, hook(served))
            store.kept.alerts[DOWN.key] = DOWN
            began_s = time.monotonic()
            delivery.changed([DOWN])
            await until(lambda: len(served.received) == 1)
            assert time.monotonic() - began_s < 1
            store.kept.alerts[OVER.key] = OVER
            delivery.changed([OVER])
            await until(lambda: len(served.received) == 2)
            await until(lambda: not store.kept.notices and not store.kept.alerts)
            await ended(running)
        said = [json.loads(one.body)["status"] for one in served.received]
        assert said == ["firing", "resolved"]

    asyncio.run(run())


def test_a_process_that_dies_while_it_sends_sends_once_more_under_the_same_key() -> None:
    async def run() -> None:
        store = MemoryStore()
        answers = asyncio.Event()

        async def late(writer: asyncio.StreamWriter) -> None:
            await answers.wait()
            writer.write(OK)

        async with serving(late) as served:
            store.kept.alerts[DOWN.key] = DOWN
            _, running = await begun(store, hook(served))
            await until(lambda: bool(served.received))
            await ended(running)
            answers.set()
            _, running = await begun(store, hook(served))
            await until(lambda: not store.kept.notices)
            await ended(running)
        assert len(served.received) == 2
        assert len({one.header("idempotency-key") for one in served.received}) == 1

    asyncio.run(run())


def test_what_was_told_before_a_restart_is_not_told_after_it_but_its_end_is() -> None:
    async def run() -> None:
        store = MemoryStore()
        async with serving() as served:
            store.kept.alerts[DOWN.key] = DOWN
            _, running = await begun(store, hook(served))
            await until(lambda: bool(served.received) and not store.kept.notices)
            await ended(running)
            store.kept.alerts[OVER.key] = OVER
            _, running = await begun(store, hook(served))
            await until(lambda: len(served.received) == 2)
            await ended(running)
        assert [json.loads(one.body)["status"] for one in served.received] == ["firing", "resolved"]

    asyncio.run(run())
