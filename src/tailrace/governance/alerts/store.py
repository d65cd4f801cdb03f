"""How alerts stand and who is to be told, in the control store.

Work of whoever leads first looks whether it still does, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from tailrace.core.alerting import Alert, Evaluated, Notice, RuleText, Silence, Told
from tailrace.core.errorpatterns import Remembered
from tailrace.governance.alerts import lease, outbox, patterns, requests, states
from tailrace.governance.control import Control

_T = TypeVar("_T")


class ControlAlerts:
    """A core.alerting.AlertStore, and core.errorpatterns.ErrorPatterns, on a `control` that is
    open."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._holder = ""

    async def lead(self, holder: str, until_ns: int, now_ns: int) -> bool:
        self._holder = holder
        return await self._write(
            partial(lease.lead, holder=holder, until_ns=until_ns, now_ns=now_ns)
        )

    async def alerts(self, tenant: str = "") -> list[Alert]:
        return await self._control.read(partial(states.alerts, tenant=tenant))

    async def evaluations(self) -> list[Evaluated]:
        return await self._control.read(states.evaluations)

    async def evaluated(
        self, last: Sequence[Evaluated], changed: Sequence[Alert], gone: Sequence[Alert]
    ) -> None:
        work = partial(states.evaluated, last=last, changed=changed, gone=gone)
        await self._led(work, durable=bool(changed or gone))

    async def remembered(self, tenant: str, ids: Collection[str]) -> Mapping[str, Remembered]:
        return await self._control.read(partial(patterns.remembered, tenant=tenant, ids=ids))

    async def looked(
        self, last: Evaluated, changed: Sequence[Alert], seen: Sequence[Remembered]
    ) -> None:
        def work(connection: Connection) -> None:
            states.evaluated(connection, [last], changed, [])
            patterns.see(connection, seen)

        await self._led(work, durable=bool(changed or seen))

    async def forget(self, tenant: str, rule: str) -> None:
        await self._led(partial(states.forget, tenant=tenant, rule=rule))

    async def told(self) -> list[Told]:
        return await self._control.read(outbox.told)

    async def tell(
        self, told: Sequence[Told], notices: Sequence[Notice], gone: Sequence[Alert]
    ) -> None:
        def work(connection: Connection) -> None:
            outbox.tell(connection, told, notices)
            states.end(connection, gone)

        await self._led(work)

    async def waiting(self, most: int, apart_from: Sequence[tuple[str, str]] = ()) -> list[Notice]:
        return await self._control.read(partial(outbox.waiting, most=most, apart_from=apart_from))

    async def sent(self, notice: Notice) -> None:
        await self._led(partial(outbox.sent, notice=notice))

    async def failed(self, notice: Notice, due_ns: int, error: str) -> None:
        await self._led(partial(outbox.failed, notice=notice, due_ns=due_ns, error=error))

    async def silences(self, tenant: str = "") -> list[Silence]:
        return await self._control.read(partial(requests.silences, tenant=tenant))

    async def silence(self, silence: Silence) -> None:
        await self._write(partial(requests.silence, one=silence))

    async def rules(self) -> list[RuleText]:
        return await self._control.read(requests.rules)

    async def put_rules(self, text: RuleText) -> None:
        await self._write(partial(requests.put_rules, one=text))

    async def delete_rules(self, tenant: str, folder: str, group: str = "") -> int:
        delete = partial(requests.delete_rules, tenant=tenant, folder=folder, group=group)
        return await self._write(delete)

    async def sweep(self, before_ns: int) -> None:
        def work(connection: Connection) -> None:
            requests.sweep(connection, before_ns)
            outbox.sweep(connection, before_ns)

        await self._write(work)

    async def _write(self, work: Callable[[Connection], _T]) -> _T:
        return await self._control.run(work, durable=True)

    async def _led(self, work: Callable[[Connection], None], durable: bool = True) -> None:
        holder = self._holder

        def checked(connection: Connection) -> None:
            lease.check(connection, holder)
            work(connection)

        await self._control.run(checked, durable=durable)
