"""Connections to the engine: the driver's questions about it are not asked with each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailrace.store.connections import connections


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the driver asks while it opens connections."""
    from clickhouse_connect.driver._backendclient import SyncBackendClient

    found: list[str] = []
    asks = SyncBackendClient._query_with_context

    def noted(self: Any, context: Any) -> Any:
        found.append(context.query)
        return asks(self, context)

    monkeypatch.setattr(SyncBackendClient, "_query_with_context", noted)
    return found


def test_two_of_many_ask_and_all_are_alike(tmp_path: Path, asked: list[str]) -> None:
    clients = connections(str(tmp_path / "tables"), 5)
    try:
        assert len([one for one in asked if "system.settings" in one]) == 2
        first = clients[0]
        for client in clients:
            assert client.server_settings == first.server_settings
            assert (client.server_version, client.server_tz) == (
                first.server_version,
                first.server_tz,
            )
            # Set by the driver once it knows the settings; the engine's own value is "basic".
            asks = "SELECT value FROM system.settings WHERE name = 'date_time_input_format'"
            assert client.query(asks).result_rows == [("best_effort",)]
    finally:
        for client in clients:
            client.close()
