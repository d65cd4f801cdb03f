"""Canonical records of a database server's log: what wire/postgresql.py and wire/mysql.py share.

Names of attributes are those of OpenTelemetry's conventions for databases where they have one:
https://opentelemetry.io/docs/specs/semconv/registry/attributes/db/
"""

from __future__ import annotations

from typing import Any

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import Codec
from tailrace.wire.content import Content
from tailrace.wire.fitting import fitted, short
from tailrace.wire.multiline import JOIN, Joiner
from tailrace.wire.statement import Dialect, normalised
from tailrace.wire.text import repair_text


def events(data: bytes, joiner: Joiner) -> tuple[list[list[str]], dict[str, int]]:
    """Events that are not blank, each as its lines, and what was repaired, counted by reason."""
    joined, _ = joiner.join(data if data.endswith(b"\n") else data + b"\n")
    data, repaired = repair_text(joined)
    inner = JOIN.decode()
    text = data.decode().replace("\r" + inner, inner).replace("\r\n", "\n")
    found = [event.split(inner) for event in text.split("\n") if event.strip(inner + " \t")]
    return found, repaired


def query_attributes(statement: str, dialect: Dialect) -> dict[str, Any]:
    """What can be said of a statement without its literals."""
    found = normalised(statement, dialect)
    named = {
        "db.query.text": found.text,
        "db.query.fingerprint": found.fingerprint,
        "db.query.summary": found.summary,
        "db.operation.name": found.operation,
    }
    return {name: value for name, value in named.items() if value}


class Records:
    """Collects the records of one buffer; `content` ends it."""

    def __init__(self, repaired: dict[str, int]) -> None:
        self._repaired = repaired
        self._rows: list[bytes] = []

    def add(self, time_ns: int, severity: str, body: str, attributes: dict[str, Any]) -> None:
        """One record, within LINE_BYTES: a long body is cut, and so is a long attribute.

        `time_ns`: 0 where it is not known. Attributes that are empty are left out.
        """
        record: dict[str, Any] = {"severity": severity} if severity else {}
        if 0 < time_ns < 2**63:
            record["time"] = time_ns
        record["attributes"] = {
            name[: limits.SLOW_NAME_CHARS]: (
                short(value, self._repaired) if isinstance(value, str) else value
            )
            for name, value in list(attributes.items())[: limits.SLOW_ATTRIBUTES]
            if value is not None and value != ""
        }
        self._rows.append(fitted(record, body, self._repaired))

    def content(self) -> Content:
        """All records. Raises InputError ("empty") when there is none."""
        if not self._rows:
            raise InputError("body holds no line", "empty")
        data = b"\n".join(self._rows) + b"\n"
        return Content(Codec.RECORDS, data, len(self._rows), repaired=self._repaired)
