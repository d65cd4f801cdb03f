"""Elasticsearch `_bulk` bodies: pairs of an action and a document, to canonical records.

    {"create": {"_index": "logs-shop-default"}}
    {"@timestamp": "2026-01-01T00:00:00Z", "message": "paid"}

One item is answered for each action, in order. A document that cannot be kept fails its own item;
an action that cannot be read fails the request, because nobody knows what follows it.
Source: Elasticsearch's documentation of the bulk API, version 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.content import Content
from tailrace.wire.names import Reader
from tailrace.wire.rows import Rows
from tailrace.wire.text import repair_text

# What the documents of an action become.
INDEX, ID = "elasticsearch.index", "elasticsearch.document_id"
_ARGUMENT = "illegal_argument_exception"
_CREATED, _REFUSED = 201, 400
_FORBIDDEN = frozenset('\\/*?"<>| ,#:')
_MALFORMED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

_document: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, Any]).decode


class _Target(msgspec.Struct, gc=False, rename={"index": "_index", "id": "_id"}):
    index: str | None = None
    id: str | int | None = None


_action = msgspec.json.Decoder(dict[str, _Target])


class Item(msgspec.Struct, gc=False, frozen=True):
    """One action and what became of it; `error` is empty for a document that is kept."""

    action: str
    index: str
    id: str = ""
    error: str = ""
    reason: str = ""

    @property
    def status(self) -> int:
        return _REFUSED if self.error else _CREATED


class Bulk(msgspec.Struct):
    """The records of a body, None when no document can be kept, and an item for each action."""

    content: Content | None
    items: list[Item]


def decode(data: bytes, index: str = "") -> Bulk:
    """Records of a body; `index` is for actions that name none.

    Raises InputError ("action", "empty", "newline") and TooLarge ("actions", "expanded") for what
    fails the whole request.
    """
    if not data:
        raise InputError("request body is required", "empty")
    if not data.endswith(b"\n"):
        raise InputError("The bulk request must be terminated by a newline [\\n]", "newline")
    if data.count(b"\n") > 2 * limits.BULK_ACTIONS:
        raise TooLarge(
            f"body holds more than {limits.BULK_ACTIONS} actions; send smaller batches", "actions"
        )
    data, repaired = repair_text(data)
    found = _Body(index)
    found.read(data)
    if found.rows.empty:
        return Bulk(None, found.items)
    content = found.rows.content()
    content.repaired.update(repaired)
    return Bulk(content, found.items)


class _Body:
    """One body, line by line."""

    def __init__(self, index: str) -> None:
        self.rows = Rows()
        self.items: list[Item] = []
        self._index = index
        # Most clients send the same action again and again.
        self._actions: dict[bytes, Item] = {}
        self._reader = Reader()

    def read(self, data: bytes) -> None:
        lines = iter(data[:-1].split(b"\n"))
        known = self._actions.get
        for line in lines:
            item = known(line)
            if item is None:
                if not line or line.isspace():
                    continue
                item = self._actions[line] = _parsed(len(self.items) + 1, line, self._index)
            if item.action == "delete":
                self.items.append(item)
                continue
            document = next(lines, None)
            if document is None:
                raise InputError(f"action {len(self.items) + 1} has no document", "action")
            self.items.append(item if item.error else self._taken(item, document))

    def _taken(self, item: Item, line: bytes) -> Item:
        if len(line) > limits.DOCUMENT_BYTES:
            reason = f"document is longer than {limits.DOCUMENT_BYTES} bytes"
            return _refused(item, reason, _ARGUMENT)
        said = {INDEX: item.index, ID: item.id} if item.id else {INDEX: item.index}
        try:
            self.rows.put(self._reader.record(_document(line), said))
        except TooLarge as error:
            if error.reason == "expanded":
                raise
            return _refused(item, str(error), _ARGUMENT)
        except _MALFORMED as error:
            return _refused(item, f"failed to parse: {error}", "document_parsing_exception")
        return item


def _refused(item: Item, reason: str, error: str) -> Item:
    return msgspec.structs.replace(item, error=error, reason=reason)


def _parsed(number: int, line: bytes, default: str) -> Item:
    """The action of a line; an item with an error when its document cannot be kept anyway."""
    try:
        found = _action.decode(line)
    except _MALFORMED as error:
        raise InputError(
            f"Malformed action/metadata line of action [{number}], expected an object: {error}",
            "action",
        ) from error
    if len(found) != 1 or not found.keys() <= {"index", "create", "update", "delete"}:
        raise InputError(
            f"Malformed action/metadata line of action [{number}], expected field [create], "
            "[delete], [index] or [update]",
            "action",
        )
    ((action, target),) = found.items()
    index = target.index or default
    if not index:
        raise InputError("Validation Failed: 1: index is missing;", "action")
    item = Item(action, index, "" if target.id is None else str(target.id))
    if action == "delete":
        return _refused(item, "nothing can be deleted here", _ARGUMENT)
    if action == "update":
        return _refused(item, "what is stored cannot be changed; use create", _ARGUMENT)
    if not is_index(index):
        return _refused(item, "invalid index name", "invalid_index_name_exception")
    if len(item.id) > limits.DOCUMENT_ID_CHARS:
        return _refused(item, f"_id is longer than {limits.DOCUMENT_ID_CHARS}", _ARGUMENT)
    return item


def is_index(name: str) -> bool:
    """Whether Elasticsearch would take this as the name of an index or a data stream."""
    return (
        0 < len(name.encode()) <= 255
        and name.isprintable()
        and name == name.lower()
        and name not in (".", "..")
        and name[0] not in "-_+"
        and not _FORBIDDEN.intersection(name)
    )
