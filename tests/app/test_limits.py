"""`[limits]`: what is not set, what a tenant inherits, what is refused at the start."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from tailrace.app.config import load
from tailrace.app.limiting import Limiting
from tailrace.app.limits import quotas
from tailrace.core.clock import ManualClock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.quota import Quota, Quotas, Rate
from tailrace.gateway.admission.tenant import DAY_NS, Spent

WHOLE = """
[limits]
bytes_per_second = "10MB"
rows_per_second = 20000
requests = 64

[limits.services."shop.api"]
rows_per_second = 100

[[limits.tenants]]
name = "shop"
bytes_per_second = "1MB"
bytes_per_day = "500GB"
burst = "5s"
over = "divert"
services = { checkout = { bytes_per_second = "100KB" } }

[[limits.tenants]]
name = "free"
requests = 0
line = "8KiB"
"""


def of(tmp_path: Path, text: str, **environment: str) -> Quotas:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return quotas(load(path, environment).limits)


def test_nothing_is_limited_unless_it_is_set(tmp_path: Path) -> None:
    assert of(tmp_path, "") == Quotas(Quota())
    assert not Quota().looks_inside


def test_a_tenant_has_its_own_limits_and_the_others_are_everybodys(tmp_path: Path) -> None:
    found = of(tmp_path, WHOLE)
    assert found.of("anyone") == Quota(
        rate=Rate(10_000_000, 20_000), requests=64, services={"shop.api": Rate(0, 100)}
    )
    assert found.of("shop") == Quota(
        rate=Rate(1_000_000, 20_000),
        burst_s=5.0,
        bytes_per_day=500_000_000_000,
        requests=64,
        services={"checkout": Rate(100_000, 0)},
        over="divert",
    )
    assert (found.of("free").requests, found.of("free").line_bytes) == (0, 8192)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Quotas) == found


def test_the_environment_sets_numbers_and_tenants(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        "",
        TAILRACE_LIMITS__ROWS_PER_SECOND="5",
        TAILRACE_LIMITS__TENANTS='[{name = "shop", requests = 2}]',
    )
    assert found.default.rate.rows_per_second == 5
    assert found.of("shop").requests == 2


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("rows_per_second = -1", "limits.rows_per_second"),
        ('bytes_per_second = "fast"', "limits.bytes_per_second"),
        ('over = "drop"', "limits.over"),
        ('burst = "1ms"', "limits.burst"),
        ('line = "1MB"', "limits.line"),
        ('body = "64MiB"', "limits.body"),
        ("attributes = 513", "limits.attributes"),
        ("label_sets_per_hour = 1000001", "limits.label_sets_per_hour"),
        ("services = { a = { rows_per_second = -1 } }", "limits.services.a.rows_per_second"),
        ("services = { a = { rows = 1 } }", "limits.services"),
        ('tenants = [{ name = "../x" }]', "limits.tenants[0].name"),
        ('tenants = [{ name = "a" }, { name = "a" }]', "limits.tenants[1].name"),
        ('tenants = [{ name = "a", attributes = 600 }]', "limits.tenants[0].attributes"),
        ("connections = 0", "limits.connections"),
        ('head_time = "0s"', "limits.head_time"),
    ],
)
def test_a_wrong_limit_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(ConfigError) as error:
        of(tmp_path, f"[limits]\n{text}\n")
    assert str(error.value).startswith(key)


class Empty:
    def pressure(self) -> float:
        return 0.0


def limiting(tmp_path: Path, clock: ManualClock) -> Limiting:
    path = tmp_path / "tailrace.toml"
    path.write_text('[limits]\nbytes_per_day = "1MB"\n')
    config = load(path, {}).limits
    return Limiting(config, clock, Metrics(), Empty(), tmp_path / "limits.json")


def test_the_days_bytes_are_kept_over_a_restart_and_a_damaged_file_begins_anew(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        clock = ManualClock()
        first = limiting(tmp_path, clock)
        await first.open()
        day = clock.wall_ns() // DAY_NS
        first.admission.restore({"shop": Spent(day, 77)})
        await first.close()
        second = limiting(tmp_path, clock)
        await second.open()
        assert second.admission.spent() == {"shop": Spent(day, 77)}
        await second.close()
        (tmp_path / "limits.json").write_bytes(b'{"shop": {"day": ')
        third = limiting(tmp_path, clock)
        await third.open()
        assert third.admission.spent() == {}
        await third.close()

    asyncio.run(main())
