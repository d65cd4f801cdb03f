"""What the guard found in a row: where, and never what."""

from __future__ import annotations

from typing import Literal

import msgspec

Action = Literal[
    "pseudonymise", "redact", "mask", "drop_field", "drop_row", "alert_only", "approved"
]


class Place(msgspec.Struct, frozen=True):
    """Who logs it, what it is, and where in the code or the row; the key of a finding.

    `detector` is the name of one, such as "pan". `field` is the name of the field that held the
    value, or else the line with everything in it replaced that may be data. `code` is FILE:LINE of
    the logging statement, "" where the row does not say. `action` is what was done.
    """

    tenant: str
    service: str
    version: str
    environment: str
    detector: str
    field: str
    code: str
    action: Action


class Finding(msgspec.Struct, frozen=True):
    """`hits` values at one place, `first_ns` and `last_ns` when they were taken in (UTC)."""

    place: Place
    hits: int
    first_ns: int
    last_ns: int


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One finding in an answer of the API, for server and command. Times are RFC 3339, UTC."""

    id: str
    service: str
    version: str
    environment: str
    detector: str
    title: str
    field: str
    code: str
    action: Action
    hits: int
    hits_last_hour: int
    first_seen: str
    last_seen: str
    alerting: bool
    sentence: str
