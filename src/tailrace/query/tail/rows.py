"""Rows as the store decodes them, and the stream that each comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tailrace.core.frame import Frame
from tailrace.query import labels
from tailrace.query.logs.columns import ROW_COLUMNS

# Time, line, service, host, severity number, resource, trace id, span id, attributes.
WIDTH = 9
COLUMNS = ", ".join(ROW_COLUMNS[:WIDTH])


class FrameRows(Protocol):
    """Decodes frames of logs, exactly as the store will have them later.

    Gives for each frame `columns` of its rows for which `condition` holds, the first `most`, and
    how many more there are; None for a frame that could not be read. Both are SQL over the columns
    of the table of logs. One call at a time.
    """

    async def rows(
        self,
        frames: Sequence[Frame],
        columns: str,
        condition: str,
        parameters: Mapping[str, object] | None,
        most: int,
    ) -> Sequence[tuple[list[tuple[Any, ...]], int] | None]: ...


class Origin:
    """What rows of one stream share. `labels` are those of the stream."""

    def __init__(self, service: str, host: str, severity: int, resource: Mapping[str, str]) -> None:
        self.labels = labels.stream(service, host, severity, resource)
        self._built_in = {"ServiceName": service, "HostName": host}
        self._level = labels.level(severity)
        self._resource = resource

    def value(self, label: str) -> str:
        """The value of a label that belongs to the stream, as `labels.expression` finds it."""
        if label in labels.LEVEL_NAMES:
            return self._level
        if label in labels.BUILT_IN:
            return self._built_in[labels.BUILT_IN[label]]
        values = (
            self._resource[key] for key in sorted(self._resource) if labels.sanitise(key) == label
        )
        return next(filter(None, values), "")


class Origins:
    """The origins of the rows of one batch, each made once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Origin] = {}

    def of(self, row: Sequence[Any]) -> Origin:
        """The origin of a row of COLUMNS."""
        _, _, service, host, severity, resource, *_ = row
        key = (service, host, severity, *resource.items())
        origin = self._found.get(key)
        if origin is None:
            origin = self._found[key] = Origin(service, host, severity, resource)
        return origin


def metadata(row: Sequence[Any]) -> dict[str, str]:
    """The structured metadata of a row of COLUMNS."""
    return labels.metadata(row[4], row[6], row[7], row[8])
