"""What a configuration says to the guard: the tables below `[guard]`."""

from __future__ import annotations

import datetime
from typing import Literal

import msgspec

from tailrace.core.finding import Action

Validator = Literal["", "luhn", "mod97", "ssn"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard.rules]]`: what is done with the values of a kind. The first that fits a row counts.
    `service` and `environment` are globs."""

    detector: str
    action: Action
    service: str = "*"
    environment: str = "*"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard.fields]]`: whatever stands under `key` is of `kind`. "customer.name" is a name
    within another, wherever they are; "*.email" is one within any other; "ssn" is one anywhere."""

    key: str
    kind: str = "name"


class Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard.detectors]]`: a kind of its own. `context` are words of which one must stand within
    `context_bytes` before it. It must find something in every row of `matches`, and nothing in
    those of `traps`."""

    name: str
    pattern: str
    matches: list[str]
    traps: list[str]
    validator: Validator = ""
    context: list[str] = []
    context_bytes: int = 40
    title: str = ""
    action: Action = "pseudonymise"


class Approved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard.approved]]`: values that are no data of anybody. `values` or the `set` "test-cards".
    They pass as they are, or are marked: `treatment`. From `expires` on, UTC, they count as any
    other."""

    name: str
    kind: str
    owner: str
    reason: str
    expires: datetime.date
    values: list[str] = []
    set: Literal["", "test-cards"] = ""
    treatment: Literal["pass", "mark"] = "pass"
    service: str = "*"
    environment: str = "*"


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[guard.thresholds]]`: so many values of a kind in an hour, at one place, raise an alert; 0
    for never. The first that fits counts."""

    detector: str
    per_hour: int
    service: str = "*"
    environment: str = "*"


USUAL_FIELDS = (Field("customer.name"), Field("*.email", "email"), Field("ssn", "ssn"))


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`enable` and `disable` are kinds: ip is off, all others are on. No `fields`: the usual."""

    enable: list[str] = []
    disable: list[str] = []
    rules: list[Rule] = []
    fields: list[Field] | None = None
    detectors: list[Custom] = []
    approved: list[Approved] = []
    thresholds: list[Threshold] = []
