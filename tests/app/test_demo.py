"""demo-shop: the same seed says the same, in records the server takes as they are."""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.app.demo.lines import message_line
from tailrace.app.demo.shop import Message, records
from tailrace.app.demo.vocabulary import SERVICES
from tailrace.app.demo.writer import FILES, DemoShop
from tailrace.core.clock import ManualClock
from tailrace.core.frame import CANONICAL
from tailrace.wire import records as wire

START_NS = 1_790_000_000_000_000_000
STEP_NS = 1_500_000


def decoded(count: int, seed: int = 7) -> list[dict[str, Any]]:
    data = b"".join(records(count, seed, START_NS, STEP_NS))
    return [msgspec.json.decode(line) for line in data.splitlines()]


def test_the_same_seed_says_the_same_whatever_the_blocks() -> None:
    once = b"".join(records(500, 3, START_NS, STEP_NS))
    assert b"".join(records(500, 3, START_NS, STEP_NS, block_rows=7)) == once
    assert b"".join(records(500, 4, START_NS, STEP_NS)) != once


def test_blocks_hold_whole_rows_and_all_of_them() -> None:
    blocks = list(records(25, 1, START_NS, STEP_NS, block_rows=10))
    assert [block.count(b"\n") for block in blocks] == [10, 10, 5]
    assert all(block.endswith(b"\n") for block in blocks)
    assert list(records(0, 1, START_NS, STEP_NS)) == []


def test_rows_are_canonical_records_of_the_promised_size() -> None:
    data = b"".join(records(5_000, 1, START_NS, STEP_NS))
    assert wire.check(data, CANONICAL) == CANONICAL
    assert 310 <= len(data) / 5_000 <= 350


def test_times_rise_and_stay_within_their_interval() -> None:
    for n, row in enumerate(decoded(1_000)):
        assert 0 <= row["time"] - START_NS - n * STEP_NS < STEP_NS


def test_the_mix_is_that_of_a_shop() -> None:
    rows = decoded(20_000)
    severities = Counter(row["severity"] for row in rows)
    assert set(severities) == {"DEBUG", "INFO", "WARN", "ERROR"}
    assert severities["INFO"] > len(rows) / 2
    assert {row["service"] for row in rows} == set(SERVICES)
    assert len({row["resource"]["host.name"] for row in rows}) == 4 * len(SERVICES)
    assert any("Traceback" in row["body"] and "\n" in row["body"] for row in rows)
    assert any(row["body"].startswith("slow query") for row in rows)


def test_some_visits_cross_services_and_some_rows_belong_to_none() -> None:
    rows = decoded(5_000)
    services = defaultdict(set)
    for row in rows:
        if "trace_id" in row:
            assert re.fullmatch("[0-9a-f]{32}", row["trace_id"])
            assert re.fullmatch("[0-9a-f]{16}", row["span_id"])
            services[row["trace_id"]].add(row["service"])
    assert sum(len(found) > 1 for found in services.values()) > 100
    assert 0.2 < sum("trace_id" not in row for row in rows) / len(rows) < 0.6


def test_nothing_looks_like_a_card_or_an_address_of_a_person() -> None:
    for row in decoded(5_000):
        text = f"{row['body']} {row['attributes']}"
        assert "@" not in text
        assert not re.search(r"(?<![0-9a-f])\d{13,19}(?![0-9a-f])", text)


def test_the_writer_fills_three_files(tmp_path: Path) -> None:
    DemoShop(tmp_path, seed=1, clock=ManualClock(START_NS)).write(500)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    access = (tmp_path / "access.log").read_text().splitlines()
    combined = r'\S+ - - \[21/Sep/2026:14:13:20 \+0000\] "\S+ \S+ HTTP/1.1" \d{3} \d+ "\S+" ".+"'
    assert all(re.fullmatch(combined, line) for line in access)
    slow = (tmp_path / "slow-query.log").read_text().splitlines()
    assert all(line.startswith("2026-09-21T14:13:20.000Z WARN orders-db-") for line in slow)


def test_an_app_line_names_time_level_service_and_trace() -> None:
    said = Message("checkout", "checkout-1", "INFO", "order placed", "", "0" * 32)
    assert message_line(START_NS + 5_000_000, said) == (
        f"2026-09-21T14:13:20.005Z INFO checkout [trace={'0' * 32}] order placed\n"
    )


def test_files_rotate_and_stay_bounded(tmp_path: Path) -> None:
    shop = DemoShop(tmp_path, max_bytes=20_000, seed=1)
    for _ in range(60):
        shop.write(100)
    assert {path.name for path in tmp_path.iterdir()} <= {
        name + suffix for name in FILES for suffix in ("", ".1")
    }
    assert (tmp_path / "app.log.1").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 6 * 40_000


def test_it_writes_from_a_thread_until_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = threading.Event()
    shop = DemoShop(tmp_path / "new", rows_per_s=1_000)
    write = shop.write

    def noted(count: int) -> None:
        write(count)
        if count:
            wrote.set()

    monkeypatch.setattr(shop, "write", noted)
    shop.start()
    assert wrote.wait(10)
    shop.stop()
    size = sum(path.stat().st_size for path in (tmp_path / "new").iterdir())
    assert size > 0
    assert not any(t.name == "demo-shop" and t.is_alive() for t in threading.enumerate())


def test_a_failing_disk_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = DemoShop(tmp_path, rows_per_s=1_000)
    tries = threading.Semaphore(0)

    def full(count: int) -> None:
        tries.release()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shop, "write", full)
    shop.start()
    assert tries.acquire(timeout=10)
    assert tries.acquire(timeout=10)
    shop.stop()
