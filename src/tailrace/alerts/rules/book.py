"""All groups of a server: those of files, and those that came by the API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tailrace.alerts.rule import Group, Language
from tailrace.alerts.rules.entry import TemplateCheck
from tailrace.alerts.rules.files import RuleFile, RuleFiles
from tailrace.alerts.rules.reader import INTERVAL_NS, Origin, read_group
from tailrace.alerts.rules.writer import write_group
from tailrace.core.alerting import AlertStore, RuleText
from tailrace.core.clock import Clock
from tailrace.core.errors import InputError
from tailrace.core.log import get

_log = get("alerts")


class Rulebook:
    """`load` gives the groups as they are; after `changed`, `put` and `delete` there are others."""

    def __init__(
        self,
        files: RuleFiles,
        store: AlertStore,
        clock: Clock,
        check_template: TemplateCheck,
        interval_ns: int = INTERVAL_NS,
        builtin: Sequence[Group] = (),
    ) -> None:
        """`builtin` are groups that are there whatever files and the API say."""
        self._files = files
        self._store = store
        self._clock = clock
        self._check_template = check_template
        self._interval_ns = interval_ns
        self._builtin = builtin
        self._groups: list[Group] = []

    @property
    def files(self) -> Sequence[RuleFile]:
        """How each file is."""
        return self._files.files

    @property
    def groups(self) -> Sequence[Group]:
        """As `load` found them."""
        return self._groups

    async def changed(self) -> bool:
        """Whether files are otherwise than `load` found them."""
        return await asyncio.to_thread(self._files.changed)

    async def load(self) -> list[Group]:
        """All groups. One by the API that a file has, too, is the file's. Raises StoreError."""
        found = {group.key: group for group in self._builtin}
        for group in await asyncio.to_thread(self._files.load):
            found.setdefault(group.key, group)
        for text in await self._store.rules():
            origin = Origin(text.tenant, text.folder, "api", interval_ns=self._interval_ns)
            for group in read_group(text.text, origin, self._check_template).groups:
                if group.key in found:
                    _log.warning(
                        "a group of the API is in a file, too", extra={"group": group.name}
                    )
                found.setdefault(group.key, group)
        self._groups = list(found.values())
        return self._groups

    async def put(
        self, tenant: str, folder: str, text: bytes, language: Language | None = None
    ) -> Group:
        """Begin a group, or replace it. `language`: of expressions that could be of two.

        Raises InputError ("rules") with every mistake and its place, TooLarge and StoreError.
        """
        origin = Origin(tenant, folder, "api", language, self._interval_ns)
        found = read_group(text, origin, self._check_template)
        if found.errors:
            raise InputError("; ".join(map(str, found.errors)), "rules")
        [group] = found.groups
        if any(one.key == group.key and one.origin != "api" for one in self._groups):
            said = "the group is built in, or in a file of the server's; change it there"
            raise InputError(said, "rules")
        kept = RuleText(tenant, folder, group.name, write_group(group), self._clock.wall_ns())
        await self._store.put_rules(kept)
        return group

    async def delete(self, tenant: str, folder: str, group: str = "") -> int:
        """A group, or all of a folder that came by the API; how many. Raises StoreError."""
        return await self._store.delete_rules(tenant, folder, group)
