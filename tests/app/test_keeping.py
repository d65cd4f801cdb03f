"""How long rows stay hot, as it is written, and what is wrong with it, by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app import config
from tailrace.app.keeping import keep, rewriting
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Signal
from tailrace.core.hours import ALWAYS, Hours
from tailrace.store.keep import Kept, Which


def load(tmp_path: Path, text: str, **environment: str) -> config.Config:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return config.load(path, environment)


WRITTEN = """
[store]
keep = "7d"
keep_bytes = "50GB"
rewrite = "23:00-05:00"
signals.metrics.keep = "30d"
services.debug.keep = "1d"

[[store.tenants]]
name = "shop"
keep = "30d"
keep_bytes = "10GB"
services.audit.keep = "0s"
"""


def test_everybody_signals_services_and_tenants_are_told_apart(tmp_path: Path) -> None:
    store = load(tmp_path, WRITTEN).store
    day = 86_400.0
    assert keep(store).said == {
        Which(): Kept(7 * day, 50 * 10**9),
        Which(signal=Signal.METRICS): Kept(30 * day),
        Which(service="debug"): Kept(day),
        Which("shop"): Kept(30 * day, 10 * 10**9),
        Which("shop", "audit"): Kept(0.0),
    }
    assert rewriting(store) == Hours(23 * 3600.0, 6 * 3600.0)


def test_what_nobody_says_stays_for_ever(tmp_path: Path) -> None:
    store = load(tmp_path, "").store
    assert not keep(store).bounded
    assert rewriting(store) == ALWAYS


def test_the_environment_says_it_too(tmp_path: Path) -> None:
    said = '[{name = "shop", keep = "2d"}]'
    store = load(
        tmp_path, "", TAILRACE_STORE__TENANTS=said, TAILRACE_STORE__KEEP_BYTES="1GiB"
    ).store
    assert keep(store).said[Which("shop")] == Kept(172_800.0)
    assert keep(store).sized == [(Which(), 2**30)]


SHOP = '[[store.tenants]]\nname = "shop"\n'


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[store]\nkeep_bytes = "1KB"', 'store.keep_bytes: at least "1MiB"'),
        ("[store]\nkeep_bytes = 5", "store.keep_bytes: "),
        ('[store]\nservices.a.keep = "1h"', 'store.services.a.keep: at least "1d"'),
        ('[store]\nservices."".keep = "1d"', "store.services: a service has a name"),
        ('[store]\nservices.a.age = "1d"', "store.services"),
        ('[store]\nsignals.traces.keep = "1d"', "traces"),
        (SHOP + 'keep = "23h"', 'store.tenants[0].keep: at least "1d"'),
        (SHOP + 'services.a.keep_bytes = "5B"', "store.tenants[0].services.a.keep_bytes: at least"),
        (SHOP + SHOP, "store.tenants[1].name: shop is there already"),
        ('[[store.tenants]]\nname = "a/b"', "store.tenants[0].name: 'a/b' is no name"),
        ('[store]\nrewrite = "1-5"', "store.rewrite: '1-5' is not such as \"01:00-05:00\""),
        ('[store]\nrewrite = "01:00-01:00"', "store.rewrite: '01:00-01:00' is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert wrong in str(refused.value)


def test_only_so_many_are_kept_apart(tmp_path: Path) -> None:
    def services(number: int) -> str:
        return "[store]\n" + "".join(f'services.s{n}.keep = "2d"\n' for n in range(number))

    # The default is one of them.
    assert load(tmp_path, services(limits.KEPT_APART - 1))
    with pytest.raises(ConfigError, match="KEPT_APART"):
        load(tmp_path, services(limits.KEPT_APART))
