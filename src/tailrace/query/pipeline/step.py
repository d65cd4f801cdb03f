"""What every stage becomes, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tailrace.core.errors import QueryError
from tailrace.query.pipeline.labels import LabelSet

# (line, labels, time_ns) -> the line for the next stage, None where the row is filtered out.
Step: TypeAlias = Callable[[str, LabelSet, int], str | None]
# What a filter of lines asks.
LineTest: TypeAlias = Callable[[str], bool]

JSON_ERROR = "JSONParserErr"
LOGFMT_ERROR = "LogfmtParserErr"
FILTER_ERROR = "LabelFilterErr"
TEMPLATE_ERROR = "TemplateFormatErr"
SAMPLE_ERROR = "SampleExtractionErr"


def refuse(message: str, position: int) -> QueryError:
    """The error of a stage that starts at `position`."""
    return QueryError(f"{message}, in the stage at character {position + 1}", position)
