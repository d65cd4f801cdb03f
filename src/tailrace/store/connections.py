"""Connections to the engine that is in this process."""

from __future__ import annotations

from typing import Any

import clickhouse_connect


def connections(path: str, count: int) -> list[Any]:
    """`count` clients of the engine at `path`, at least two. Raises ClickHouseError.

    The driver asks for the engine's thousand settings with each client, 25 ms of work every time.
    Two are asked; the others take what the second was told. A driver that opens its clients
    otherwise asks with each of them again.
    """
    first = clickhouse_connect.get_client(interface="chdb", path=path)
    alike = _alike(type(first))
    return [first, *(alike(path=path) for _ in range(count - 1))]


def _alike(kind: Any) -> Any:
    told: list[Any] = []

    class Alike(kind):  # type: ignore[misc]  # the driver has no types
        """A client of `kind`; all but the first take what the first was told."""

        def _init_common_settings(self, *arguments: Any) -> None:
            if told:
                self._apply_init_result(told[0])
            else:
                super()._init_common_settings(*arguments)

        def _apply_init_result(self, result: Any) -> None:
            told[:] = [result]
            super()._apply_init_result(result)

    return Alike
