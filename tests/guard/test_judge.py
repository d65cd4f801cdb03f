"""The judge sees what is left, what was changed without need, and what was spoilt."""

from __future__ import annotations

import json

import pytest
from bench import guard
from bench.corpus import corpus
from bench.corpus.cards import of_number
from bench.corpus.folding import folded
from bench.corpus.judge import Batch, Clean, Cleaned, Verdict, batches, judge
from bench.corpus.sample import Form, Fragment, Sample, line, record

from tailrace.core.frame import Codec, Signal
from tailrace.wire import records

DIGITS = "4929" + "3813" + "3266" + "4295"
GROUPS = "4929 3813 3266 4295"


def with_card(text: str = GROUPS, form: Form = "formatted") -> Sample:
    return line(of_number(DIGITS).fragment(form, text).into("card {} declined"), "test")


def cleaned(change: dict[str, str]) -> Clean:
    """A cleaner that replaces texts."""

    def clean(batch: Batch) -> Cleaned:
        data = batch.data.decode()
        for old, new in change.items():
            data = data.replace(old, new)
        return Cleaned(data.encode())

    return clean


def one(sample: Sample, change: dict[str, str]) -> Verdict:
    return judge([sample], cleaned(change))


def test_who_does_nothing_misses_everything_and_raises_no_false_alarm() -> None:
    verdict = judge(corpus.samples(2_000), lambda batch: Cleaned(batch.data))
    assert verdict.rows == 2_000
    assert verdict.changed == verdict.broken == 0
    assert {verdict.recall(kind, gated=False) for kind in corpus.KINDS} == {0.0}
    assert len(verdict.failures()) == len(corpus.KINDS)


def test_who_takes_every_needle_away_misses_nothing() -> None:
    def blank(batch: Batch) -> Cleaned:
        rows = []
        for sample in batch.samples:
            text = sample.data.decode()
            for label in sample.labels:
                for needle in label.needles:
                    text = text.replace(needle, "")
            rows.append(text)
        return Cleaned("\n".join(rows).encode())

    verdict = judge(corpus.samples(4_000), blank)
    assert not verdict.missed
    assert not verdict.changed


def test_a_value_that_was_replaced_is_found() -> None:
    verdict = one(with_card(), {GROUPS: "#pan:k3j9x2m4q8zt7vwa"})
    assert verdict.recall("pan") == 1
    assert verdict.failures() == []


@pytest.mark.parametrize(
    "writing",
    [DIGITS, GROUPS.replace(" ", "-"), GROUPS.replace(" ", "%20"), GROUPS.replace(" ", "\\u00a0"),
     "\\\\u0034" + GROUPS[1:], " ".join(DIGITS), "\u0664" + GROUPS[1:], "&#52;" + GROUPS[1:]],
)  # fmt: skip
def test_a_value_in_another_writing_is_still_there(writing: str) -> None:
    assert one(with_card(), {GROUPS: writing}).recall("pan") == 0


@pytest.mark.parametrize("rest", [GROUPS[:12], GROUPS[7:], DIGITS[2:12]])
def test_ten_digits_of_a_card_that_were_left_are_a_miss(rest: str) -> None:
    assert one(with_card(), {GROUPS: f"[redacted:pan] {rest}"}).recall("pan") == 0


def test_the_first_six_and_last_four_digits_may_stay() -> None:
    masked = f"{DIGITS[:6]}******{DIGITS[-4:]}"
    assert one(with_card(), {GROUPS: masked}).recall("pan") == 1


def test_a_form_that_is_only_told_fails_no_gate() -> None:
    verdict = one(with_card(DIGITS, "bare"), {})
    assert verdict.recall("pan", gated=False) == 0
    assert verdict.failures() == []


def test_a_clean_line_that_changed_is_a_false_alarm_of_whom_its_mark_names() -> None:
    verdict = one(line("order 12 shipped", "test"), {"12": "#phone:k3j9x2m4q8zt7vwa"})
    assert verdict.changed == 1
    assert verdict.false == {"phone": 1}
    assert verdict.false_rate("phone") == 10_000
    assert verdict.failures() == ["1 of 1 clean lines changed: {'phone': 1}"]


def test_a_clean_line_that_changed_without_a_mark_is_a_false_alarm_of_nobody_known() -> None:
    assert one(line("order 12 shipped", "test"), {"12": "13"}).false == {"unknown": 1}


def test_marks_that_stood_in_the_line_before_accuse_nobody() -> None:
    sample = line("[redacted:cvv] and 12", "test")
    assert one(sample, {"12": "[redacted:phone]"}).false == {"phone": 1}


def test_a_disputed_line_counts_nowhere() -> None:
    verdict = one(line("order 12 shipped", "test", disputed=True), {"12": ""})
    assert (verdict.rows, verdict.clean, verdict.changed) == (1, 0, 0)


@pytest.mark.parametrize("rows", [b"", b"a\nb\nc\n"])
def test_rows_that_went_missing_or_were_added_are_an_error(rows: bytes) -> None:
    with pytest.raises(ValueError, match="2 rows went in"):
        judge([with_card(), with_card()], lambda batch: Cleaned(rows))


def number() -> Fragment:
    found = of_number(DIGITS).fragment("contextual")
    return found.into('{"time":1,"attributes":{"card":{}}}')


@pytest.mark.parametrize(
    ("signal", "foreign", "text"),
    [
        (Signal.LOGS, False, '{"time":1,"attributes":{"card":{}}}'),
        (Signal.LOGS, True, '{"level":30,"card":{}}'),
        (Signal.SPANS, False, '{"time":1,"name":"{}","trace_id":"1","span_id":"1"}'),
        (Signal.METRICS, False, '{"time":1,"name":"a","value":1,"attributes":{"card":"{}"}}'),
    ],
)
def test_a_row_that_is_no_longer_valid_is_told(signal: Signal, foreign: bool, text: str) -> None:
    found = of_number(DIGITS).fragment("contextual").into(text)
    sample = record(found, "test", signal, foreign)
    assert one(sample, {DIGITS: '"#pan'}).broken == 1
    quoted = "#pan" if f'"{DIGITS}"' in found.text else '"#pan"'
    assert one(sample, {DIGITS: quoted}).broken == 0


def test_a_code_is_looked_for_with_its_key() -> None:
    rows = [s for s in corpus.samples(4_000) if [x.kind for x in s.labels] == ["cvv"]]
    assert len(rows) > 20
    for sample in rows:
        (label,) = sample.labels
        assert one(sample, {}).missed
        assert not one(sample, {label.needles[0]: "[redacted:cvv]"}).missed


def test_a_batch_has_one_codec_one_signal_one_sort_of_hints_and_the_rows_in_their_order() -> None:
    samples = list(corpus.samples(3_000))
    found = list(batches(samples, size=50_000))
    assert sum(len(batch.samples) for batch in found) == len(samples)
    for batch in found:
        assert {(s.codec, s.signal, s.hints) for s in batch.samples} == {
            (batch.codec, batch.signal, batch.hints)
        }
        assert batch.data == b"".join(s.data + b"\n" for s in batch.samples)
        header = batch.header()
        assert (header.rows, header.bytes) == (len(batch.samples), len(batch.data))
        if batch.codec is Codec.RECORDS and batch.signal is Signal.LOGS:
            assert records.check(batch.data, batch.hints) == batch.hints


@pytest.mark.parametrize(
    ("row", "letters"),
    [
        ("a%20b%2Dc", "abc"),
        ("\\u0034\\\\u0034\\x34", "444"),
        ("\u0661\uff12\u0969", "123"),
        ("4&nbsp;1&#49;", "411"),
        ("one\\ntwo", "onetwo"),
        ("J.Doe@Example.ORG", "jdoeexampleorg"),
        (json.dumps(json.dumps("4\u00a01")), "41"),
    ],
)
def test_folding_leaves_letters_and_digits(row: str, letters: str) -> None:
    assert folded(row).split(" ")[0] == letters


def test_a_percent_sign_that_is_no_code_hides_nothing() -> None:
    assert DIGITS in folded(f"%B{DIGITS}^DOE/JANE^")


def test_the_report_names_every_detector_and_the_listing_what_went_wrong() -> None:
    verdict = judge([with_card(), line("order 12", "test")], cleaned({"12": "[redacted:phone]"}))
    text = guard.report(verdict)
    assert "pan" in text
    assert "phone" in text
    assert "0.000%" in text
    listing = guard.listing(verdict)
    assert "missed pan (formatted): test" in listing
    assert "out: order [redacted:phone]" in listing
    figures = {figure.name: figure for figure in guard.figures(verdict)}
    assert figures["pan: not found"].met is False
    assert figures["rows no longer valid"].met is True
