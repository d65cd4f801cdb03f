"""The answer to an Elasticsearch `_bulk`: an item for each action, less what a filter drops."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tailrace.wire.elastic import Item

_ITEM_FIELDS = ("_index", "_id", "_version", "result", "status", "error")
_encode = msgspec.json.Encoder().encode


class Filter:
    """`filter_path`: patterns of dotted paths, of which one stands for all that is under it.

    Those that start with "-" leave something out. Without any everything is answered.
    """

    def __init__(self, text: str) -> None:
        patterns = [part.strip() for part in text.split(",") if part.strip()]
        self._without = [tuple(part[1:].split(".")) for part in patterns if part[0] == "-"]
        self._only = [tuple(part.split(".")) for part in patterns if part[0] != "-"]

    def keeps(self, *path: str) -> bool:
        """Whether a value at this path is answered, whole or in part."""
        if any(len(one) <= len(path) and _matches(one, path) for one in self._without):
            return False
        return not self._only or any(_matches(one, path) for one in self._only)


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    for want, name in zip(pattern, path, strict=False):
        if want == "**":
            return True
        if not (fnmatchcase(name, want) or name == "*"):
            return False
    return True


def answer(items: Sequence[Item], took_ms: int, ids: str = "", only: str = "") -> bytes:
    """JSON; `ids` starts the ids of documents that came without one, `only` is `filter_path`."""
    wanted = Filter(only)
    parts: list[bytes] = []
    if wanted.keeps("took"):
        parts.append(b'"took":%d' % took_ms)
    if wanted.keeps("errors"):
        parts.append(b'"errors":true' if any(item.error for item in items) else b'"errors":false')
    fields = frozenset(name for name in _ITEM_FIELDS if wanted.keeps("items", "*", name))
    if fields:
        encoded = b",".join(_items(items, fields, ids.encode()))
        if encoded or not only:
            parts.append(b'"items":[%b]' % encoded)
    return b"{%b}" % b",".join(parts)


def _items(items: Sequence[Item], fields: frozenset[str], ids: bytes) -> list[bytes]:
    """Each item's JSON. Actions that are alike are one object, which is encoded once."""
    halves: dict[int, tuple[bytes, bytes]] = {}
    found: list[bytes] = []
    numbered = "_id" in fields
    for number, item in enumerate(items):
        key = id(item)
        half = halves.get(key)
        if half is None:
            half = halves[key] = _halves(item, fields)
        before, after = half
        if not before:
            continue
        if numbered and not item.id:
            found.append(b"%b%b%d%b" % (before, ids, number, after))
        else:
            found.append(before + after)
    return found


def _halves(item: Item, fields: frozenset[str]) -> tuple[bytes, bytes]:
    """What stands before and after the id of a document that came without one."""
    values: dict[str, Any] = {"_index": item.index, "status": item.status}
    if item.error:
        values["error"] = {"type": item.error, "reason": item.reason}
    else:
        values |= {"_version": 1, "result": "created"}
    rest = _encode({name: values[name] for name in values if name in fields})
    if "_id" not in fields:
        return (b'{"%b":%b}' % (item.action.encode(), rest), b"") if rest != b"{}" else (b"", b"")
    if item.id:
        start = b'{"%b":{"_id":%b' % (item.action.encode(), _encode(item.id))
    else:
        start = b'{"%b":{"_id":"' % item.action.encode()
    after = (b"" if item.id else b'"') + (b"," if rest != b"{}" else b"") + rest[1:] + b"}"
    return start, after
