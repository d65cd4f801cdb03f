"""Labels and columns: what a name means in SQL, and what a row's labels are.

service_name            ServiceName
host_name, host         HostName
level, detected_level   a word for SeverityNumber
trace_id, span_id       TraceId, SpanId
anything else           the resource attributes whose sanitised key is the label
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from tailrace.core import limits
from tailrace.query.binder import Binder

Labels = tuple[tuple[str, str], ...]

BUILT_IN = {
    "service_name": "ServiceName",
    "host_name": "HostName",
    "host": "HostName",
    "trace_id": "TraceId",
    "span_id": "SpanId",
}
LEVEL_NAMES = frozenset({"level", "detected_level"})
_LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")
LEVEL_SQL = (
    "multiIf(SeverityNumber = 0, 'unknown', SeverityNumber <= 4, 'trace', "
    "SeverityNumber <= 8, 'debug', SeverityNumber <= 12, 'info', SeverityNumber <= 16, 'warn', "
    "SeverityNumber <= 20, 'error', SeverityNumber <= 24, 'fatal', 'unknown')"
)
_UNSAFE = re.compile(r"[^a-zA-Z0-9_]")


class Names(dict[str, str]):
    """Attribute keys as label names: `k8s.pod-name` is `k8s_pod_name`. Keys are whatever somebody
    sent, so that some of them are kept."""

    def __missing__(self, key: str) -> str:
        name = _UNSAFE.sub("_", key)
        name = f"_{name}" if not name or name[0].isdigit() else name
        if len(key) <= limits.LABEL_KEPT_CHARS:
            if len(self) >= limits.LABELS_KEPT:
                self.clear()
            self[key] = name
        return name


sanitise: Callable[[str], str] = Names().__getitem__


def level(severity_number: int) -> str:
    """The word for an OpenTelemetry severity number."""
    return _LEVELS[(severity_number - 1) // 4] if 1 <= severity_number <= 24 else "unknown"


def is_built_in(label: str) -> bool:
    """True when the label needs no catalogue of attribute keys."""
    return label in BUILT_IN or label in LEVEL_NAMES


def expression(label: str, keys: Iterable[str], bind: Binder) -> str:
    """SQL for the value of `label`; `keys` are the tenant's raw resource attribute keys."""
    if label in BUILT_IN:
        return BUILT_IN[label]
    if label in LEVEL_NAMES:
        return LEVEL_SQL
    return first_of(resource_values(label, keys, bind))


def resource_values(label: str, keys: Iterable[str], bind: Binder) -> list[str]:
    """SQL of the resource attributes that are written `label`, those that count first."""
    found = (key for key in sorted(keys) if sanitise(key) == label)
    return [f"ResourceAttributes[{bind.text(key)}]" for key in found]


def first_of(values: Sequence[str]) -> str:
    """SQL for the first of these that is not ''."""
    found = values[-1] if values else "''"
    for value in reversed(values[:-1]):
        found = f"if({value} != '', {value}, {found})"
    return found


def stream(service: str, host: str, severity: int, resource: Mapping[str, str]) -> dict[str, str]:
    """The labels of the stream a row belongs to. Empty values are absent."""
    labels = {"service_name": service, "host_name": host, "level": level(severity)}
    for key in sorted(resource):
        labels.setdefault(sanitise(key), resource[key])
    return {name: value for name, value in sorted(labels.items()) if value}


def metadata(severity: int, trace: str, span: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """A row's structured metadata: detected level, trace, and its own attributes."""
    found = {"detected_level": level(severity), "trace_id": trace, "span_id": span}
    for key in sorted(attributes):
        found.setdefault(sanitise(key), attributes[key])
    return {name: value for name, value in found.items() if value}


def merged(labels: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Both together; an extra that a stream label shadows gets the suffix `_extracted`."""
    out = dict(labels)
    for name, value in extra.items():
        out[f"{name}_extracted" if name in labels else name] = value
    return dict(sorted(out.items()))
