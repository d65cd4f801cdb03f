"""SARIF 2.1.0, the form in which code hosts and editors take what a tool found.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from tailrace import __version__

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
Level = Literal["error", "warning", "note"]


class Rule(msgspec.Struct, frozen=True):
    """One kind of result: `title` is a line, `help` says what to do about it."""

    id: str
    title: str
    help: str
    level: Level = "warning"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was found. Its place is `path` and `line`, both counted from 1, or else
    `logical`, a name with slashes such as "payments/card.number"; it may have both.

    `fingerprint` is the same whenever it is found again. `suppressed` is the reason why somebody
    let it be, "" when nobody did. `properties` are for people who look closer.
    """

    rule: str
    level: Level
    message: str
    fingerprint: str
    path: str = ""
    line: int = 0
    column: int = 0
    logical: str = ""
    suppressed: str = ""
    properties: dict[str, Any] = {}


def document(rules: Sequence[Rule], results: Iterable[Result]) -> bytes:
    """One run of tailrace, as indented JSON. Every result's rule is one of `rules`."""
    order = {rule.id: index for index, rule in enumerate(rules)}
    driver = {
        "name": "tailrace",
        "semanticVersion": __version__,
        "rules": [_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, order[result.rule]) for result in results],
    }
    found = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": rule.level},
    }


def _result(result: Result, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": index,
        "level": result.level,
        "message": {"text": result.message},
        "partialFingerprints": {"tailrace/v1": result.fingerprint},
    }
    if result.path or result.logical:
        found["locations"] = [_location(result)]
    if result.suppressed:
        found["suppressions"] = [{"kind": "inSource", "justification": result.suppressed}]
    if result.properties:
        found["properties"] = result.properties
    return found


def _location(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if result.path:
        region = {"startLine": max(1, result.line)}
        if result.column:
            region["startColumn"] = result.column
        found["physicalLocation"] = {"artifactLocation": _artifact(result.path), "region": region}
    if result.logical:
        name = result.logical.rpartition("/")[2]
        found["logicalLocations"] = [{"name": name, "fullyQualifiedName": result.logical}]
    return found


def _artifact(path: str) -> dict[str, str]:
    """A relative path is one of the repository that is looked at."""
    posix = PurePosixPath(path.replace("\\", "/"))
    if posix.is_absolute():
        return {"uri": f"file://{quote(str(posix))}"}
    return {"uri": quote(str(posix)), "uriBaseId": "%SRCROOT%"}
