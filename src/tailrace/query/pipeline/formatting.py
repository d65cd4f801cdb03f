"""The stages line_format and label_format."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.logql.ast import LabelFormat, LineFormat
from tailrace.query.pipeline.labels import RESERVED, LabelSet
from tailrace.query.pipeline.step import TEMPLATE_ERROR, Step, refuse
from tailrace.query.pipeline.template.template import Template
from tailrace.query.pipeline.template.values import TemplateError


def line_format_step(stage: LineFormat, now_ns: Callable[[], int]) -> Step:
    """`| line_format "..."`. Raises QueryError."""
    template = Template(stage.template, stage.position, now_ns)

    def step(line: str, labels: LabelSet, time_ns: int) -> str:
        try:
            return template.text(line, labels, time_ns)
        except TemplateError as error:
            labels.fail(TEMPLATE_ERROR, str(error))
            return line

    return step


def label_format_step(stage: LabelFormat, now_ns: Callable[[], int]) -> Step:
    """`| label_format a=b, c="..."`: templates see the labels as they were before the stage.

    Raises QueryError.
    """
    names = [one.label for one in stage.assignments]
    for name in names:
        if name in RESERVED:
            raise refuse(f"{name} cannot be set", stage.position)
        if names.count(name) > 1:
            raise refuse(f"{name} is set twice; write two label_format", stage.position)
    templates = [
        (one.label, Template(one.source, stage.position, now_ns))
        for one in stage.assignments
        if one.is_template
    ]
    renames = [(one.label, one.source) for one in stage.assignments if not one.is_template]

    def step(line: str, labels: LabelSet, time_ns: int) -> str:
        made: dict[str, str] = {}
        for name, template in templates:
            try:
                made[name] = template.text(line, labels, time_ns)
            except TemplateError as error:
                labels.fail(TEMPLATE_ERROR, str(error))
        for name, source in renames:
            labels.rename(source, name)
        for name, value in made.items():
            labels.set(name, value)
        return line

    return step
