"""Alerts as a real Alertmanager gets them, be it away, asking who calls or refusing some."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from pathlib import Path

from alerting import settings
from keeping import MemoryStore
from managers import USERS, Manager, free_port, installed, managing
from msgspec.structs import replace
from tests.app.certificates import signed
from webhooks import status

from tailrace.alerts.delivery.delivery import Delivery
from tailrace.core.alerting import Alert, Phase
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics

pytestmark = installed
SAID = """
[alerts]
external_url = "https://tailrace.example/up"
external_labels = {{ cluster = "eu", host = "nobody" }}
[[alerts.receivers]]
name = "am"
kind = "alertmanager"
urls = ["{url}"]
resend_delay = "1s"
"""


def firing(host: str = "a", **more: str) -> Alert:
    labels = tuple(sorted({"alertname": "Down", "host": host, **more}.items()))
    now_ns = (time.time_ns() // 10**9 - 60) * 10**9 + 5 * 10**8
    annotations = (("summary", "it is 10 % slower"),)
    return Alert("default", "r1", labels, annotations, Phase.FIRING, 1.0, now_ns, now_ns)


def over(alert: Alert) -> Alert:
    return replace(alert, phase=Phase.RESOLVED, ended_ns=time.time_ns())


class Telling:
    """What is told to an Alertmanager by a delivery that runs."""

    def __init__(self, url: str, more: str) -> None:
        self.store = MemoryStore()
        self.metrics = Metrics()
        text = SAID.format(url=url) + more
        self.delivery = Delivery(settings(text), self.store, SystemClock(), self.metrics)

    def say(self, *alerts: Alert) -> None:
        self.store.kept.alerts.update({one.key: one for one in alerts})
        self.delivery.changed(alerts)

    def count(self, how: str) -> float:
        return self.metrics.get("tailrace_notices_total", how)


@contextlib.asynccontextmanager
async def telling(url: str, more: str = "") -> AsyncGenerator[Telling]:
    found = Telling(url, more)
    await found.delivery.load()
    running = asyncio.create_task(found.delivery.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(holds: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline_s, f"not {what}"
        await asyncio.sleep(0.05)


def test_an_alert_arrives_as_it_is_and_its_end_ends_it(tmp_path: Path) -> None:
    one = firing()

    async def run(manager: Manager) -> None:
        async with telling(manager.url) as told:
            told.say(one)
            await until(lambda: "a" in manager.alerts(), "it arrived")
            shown = manager.alerts()["a"]
            told.say(over(one))
            await until(lambda: not manager.alerts(), "it ended")
            assert manager.received("resolved") == 1
        assert shown["labels"] == {"alertname": "Down", "host": "a", "cluster": "eu"}
        assert shown["annotations"] == {"summary": "it is 10 % slower"}
        assert shown["generatorURL"] == "https://tailrace.example/up"
        assert shown["status"]["state"] in ("active", "unprocessed")
        assert time_ns(shown["startsAt"]) == one.fired_ns
        assert 0 < time_ns(shown["endsAt"]) - time.time_ns() < 5 * 10**9

    with managing(tmp_path / "am") as manager:
        asyncio.run(run(manager))


def test_one_that_fires_for_long_stays_and_lapses_when_nobody_speaks_of_it(tmp_path: Path) -> None:
    async def run(manager: Manager) -> None:
        async with telling(manager.url) as told:
            told.say(firing())
            await until(lambda: "a" in manager.alerts(), "it arrived")
            first_ns = time_ns(manager.alerts()["a"]["endsAt"])
            while time.time_ns() < first_ns + 10**9:
                assert "a" in manager.alerts()
                await asyncio.sleep(0.1)
        assert manager.received("resolved") == 0
        await until(lambda: not manager.alerts(), "it lapsed")

    with managing(tmp_path / "am") as manager:
        asyncio.run(run(manager))


def test_one_that_is_away_hears_of_an_alert_and_of_its_end_when_it_is_back(tmp_path: Path) -> None:
    one, port = firing(), free_port()

    async def run() -> None:
        async with telling(f"http://127.0.0.1:{port}") as told:
            told.say(one)
            await until(lambda: told.count("failed") > 1, "tried")
            with managing(tmp_path / "am", port=port) as manager:
                await until(lambda: "a" in manager.alerts(), "it arrived")
            failed = told.count("failed")
            told.say(over(one))
            await until(lambda: told.count("failed") > failed, "tried again")
            with managing(tmp_path / "am", port=port) as manager:
                await until(lambda: manager.received("resolved") == 1, "its end arrived")
                await until(lambda: not told.store.kept.notices, "nothing is left")
        assert told.count("given_up") == 0

    asyncio.run(run())


def test_one_that_fails_for_a_while_hears_of_all(tmp_path: Path) -> None:
    one = firing()

    async def run(manager: Manager) -> None:
        async with before(manager.port, failing=4) as url, telling(url) as told:
            told.say(one)
            await until(lambda: told.count("failed") > 0, "it failed")
            told.say(over(one), firing("b"))
            await until(lambda: "b" in manager.alerts(), "another arrived")
            await until(lambda: manager.received("resolved") == 1, "the end arrived")
            assert set(manager.alerts()) == {"b"}
            assert told.count("failed") == 4

    with managing(tmp_path / "am") as manager:
        asyncio.run(run(manager))


def test_one_that_asks_who_calls_is_told(tmp_path: Path, home: Path) -> None:
    signed(home, "caller")
    pair = tmp_path / "pair.pem"
    pair.write_text((home / "caller.pem").read_text() + (home / "caller.key").read_text())
    tls = ssl.create_default_context(cafile=home / "ca.pem")
    tls.load_cert_chain(pair)
    web = f"""{USERS}
tls_server_config:
  cert_file: {home / "server.pem"}
  key_file: {home / "server.key"}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: {home / "ca.pem"}
"""
    said = f'tls_ca = "{home / "ca.pem"}"\ntls_cert = "{pair}"\nusername = "tailrace"\n'

    async def run(manager: Manager) -> None:
        async with telling(manager.url, f'{said}password = "wrong"') as told:
            told.say(firing())
            await until(lambda: told.count("failed") == 1, "it is refused")
            assert "status 401" in told.store.kept.notices[0].error
        async with telling(manager.url, f'{said}password = "hook"') as told:
            told.say(firing())
            await until(lambda: "a" in manager.alerts(), "it arrived")
            assert told.count("failed") == 0

    with managing(tmp_path / "am", web=web, tls=tls, user="tailrace:hook") as manager:
        asyncio.run(run(manager))


def test_what_one_refuses_keeps_neither_others_nor_ends_from_it(tmp_path: Path) -> None:
    """Before its version 0.27 it refuses labels that Prometheus of old would."""
    dotted, plain = firing("odd", **{"host.name": "odd"}), firing("a")

    async def run(manager: Manager) -> None:
        async with telling(manager.url) as told:
            told.say(dotted, plain)
            await until(lambda: "a" in manager.alerts(), "the right one arrived")
            told.say(over(dotted), over(plain))
            await until(lambda: manager.received("resolved") > 0, "its end arrived")
            await until(lambda: not told.store.kept.notices, "nothing waits")
            assert told.count("given_up") >= 2
            assert told.count("sent") == 0

    with managing(tmp_path / "am") as manager:
        asyncio.run(run(manager))


def test_more_alerts_than_a_notice_holds_arrive_and_end(tmp_path: Path) -> None:
    many = [firing(f"h{number}") for number in range(2_500)]

    async def run(manager: Manager) -> None:
        async with telling(manager.url) as told:
            told.say(*many)
            await until(lambda: len(manager.alerts()) == len(many), "all arrived")
            told.say(*map(over, many))
            await until(lambda: manager.received("resolved") == len(many), "all ended")

    with managing(tmp_path / "am") as manager:
        asyncio.run(run(manager))


def time_ns(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e9)


@contextlib.asynccontextmanager
async def before(port: int, failing: int) -> AsyncGenerator[str]:
    """Another URL that leads to `port`, once it has answered 500 so many times."""
    left = failing

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length"))
        request = head + await reader.readexactly(int(size.partition(b":")[2]))
        if left:
            left -= 1
            writer.write(status(500))
        else:
            back, forth = await asyncio.open_connection("127.0.0.1", port)
            forth.write(request)
            writer.write(await back.read())
            forth.close()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
