"""Laws of the split, over both engines and both codecs."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.agent.inputs import Files, Keep, OtlpInput
from tailrace.agent.sampling import scanner
from tailrace.agent.sampling.keeping import rows_of
from tailrace.agent.sampling.sampler import Sampler, Split, sampler_of
from tailrace.core import limits, plain
from tailrace.core.errors import ConfigError
from tailrace.core.frame import CANONICAL, Codec, Hints
from tailrace.core.units import Seconds

FOREIGN = Hints(foreign=True, severity="level", time_unit="auto")
NOTHING = Keep(severity=None, errors=False)
HAS = [False] + [True] * scanner.has_hyperscan()
ENGINES = pytest.mark.parametrize("hyperscan", HAS)


@contextmanager
def engine(hyperscan: bool) -> Iterator[None]:
    with mock.patch.object(scanner, "has_hyperscan", lambda: hyperscan):
        yield


def made(**keys: Any) -> Sampler:
    found = sampler_of(Files(**keys))
    assert found is not None
    return found


def split(
    sampler: Sampler,
    rows: list[bytes],
    codec: Codec = Codec.LINES,
    hints: Hints = CANONICAL,
    salt: int = 1,
) -> Split:
    data = b"".join(row + b"\n" for row in rows)
    return sampler.split(data, len(rows), codec, hints, salt)


def lines(data: bytes | bytearray) -> list[bytes]:
    return bytes(data).split(b"\n")[:-1]


def kept_of(rows: list[str], codec: Codec = Codec.LINES, hints: Hints = CANONICAL, **keep: Any):  # type: ignore[no-untyped-def]
    keys = {"severity": None, "errors": False, **keep}
    found = split(made(sample=0, keep=Keep(**keys)), [r.encode() for r in rows], codec, hints)
    return [row.decode() for row in lines(found.kept)]


def is_within(part: list[bytes], whole: list[bytes]) -> bool:
    """Whether `part` is `whole` with rows left out."""
    rows = iter(whole)
    return all(row in rows for row in part)


_WORDS = [
    "INFO", "ERROR", "error", "errors", "critical", "x.error", "panic", "DEBUG", "EMERG.",
    "took 700ms", "12 ms", "duration_ms=900", "1m2.5s", "0.5s", 'GET / HTTP/1.1" 503 12', '" 200 1',
    "status=500", 'status_code": 404', "trace=" + "a" * 32, "trace_id: " + "f" * 32, "ärger",
    'traceid="' + "0" * 32 + '"', "trace=" + "0" * 18 + "f3" + "0" * 12, "drop me", "keep it",
    "\x1e", "\\", '"', "/health",
]  # fmt: skip
line_rows = st.lists(st.sampled_from(_WORDS), max_size=6).map(
    lambda words: " ".join(words).encode()
)


def _record(words: list[str]) -> bytes:
    record: dict[str, Any] = {"body": " ".join(words), "attributes": {}}
    for word in words:
        if word.isupper():
            record["severity"] = record["level"] = word
        if word.startswith("trace"):
            record["trace_id"] = word[-33:].strip(' ="')
        name, _, value = word.partition("=")
        if value.isdigit():
            record[name] = record["attributes"][name] = int(value)
    return json.dumps(record).encode()


json_rows = st.lists(st.sampled_from(_WORDS), max_size=6).map(_record)
_codecs = [(Codec.LINES, CANONICAL), (Codec.RECORDS, CANONICAL), (Codec.RECORDS, FOREIGN)]
_settings: dict[str, Any] = {
    "drop": ["drop me", "^/health"],
    "keep": Keep(patterns=["keep.*it"], slow=Seconds("500ms")),
}


@pytest.mark.parametrize(("codec", "hints"), _codecs, ids=["lines", "records", "foreign"])
@settings(max_examples=examples(40), deadline=None)
@given(st.data(), st.sampled_from([0, 0.05, 0.5, 1.0]), st.integers(0, 2**64 - 1))
def test_the_laws_of_a_split(
    codec: Codec, hints: Hints, data: st.DataObject, sample: float, salt: int
) -> None:
    rows = data.draw(st.lists(line_rows if codec is Codec.LINES else json_rows, max_size=30))
    answers = []
    for hyperscan in HAS:
        with engine(hyperscan):
            sampler = made(sample=sample, **_settings)
            found = split(sampler, rows, codec, hints, salt)
            assert found == split(sampler, rows, codec, hints, salt)
        answers.append(found)
    assert all(answer == answers[0] for answer in answers), "the engines disagree"
    kept, sampled, rest = lines(found.kept), lines(found.sampled), lines(found.rest)
    assert (len(kept), len(sampled), len(rest)) == (
        found.kept_rows,
        found.sampled_rows,
        found.rest_rows,
    )
    assert found.rest_rows + found.dropped_rows == len(rows)
    assert found.out_rows >= 0
    assert is_within(kept, rest)
    assert is_within(sampled, rest)
    assert rest == [row for row in rows if b"drop me" not in row and row[:7] != b"/health"]
    if sample < 1:
        reader = rows_of(codec, hints, _settings["keep"])
        assert kept == [row for row in rest if b"keep it" in row or reader.keeps(row)]
        assert not set(kept) & set(sampled)
    else:
        assert kept == rest
    if sample == 0:
        assert not sampled


def test_a_share_of_the_rows_is_taken_without_bias() -> None:
    """Rows of traces, and rows that all say the same: within four deviations."""
    rows = 200_000
    draw = random.Random(5)
    traced = [b"INFO trace=%032x done" % draw.getrandbits(128) for _ in range(rows)]
    alike = [b"INFO the same again"] * rows
    for weight, these in ((2, alike), (20, alike), (20, traced), (1000, alike)):
        found = split(made(sample=1 / weight, keep=NOTHING), these, salt=draw.getrandbits(64))
        deviation = (rows * (1 - 1 / weight) / weight) ** 0.5
        assert abs(found.sampled_rows - rows / weight) < 4 * deviation, weight


def test_pieces_of_a_few_rows_are_sampled_without_bias() -> None:
    sampler = made(sample=0.1)
    draw = random.Random(7)
    rows = [b"INFO the same again"] * 3
    found = sum(split(sampler, rows, salt=draw.getrandbits(64)).sampled_rows for _ in range(5_000))
    assert abs(found - 1_500) < 4 * 1_350**0.5


@pytest.mark.parametrize("salt", [0, 1, 2**64 - 1])
def test_what_a_lower_rate_takes_a_higher_one_takes_too(salt: int) -> None:
    draw = random.Random(salt)
    rows = [
        (b"%d " % n) + (b"trace=%032x" % draw.getrandbits(128) if n % 2 else b"none")
        for n in range(20_000)
    ]
    taken = [
        set(lines(split(made(sample=sample, keep=NOTHING), rows, salt=salt).sampled))
        for sample in (0.01, 0.05, 0.1, 0.5)
    ]
    for lower, higher in pairwise(taken):
        assert lower
        assert lower < higher


def test_a_trace_is_taken_whole_in_every_file_and_codec() -> None:
    draw = random.Random(11)
    ids = [f"{draw.getrandbits(128):032x}" for _ in range(400)]
    texts = [
        [f'{word}{i}"'.encode() for i in ids] for word in ("trace=", 'traceId="', 'trace_id: "')
    ]
    records = [json.dumps({"body": "x", "trace_id": i}).encode() for i in ids]
    upper = [json.dumps({"level": "INFO", "trace_id": i.upper()}).encode() for i in ids]
    sampler = made(sample=0.1)
    expected = {i for i in ids if int(i[-14:], 16) >= int(sampler.threshold.ljust(14, "0"), 16)}
    for salt in (1, 2):
        taken = [
            *(split(sampler, rows, salt=salt) for rows in (texts[0], texts[2])),
            split(sampler, records, Codec.RECORDS, salt=salt),
            split(sampler, upper, Codec.RECORDS, FOREIGN, salt=salt),
        ]
        for found in taken:
            assert {
                row.lower().decode().strip('"}')[-32:] for row in lines(found.sampled)
            } == expected


def test_the_first_trace_id_of_a_line_decides() -> None:
    low, high = b"trace=" + b"0" * 31 + b"1", b"trace=" + b"f" * 32
    found = split(made(sample=0.05), [low + b" " + high, high + b" " + low] * 50)
    assert lines(found.sampled) == [high + b" " + low] * 50


def test_a_trace_id_of_zeros_is_none() -> None:
    none = b"trace=" + b"0" * 32
    found = split(made(sample=0.5), [none] * 1000)
    assert 400 < found.sampled_rows < 600
    record = json.dumps({"trace_id": "0" * 32}).encode()
    found = split(made(sample=0.5), [record] * 1000, Codec.RECORDS)
    assert 400 < found.sampled_rows < 600


@ENGINES
@pytest.mark.parametrize("codec", [Codec.LINES, Codec.RECORDS])
def test_hostile_rows_are_split_and_none_is_lost(hyperscan: bool, codec: Codec) -> None:
    rows = [
        b"",
        b"\xff\xfe ERROR",
        b"{",
        b"[" * 100_000,
        b"x" * limits.LINE_BYTES,
        b"ERROR " + b"a" * (limits.LINE_BYTES - 6),
        b"9" * limits.LINE_BYTES,
        b"trace=" * 40_000,
        b'{"severity":"ERROR","attributes":[]}',
        b'{"severity":{"a":1},"trace_id":7,"attributes":{"status":"' + b"5" * 5000 + b'"}}',
        b"keep" + b" " * limits.LINE_BYTES,
    ]
    with engine(hyperscan):
        sampler = made(sample=0, drop=[r"\s+$"], keep=Keep(patterns=["keep"], slow=Seconds("1s")))
        found = split(sampler, rows, codec)
        unended = sampler.split(b"\n".join(rows), len(rows), codec, CANONICAL, 1)
    assert found.rest_rows + found.dropped_rows == len(rows)
    assert lines(found.rest) == rows[:-1], "only what ends in blanks is dropped"
    assert lines(unended.kept) == lines(found.kept)
    said = [n for n, row in enumerate(rows) if row in lines(found.kept)]
    assert said == ([1, 5, 8] if codec is Codec.LINES else [])


def test_an_empty_piece_and_one_without_a_last_newline() -> None:
    sampler = made(sample=0.5)
    empty = sampler.split(b"", 0, Codec.LINES, CANONICAL, 1)
    assert (empty.kept, empty.sampled, empty.rest, empty.rest_rows) == (b"", b"", b"", 0)
    data = b"INFO a\nERROR b"
    found = sampler.split(data, 2, Codec.LINES, CANONICAL, 1)
    assert found.kept == b"ERROR b\n"
    assert found.rest is data


def test_the_readers_buffer_is_given_back_when_nothing_was_dropped() -> None:
    data = bytearray(b"INFO a\nINFO b\n")
    for keys in ({"sample": 0.5}, {"drop": ["never"]}):
        assert made(**keys).split(data, 2, Codec.LINES, CANONICAL, 1).rest is data


def test_a_piece_is_whole_when_all_of_it_is_kept() -> None:
    assert split(made(drop=["b"]), [b"a", b"b"]).whole
    assert split(made(sample=0.05), [b"ERROR a", b"ERROR b"]).whole
    assert not split(made(sample=0, keep=NOTHING), [b"a"]).whole


def test_a_row_beyond_the_step_of_a_split_is_found_in_its_place() -> None:
    rows = [b"INFO %06d %b" % (n, b"x" * (n % 300)) for n in range(5_000)]
    rows[4_321] = b"ERROR late"
    rows[1_234] = b"drop me"
    found = split(made(sample=0, drop=["^drop me$"]), rows)
    assert lines(found.kept) == [b"ERROR late"]
    assert lines(found.rest) == rows[:1_234] + rows[1_235:]


LEVEL_ROWS = [
    "2026-01-01T00:00:00Z ERROR cart failed",
    "2026-01-01T00:00:00Z INFO an error was seen",
    "level=error msg=x",
    '{"level": "warning", "error": null}',
    "[crit] disk",
    "Err: no",
    "error.log was rotated",
    "x" * 200 + " ERROR too late",
    "kernel panic.",
    "WARNING low",
    "notice: hi",
    "DEBUG",
]


@ENGINES
def test_the_first_level_word_in_the_head_of_a_line_is_its_severity(hyperscan: bool) -> None:
    with engine(hyperscan):
        at_error = kept_of(LEVEL_ROWS, severity="error")
        at_warn = kept_of(LEVEL_ROWS, severity="warn")
        at_trace = kept_of(LEVEL_ROWS, severity="trace")
    errors = [LEVEL_ROWS[n] for n in (0, 2, 4, 5, 8)]
    assert at_error == errors
    assert at_warn == [LEVEL_ROWS[n] for n in (0, 2, 3, 4, 5, 8, 9)]
    assert at_trace == [LEVEL_ROWS[n] for n in (0, 1, 2, 3, 4, 5, 8, 9, 10, 11)]


def test_records_are_kept_by_their_severity() -> None:
    rows = [f'{{"severity":"{word}"}}' for word in ("ERROR", "err", "Fatal", "WARN", "", "errors")]
    assert kept_of(rows, Codec.RECORDS, severity="error") == rows[:3]
    rows = ['{"level" : "emerg"}', '{"severity":"ERROR"}', '{"level":3}', '{"a":{"level":"ERROR"}}']
    assert kept_of(rows, Codec.RECORDS, FOREIGN, severity="error") == rows[:1]


@ENGINES
def test_slow_lines_are_those_that_state_a_duration_at_or_above(hyperscan: bool) -> None:
    slow = [
        "took 1.5s", "done in 500ms", "500 ms", "duration_ms=500", '"duration_ms": 1200.5,',
        "duration: 512.3 ms", "(0.5s)", "900000us", "600000000 ns", "750000µs", "1m30s", "2h0m1.2s",
        "2 seconds", "elapsed_s=3", "12ms then 800ms",
    ]  # fmt: skip
    quick = [
        "499ms", "499.999 ms", "0.49s", "duration_ms=499", "12 items", "500", "items=900", "x500ms",
        "500msx", "5s5", "v1.500ms", "s", "duration_ms=", "4.9e9",
    ]  # fmt: skip
    with engine(hyperscan):
        assert kept_of(slow + quick, slow=Seconds("500ms")) == slow
        assert kept_of(["1h2m3s", "59m59s", "3600s"], slow=Seconds("1h")) == ["1h2m3s", "3600s"]


@ENGINES
def test_slow_records_say_so_in_their_attributes(hyperscan: bool) -> None:
    slow = [
        '"duration_ms":500',
        '"duration_ms":"612.5"',
        '"duration":0.5',
        '"duration":"700ms"',
        '"duration_ms":1e3',
    ]
    quick = [
        '"duration_ms":499',
        '"duration":0.4',
        '"duration":"12ms"',
        '"duration_ms":null',
        '"x":900',
    ]
    with engine(hyperscan):
        canonical = [f'{{"attributes":{{{pair}}}}}' for pair in slow + quick]
        assert kept_of(canonical, Codec.RECORDS, slow=Seconds("500ms")) == canonical[: len(slow)]
        foreign = [f"{{{pair}}}" for pair in slow + quick]
        assert (
            kept_of(foreign, Codec.RECORDS, FOREIGN, slow=Seconds("500ms")) == foreign[: len(slow)]
        )


@ENGINES
def test_errors_are_statuses_from_500_on(hyperscan: bool) -> None:
    errors = [
        '1.2.3.4 - - [x] "GET / HTTP/1.1" 503 12', "status=500", "http_status: 502",
        '"status_code":"504"', "statusCode=599", 'x "POST /" 500',
    ]  # fmt: skip
    others = ['"GET /" 200 503', "status=404", "status=5000", "code 500", "exit 500", '" 50 ']
    with engine(hyperscan):
        assert kept_of(errors + others, errors=True) == errors
        keys = [
            "http.response.status_code",
            "http.status_code",
            "http.status",
            "status",
            "status_code",
        ]
        records = [f'{{"attributes":{{"{key}":503}}}}' for key in keys]
        fine = [
            '{"attributes":{"status":499}}',
            '{"attributes":{"status":"5xx"}}',
            '{"status":503}',
        ]
        assert kept_of(records + fine[:2], Codec.RECORDS, errors=True) == records
        foreign = [f'{{"{key}":"500"}}' for key in keys]
        assert kept_of(foreign + fine[:2], Codec.RECORDS, FOREIGN, errors=True) == foreign


_level_text = st.lists(
    st.sampled_from(
        ["ERROR", "Info", "warn", "ing", ".", " ", "-", "é", "\x1e", "crit", "x", "panic."]
    )
).map(lambda parts: "".join(parts).encode())


@given(_level_text)
def test_the_level_word_is_the_one_that_the_store_finds(line: bytes) -> None:
    store = re.search(plain.LEVEL_WORD.encode(), line)
    sampler = re.search(plain.LOWER_LEVEL_WORD.encode(), line.lower())
    assert (store and store[1].lower()) == (sampler and sampler[1])


@pytest.mark.parametrize("keys", [{"sample": 0.5}, {"drop": ["x"]}])
def test_otlp_is_neither_sampled_nor_dropped_from(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="relayed"):
        sampler_of(OtlpInput(**keys), "agent.inputs[1].")
    assert sampler_of(OtlpInput()) is None


def test_nothing_is_to_be_done_without_a_drop_and_a_rate() -> None:
    assert sampler_of(Files(keep=Keep(patterns=["x"]))) is None


def test_a_rate_of_zero_takes_only_what_is_kept() -> None:
    sampler = made(sample=0)
    assert (sampler.weight, sampler.threshold) == (1, "")
    assert made(sample=0.05).threshold == "f3333"


@pytest.mark.parametrize("sample", [0.3333333, 1 / 3, 0.05, 0.142857142, 0.001, 1e-6, 1 / 7])
def test_a_rate_that_is_one_in_a_whole_number_is_taken(sample: float) -> None:
    assert made(sample=sample).weight == round(1 / sample)


def test_a_rate_that_is_not_is_refused_with_the_nearest_that_are() -> None:
    with pytest.raises(
        ConfigError, match=r"inputs\[2\]\.sample.*0\.25 \(1/4\).*0\.3333333 \(1/3\)"
    ):
        sampler_of(Files(sample=0.3), "agent.inputs[2].")
    with pytest.raises(ConfigError, match=r"0\.5 \(1/2\) and 1 \(1/1\)"):
        sampler_of(Files(sample=0.9))


@pytest.mark.parametrize("sample", [-0.1, 1.1, 20, 1e-7, float("nan"), float("inf")])
def test_a_rate_beyond_the_bounds_is_refused(sample: float) -> None:
    with pytest.raises(ConfigError, match="sample: must be"):
        sampler_of(Files(sample=sample))


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"drop": ["("]}, "drop"),
        ({"keep": Keep(patterns=["(?=x)y"]), "sample": 0.5}, "keep.patterns"),
    ],
)
def test_a_bad_pattern_is_refused_by_its_key(keys: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}: "):
        sampler_of(Files(**keys))
    with pytest.raises(ConfigError, match=r"^agent.inputs\[0\]\."):
        sampler_of(Files(**keys), "agent.inputs[0].")


def test_a_bad_pattern_is_refused_where_nothing_is_sampled_too() -> None:
    with pytest.raises(ConfigError, match=r"keep\.patterns"):
        sampler_of(Files(keep=Keep(patterns=["("])))


def test_a_pattern_that_takes_re_forever_needs_hyperscan() -> None:
    with engine(False), pytest.raises(ConfigError, match=r"tailrace\[patterns"):
        sampler_of(Files(drop=["(a+)+b"]))
    if True in HAS:
        found = split(made(drop=["(a+)+b"]), [b"a" * 5_000, b"aab"])
        assert found.dropped_rows == 1


@ENGINES
def test_severities_of_foreign_records_are_found_by_their_common_names(hyperscan: bool) -> None:
    plain = Hints(foreign=True, time_unit="auto")
    keys = ["level", "log.level", "severity", "levelname"]
    bad = [f'{{"msg":"x","{key}":"ERROR"}}' for key in keys]
    fine = ['{"msg":"x","level":"info"}', '{"msg":"error"}', '{"log.level":"info","level":"error"}']
    with engine(hyperscan):
        assert kept_of(bad + fine, Codec.RECORDS, plain, severity="error") == bad


@ENGINES
def test_what_is_behind_the_bytes_that_are_searched_keeps_no_row(hyperscan: bool) -> None:
    near = "x " * (limits.PATTERN_BYTES // 2 - 10) + " panic"
    far = "x " * (limits.PATTERN_BYTES // 2 + 10) + " panic"
    with engine(hyperscan):
        assert kept_of([near, far], patterns=["panic"]) == [near]
