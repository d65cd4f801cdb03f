"""The text formats: what each line means, what is refused, and that nothing else is raised."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.metrics import Metrics
from tailrace.wire import exposition, samples
from tailrace.wire.samples import Sample

NOW = 1_800_000_000_000_000_000


def parse(text: str | bytes, openmetrics: bool = False, **labels: str) -> list[Sample]:
    data = text.encode() if isinstance(text, str) else text
    return list(exposition.parse(data, NOW, openmetrics, labels))


TEXT = r"""
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE\""} 1.4e9
metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf 395066363000
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket { le = "+Inf" } 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320
# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.99"} NaN
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"""


def test_the_text_format() -> None:
    found = parse(TEXT)
    assert [s.name for s in found if s.kind == "counter"] == [
        "http_requests_total",
        "http_requests_total",
        "http_request_duration_seconds_bucket",
        "http_request_duration_seconds_bucket",
        "http_request_duration_seconds_sum",
        "http_request_duration_seconds_count",
        "rpc_duration_seconds_sum",
        "rpc_duration_seconds_count",
    ]
    assert found[0].attributes == {"method": "post", "code": "200"}
    assert found[0].time == 1_395_066_363_000_000_000
    assert found[2].attributes == {
        "path": "C:\\DIR\\FILE.TXT",
        "error": 'Cannot find file:\n"FILE"',
    }
    assert (found[3].value, found[3].time) == (12.47, NOW)
    assert found[4].value == math.inf
    assert found[6].attributes == {"le": "+Inf"}
    assert found[9].attributes == {"quantile": "0.99"}
    samples.check(samples.encode(found))


OPENMETRICS = """\
# TYPE acme_http_router_request_seconds histogram
# UNIT acme_http_router_request_seconds seconds
# HELP acme_http_router_request_seconds Latency.
acme_http_router_request_seconds_bucket{le="1.0"} 3 # {trace_id="a # b"} 0.5 1520879607.789
acme_http_router_request_seconds_sum 9036.32
acme_http_router_request_seconds_count 807283.0
acme_http_router_request_seconds_created 1605281325.0
# TYPE jobs counter
jobs_total 17 1520879607.789
jobs_created 1605281325.0
# TYPE build info
build_info{version="1"} 1
# EOF
"""


def test_openmetrics() -> None:
    found = parse(OPENMETRICS, openmetrics=True)
    assert [(s.name.rpartition("_")[2], s.kind, s.unit) for s in found] == [
        ("bucket", "counter", ""),
        ("sum", "counter", "s"),
        ("count", "counter", ""),
        ("created", "gauge", "s"),
        ("total", "counter", ""),
        ("created", "gauge", ""),
        ("info", "gauge", ""),
    ]
    assert (found[0].value, found[0].attributes) == (3, {"le": "1.0"})
    assert found[4].time == 1_520_879_607_789_000_000


def test_openmetrics_that_does_not_end_is_refused() -> None:
    with pytest.raises(InputError, match="EOF"):
        parse("a 1\n", openmetrics=True)
    with pytest.raises(InputError, match="line 3: text after"):
        parse("a 1\n# EOF\na 2\n", openmetrics=True)


def test_labels_of_the_target_win_and_the_others_are_kept() -> None:
    (found,) = parse('a{job="x",exported_job="y",empty=""} 1', job="node", instance="h:1")
    assert found.attributes == {
        "job": "node",
        "instance": "h:1",
        "exported_job": "y",
        "exported_exported_job": "x",
    }


def test_our_own_metrics_are_read() -> None:
    metrics = Metrics()
    metrics.add("tailrace_ingest_rows_total", 7, "lines")
    metrics.set("tailrace_queue_bytes", 2**53)
    rows, size = parse(metrics.render())
    assert (size.name, size.kind, size.value) == ("tailrace_queue_bytes", "gauge", 2**53)
    assert (rows.kind, rows.attributes) == ("counter", {"kind": "lines"})


MANY = ",".join(f'l{n}="x"' for n in range(limits.LABELS_PER_SERIES + 1))
HOSTILE = {
    "no name": "1 2",
    "a page": "<html><body>404</body></html>",
    "JSON": '{"a": 1}',
    "no value": "a",
    "no value after labels": 'a{b="c"}',
    "a value that is a word": "a one",
    "an underscore in a number": "a 1_000",
    "digits of another script": "a \u0661",
    "two times": "a 1 2 3",
    "a time that is a word": "a 1 soon",
    "a time before time": "a 1 -5",
    "a time after time": "a 1 99999999999999999999",
    "labels that do not end": 'a{b="c" 1',
    "a value without quotes": "a{b=c} 1",
    "a label without a name": 'a{="c"} 1',
    "a comma and no more": "a{,} 1",
    "a backslash at the end": 'a{b="c\\',
    "a label twice": 'a{b="c",b="d"} 1',
    "too many labels": f"a{{{MANY}}} 1",
    "a long label": f'a{{b="{"x" * (limits.LABEL_VALUE_BYTES + 1)}"}} 1',
    "a long label of few characters": f'a{{b="{chr(0x1F600) * 1025}"}} 1',
    "a long name of a label": f'a{{{"b" * 256}="c"}} 1',
    "a long name": f"{'a' * 256} 1",
    "an exemplar where there are none": "a 1 # {} 1",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_refused_names_its_line_and_repeats_nothing_of_it(text: str) -> None:
    with pytest.raises(InputError, match=r"^line 2: ") as caught:
        parse(f"fine 1\n{text}\n")
    assert len(str(caught.value)) < 100


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        parse(b'a{b="\xff"} 1')
    assert caught.value.reason == "utf8"


def test_samples_beyond_the_limit_are_refused() -> None:
    with pytest.raises(InputError, match="more than 3 samples"):
        list(exposition.parse(b"a 1\n" * 4, NOW, limit=3))


@pytest.mark.parametrize(
    "text", ['a{b="' + "\\n" * 200_000, "a{" + "b" * 400_000, "a" + " " * 400_000 + "{"]
)
def test_a_long_line_takes_no_longer_than_its_length(text: str) -> None:
    start_s = time.monotonic()
    with pytest.raises(InputError):
        parse(text)
    assert time.monotonic() - start_s < 1.0


names = st.from_regex(r"\A[a-zA-Z_:][a-zA-Z0-9_:]{0,20}\Z")
keys = st.from_regex(r"\A[a-zA-Z_][a-zA-Z0-9_]{0,10}\Z")
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
series = st.builds(
    Sample,
    time=st.integers(1, 2**62 // 10**6).map(lambda ms: ms * 10**6),
    name=names,
    value=st.floats(allow_nan=False),
    attributes=st.dictionaries(keys, texts, max_size=5),
)


def render(sample: Sample) -> str:
    escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
    pairs = [f'{k}="{v.translate(escapes)}"' for k, v in sample.attributes.items()]
    return f"{sample.name}{{{','.join(pairs)}}} {sample.value!r} {sample.time // 10**6}\n"


@settings(max_examples=examples(40))
@given(st.lists(series, max_size=3))
def test_what_is_written_is_read(written: list[Sample]) -> None:
    found = parse("".join(map(render, written)))
    assert found == written
    samples.check(samples.encode(found))


pieces = st.sampled_from(
    ["a", "{", "}", '"', "\\", "=", ",", " ", "\n", "#", "# TYPE a counter\n", "# EOF", "1", "\t",
     "NaN", "-", "e5", "\0", "\u2028", "\r"]
)  # fmt: skip


@given(
    st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=30).map("".join)), st.booleans()
)
@example(b"#", True)
@example("a 1 1e400", True)
@example("a 1 nan", True)
def test_nothing_but_input_errors_is_raised(text: bytes | str, openmetrics: bool) -> None:
    try:
        found = parse(text, openmetrics)
    except InputError:
        return
    samples.check(samples.encode(found))
