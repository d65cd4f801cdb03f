"""What a client gives back: rows to walk through, and data frames of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tailrace.client import frames, html
from tailrace.client.times import SECOND_NS, moment
from tailrace.core.errors import StoreError
from tailrace.core.line import Line
from tailrace.core.visible import visible

Row = dict[str, Any]


class Result:
    """Rows. `len` counts them, iteration gives each as a dict, times as UTC datetimes.

    `arrow`, `polars` and `pandas` give all of them as a table, with times to the nanosecond; they
    need the extra `tailrace[frames]` and raise StoreError without it.
    """

    @property
    def columns(self) -> list[str]:
        """Their names, in order."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def arrow(self) -> Any:
        """A pyarrow.Table."""
        raise NotImplementedError

    def polars(self) -> Any:
        """A polars.DataFrame."""
        return frames.polars(self.arrow())

    def pandas(self) -> Any:
        """A pandas.DataFrame."""
        return frames.pandas(self.arrow())

    def __repr__(self) -> str:
        names = ", ".join(map(visible, self.columns[:20]))
        return f"<{type(self).__name__}: {len(self)} rows of {names}>"

    def _dicts(self) -> Iterator[Row]:
        return iter(self)

    def _repr_html_(self) -> str:
        return html.table(self.columns, self._dicts(), len(self))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What Jupyter shows."""
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class Lines(Result):
    """Log lines in the order they were asked for; iteration gives each as a Line.

    As a table: `time`, `line`, and a column for each label, null where a line has it not.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = list(lines)
        self._labels = sorted({name for line in self.lines for name in line.labels})

    @property
    def columns(self) -> list[str]:
        return ["time", "line", *(_label(name) for name in self._labels)]

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def _dicts(self) -> Iterator[Row]:
        for line in self.lines:
            labels = {_label(name): value for name, value in line.labels.items()}
            yield {"time": moment(line.time_ns), "line": line.body, **labels}

    def arrow(self) -> Any:
        pa = frames.library("pyarrow")
        times = pa.array([line.time_ns for line in self.lines], pa.int64())
        columns = [times.cast(pa.timestamp("ns", "UTC"))]
        columns.append(pa.array([line.body for line in self.lines], pa.string()))
        columns += [
            pa.array([line.labels.get(name) for line in self.lines], pa.string())
            for name in self._labels
        ]
        return pa.table(columns, names=self.columns)


class Samples(Result):
    """Values of series; `series` has them as the server gave them.

    As rows and as a table: `time`, `value`, and a column for each label, among them `__name__`.
    """

    def __init__(self, series: Sequence[Mapping[str, Any]]) -> None:
        self.series = [dict(one) for one in series]
        self._labels = sorted({name for one in self.series for name in one["metric"]})

    @property
    def columns(self) -> list[str]:
        return ["time", "value", *(_label(name) for name in self._labels)]

    def __len__(self) -> int:
        return sum(len(one["values"]) for one in self.series)

    def __iter__(self) -> Iterator[Row]:
        for one in self.series:
            labels = {_label(name): one["metric"].get(name) for name in self._labels}
            for seconds, value in one["values"]:
                yield {"time": moment(_ns(seconds)), "value": float(value), **labels}

    def arrow(self) -> Any:
        pa = frames.library("pyarrow")
        points = [(one["metric"], point) for one in self.series for point in one["values"]]
        times = pa.array([_ns(seconds) for _, (seconds, _) in points], pa.int64())
        columns = [times.cast(pa.timestamp("ns", "UTC"))]
        columns.append(pa.array([float(value) for _, (_, value) in points], pa.float64()))
        columns += [
            pa.array([metric.get(name) for metric, _ in points], pa.string())
            for name in self._labels
        ]
        return pa.table(columns, names=self.columns)

    def _repr_html_(self) -> str:
        drawn = [
            (_named(one["metric"]), [(float(at), float(value)) for at, value in one["values"]])
            for one in self.series
        ]
        return html.chart(drawn) + super()._repr_html_()


class Trace(Result):
    """The spans of one trace, earliest first; `data` is the trace as Jaeger's API gives it.

    As rows and as a table: `time`, `duration_us`, `service`, `name`, `span_id`, `parent_span_id`,
    `status`, and `attributes`.
    """

    _COLUMNS = (
        *("time", "duration_us", "service", "name", "span_id", "parent_span_id", "status"),
        "attributes",
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = dict(data)
        self._spans = sorted(data["spans"], key=lambda span: int(span["startTime"]))

    @property
    def columns(self) -> list[str]:
        return list(self._COLUMNS)

    def __len__(self) -> int:
        return len(self._spans)

    def __iter__(self) -> Iterator[Row]:
        for span in self._spans:
            tags = {tag["key"]: str(tag["value"]) for tag in span["tags"]}
            links = span["references"] or ()
            parents = [one["spanID"] for one in links if one["refType"] == "CHILD_OF"]
            yield {
                "time": moment(int(span["startTime"]) * 1_000),
                "duration_us": int(span["duration"]),
                "service": self.data["processes"][span["processID"]]["serviceName"],
                "name": span["operationName"],
                "span_id": span["spanID"],
                "parent_span_id": parents[0] if parents else "",
                "status": tags.pop("otel.status_code", "").lower(),
                "attributes": tags,
            }

    def arrow(self) -> Any:
        pa = frames.library("pyarrow")
        text = pa.string()
        kinds = {
            "time": pa.timestamp("ns", "UTC"),
            "duration_us": pa.int64(),
            "attributes": pa.map_(text, text),
        }
        rows = [{**row, "attributes": list(row["attributes"].items())} for row in self]
        fields = [(name, kinds.get(name, text)) for name in self._COLUMNS]
        return pa.Table.from_pylist(rows, pa.schema(fields))


class Table(Result):
    """Rows of SQL, with the names and types of the query."""

    def __init__(self, body: bytes, form: str) -> None:
        self._arrow: Any = None
        self._rows: list[Row] | None = None
        if form == "arrow":
            ipc = frames.library("pyarrow.ipc")
            self._arrow = ipc.open_stream(body).read_all()
            return
        try:
            found = msgspec.json.decode(body)
            self._names = [one["name"] for one in found["meta"]]
            self._rows = _typed(found["data"], {one["name"]: one["type"] for one in found["meta"]})
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise StoreError(f"the answer is no table: {error}") from None

    @property
    def columns(self) -> list[str]:
        return list(self._names if self._arrow is None else self._arrow.schema.names)

    def __len__(self) -> int:
        return len(self._rows or ()) if self._arrow is None else int(self._arrow.num_rows)

    def __iter__(self) -> Iterator[Row]:
        if self._rows is None:
            self._rows = frames.python_rows(self._arrow)
        return iter(self._rows)

    def arrow(self) -> Any:
        if self._arrow is None:
            pa = frames.library("pyarrow")
            self._arrow = pa.Table.from_pylist(list(self), None)
        return self._arrow


def _typed(rows: list[Row], types: Mapping[str, str]) -> list[Row]:
    """Times of JSON as datetimes."""
    times = [name for name, kind in types.items() if kind.startswith(("DateTime", "Nullable(Dat"))]
    for row in rows:
        for name in times:
            if isinstance(row.get(name), str):
                row[name] = _time(row[name])
    return rows


def _time(text: str) -> datetime | str:
    """Python reads nanoseconds, and keeps microseconds."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return text


def _label(name: str) -> str:
    """A label's column; two names are taken."""
    return f"label_{name}" if name in ("time", "value", "line") else name


def _ns(seconds: Any) -> int:
    return round(float(seconds) * 1_000) * (SECOND_NS // 1_000)


def _named(labels: Mapping[str, str]) -> str:
    pairs = ", ".join(f'{name}="{value}"' for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{pairs}}}"
