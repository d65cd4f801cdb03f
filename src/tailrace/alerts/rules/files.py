"""Rule files of tenants, read again when they change. One that is wrong stays as it last was."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from tailrace.alerts.rule import Group
from tailrace.alerts.rules.entry import TemplateCheck
from tailrace.alerts.rules.reader import INTERVAL_NS, Origin, any_template, read
from tailrace.core import log
from tailrace.core.limits import RULE_FILE_BYTES, RULE_FILES, RULES_PER_TENANT
from tailrace.core.metrics import Metrics

_log = log.get("alerts")
# When it was written and changed, its size and inode; None for one that cannot be looked at.
Stamp: TypeAlias = tuple[int, int, int, int] | None
_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class RuleFile:
    """`groups` are of the last version that was right. `errors` say what is wrong with the one
    that is there, and `warnings` what may be; both as `line:column: message` where there is one."""

    tenant: str
    path: str
    groups: tuple[Group, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    stamp: Stamp = field(default=None, repr=False)


class RuleFiles:
    """`patterns` are paths of each tenant, `*`, `?` and `[...]` as in a shell.

    All of it reads the disk, so call it in a thread, one call at a time.
    """

    def __init__(
        self,
        patterns: Mapping[str, Sequence[str]],
        metrics: Metrics,
        check_template: TemplateCheck = any_template,
        interval_ns: int = INTERVAL_NS,
    ) -> None:
        self._patterns = patterns
        self._metrics = metrics
        self._check_template = check_template
        self._interval_ns = interval_ns
        self._read: dict[_Key, RuleFile] = {}
        self._seen: dict[_Key, Stamp] = {}
        self.files: tuple[RuleFile, ...] = ()

    def changed(self) -> bool:
        """Whether files are otherwise than `load` found them, and stayed so since the last call of
        this: a file that is being written is left alone until it is whole."""
        stamps = {key: _stamp(key[1]) for key in self._keys()}
        settled, self._seen = stamps == self._seen, stamps
        return settled and stamps != {key: one.stamp for key, one in self._read.items()}

    def load(self) -> tuple[Group, ...]:
        """Read what is new or has changed; the groups of all files. `files` says how each is."""
        self._read = {key: self._current(key) for key in self._keys()}
        before = {(one.tenant, one.path): one.errors for one in self.files}
        self.files = tuple(self._joined())
        for one in self.files:
            if one.errors and one.errors != before.get((one.tenant, one.path)):
                said = {"path": one.path, "errors": len(one.errors), "first": one.errors[0]}
                _log.error("a rule file is wrong", extra=said)
        wrong = sum(bool(one.errors) for one in self.files)
        self._metrics.set("tailrace_rule_files", len(self.files) - wrong, "right")
        self._metrics.set("tailrace_rule_files", wrong, "wrong")
        return tuple(group for one in self.files for group in one.groups)

    def _keys(self) -> list[_Key]:
        """Tenants and paths in order, of each tenant one more than it may have."""
        return [
            (tenant, path)
            for tenant, patterns in sorted(self._patterns.items())
            for path in _paths(patterns)
        ]

    def _current(self, key: _Key) -> RuleFile:
        """A file as it is, read only when it is not as before."""
        tenant, path = key
        before = self._read.get(key, RuleFile(tenant, path))
        stamp = _stamp(path)
        if key in self._read and stamp == before.stamp is not None:
            return before
        try:
            text, stamp = _contents(Path(path))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else None
            return replace(before, errors=(said or str(error),), stamp=stamp)
        return replace(self._parsed(before, text), stamp=stamp)

    def _parsed(self, before: RuleFile, text: bytes) -> RuleFile:
        origin = Origin(before.tenant, before.path, interval_ns=self._interval_ns)
        reading = read(text, origin, self._check_template)
        errors = tuple(map(str, reading.errors))
        warnings = tuple(str(one) for one in reading.problems if one.warning)
        groups = before.groups if errors else reading.groups
        return replace(before, groups=groups, errors=errors, warnings=warnings)

    def _joined(self) -> Iterator[RuleFile]:
        """The files without groups that are in another one, too, or are too many."""
        owners: dict[tuple[str, str, str], str] = {}
        files: dict[str, int] = {}
        rules: dict[str, int] = {}
        for one in self._read.values():
            tenant = one.tenant
            files[tenant] = files.get(tenant, 0) + 1
            total = rules.get(tenant, 0) + sum(len(group.rules) for group in one.groups)
            twice = [group for group in one.groups if group.key in owners]
            wrong = ""
            if files[tenant] > RULE_FILES:
                wrong = f"more than {RULE_FILES} files (RULE_FILES): none is read from here on"
            elif total > RULES_PER_TENANT:
                wrong = f"more than {RULES_PER_TENANT} rules in all files (RULES_PER_TENANT)"
            elif twice:
                name, where = twice[0].name, owners[twice[0].key]
                wrong = f"the group {name!r} of the namespace {twice[0].folder!r} is in {where}"
            if wrong:
                yield replace(one, groups=(), errors=(*one.errors, wrong))
                continue
            rules[tenant] = total
            owners |= {group.key: one.path for group in one.groups}
            yield one


def _paths(patterns: Sequence[str]) -> list[str]:
    """What is named without a pattern is there even if it is not: its absence is an error."""
    found: dict[str, None] = {}
    for pattern in patterns:
        if not glob.has_magic(pattern):
            found[pattern] = None
            continue
        # Path.glob would find hidden files, too: an editor's, and the ones of Kubernetes.
        there = glob.iglob(pattern)  # noqa: PTH207
        found |= dict.fromkeys(sorted(there))
    return list(found)[: RULE_FILES + 1]


def _stamp(path: str) -> Stamp:
    try:
        return _stamp_of(Path(path).stat())
    except (OSError, ValueError):
        return None


def _stamp_of(found: os.stat_result) -> Stamp:
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _contents(path: Path) -> tuple[bytes, Stamp]:
    """One byte more than the reader takes, and the stamp from before. Raises OSError."""
    # Not to wait for somebody who writes into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(RULE_FILE_BYTES + 1), _stamp_of(found)
    finally:
        os.close(descriptor)
