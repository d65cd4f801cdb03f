"""What `[query]` of the configuration says becomes what queries may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.app.config import Config, load
from tailrace.app.queries import policy
from tailrace.core.errors import ConfigError
from tailrace.query.bounds.allowance import Allowance, Policy


def said(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return policy(load(path, {}).query)


def test_without_settings_the_limits_of_the_code_stand() -> None:
    assert policy(Config().query) == Policy(estimate=True)


def test_a_tenant_has_what_is_said_of_it_and_else_what_is_said_of_all(tmp_path: Path) -> None:
    found = said(
        tmp_path,
        """
        [query]
        timeout = "10s"
        read_rows = 1000
        waiting = 7
        concurrency = 2
        wait = "1s"
        slow = "2s"

        [[query.tenants]]
        name = "shop"
        read_bytes = "1GiB"
        running = 1
        read_rows = 0
        """,
    )
    assert (found.running, found.wait_s, found.slow_s) == (2, 1, 2)
    assert found.of("other") == Allowance(timeout_s=10, read_rows=1000, waiting=7)
    assert found.of("shop") == Allowance(
        timeout_s=10, read_rows=0, read_bytes=1024**3, running=1, waiting=7
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("concurrency = 0", "query.concurrency"),
        ("concurrency = 99", "query.concurrency"),
        ("running = 0", "query.running"),
        ("waiting = -1", "query.waiting"),
        ("read_rows = -1", "query.read_rows"),
        ('timeout = "0s"', "query.timeout"),
        ('wait = "10m"', "query.wait"),
        ('tenants = [{ name = "Shop!" }]', r"query.tenants\[0\].name"),
        ('tenants = [{ name = "a" }, { name = "a" }]', r"query.tenants\[1\].name"),
        ('tenants = [{ name = "a", running = 0 }]', r"query.tenants\[0\].running"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        said(tmp_path, f"[query]\n{text}\n")
