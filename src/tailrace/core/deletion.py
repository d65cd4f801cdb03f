"""What was deleted, and why: each deletion of rows has one of these in a record that is kept.

Whoever deletes notes it first, so that a crash in between leaves a note of what is deleted when it
is tried again, never rows that are gone without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec


class Place(StrEnum):
    """Where rows were."""

    HOT = "hot"
    ARCHIVE = "archive"
    DEAD_LETTERS = "dead_letters"
    QUEUE = "queue"
    BACKUP = "backup"


class Reason(StrEnum):
    """Why they went: their time or room was over, somebody dropped them, or a person is to be
    forgotten."""

    EXPIRED = "expired"
    DROPPED = "dropped"
    FORGOTTEN = "forgotten"


class Deletion(msgspec.Struct, frozen=True):
    """Rows of a tenant that are deleted from one place.

    `id` names it: noted again under it, it is the same deletion. `subject` says in words what went,
    such as a day or a file, and holds nothing that rows say. `signal` and `service` are "" where
    they were of several; `tenant` is "" where nobody knows whose they were. `first_ns` to `last_ns`
    are bounds of the event times of the rows, 0 where nobody knows. `bytes` are those on disk,
    where that is known. `rows` and `bytes` are what was there when it was noted first.
    """

    id: str
    tenant: str
    place: Place
    reason: Reason
    subject: str
    rows: int
    bytes: int = 0
    signal: str = ""
    service: str = ""
    first_ns: int = 0
    last_ns: int = 0


class Deletions(Protocol):
    """Who keeps the record.

    `note` returns when they are kept, durably; of those with an id that is known nothing changes.
    Raises StoreError; then nothing may be deleted.
    """

    async def note(self, deletions: Sequence[Deletion]) -> None: ...
