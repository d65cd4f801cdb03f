"""The corpus says the truth about its own lines, and is the same everywhere."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

import pytest
from bench.corpus import corpus, load
from bench.corpus.chance import Chance
from bench.corpus.folding import decoded, folded
from bench.corpus.ibans import STRUCTURES
from bench.corpus.phones import COUNTRIES
from bench.corpus.sample import Sample

from tailrace.core import sample as metric
from tailrace.core import span
from tailrace.core.frame import CANONICAL, Codec, Signal
from tailrace.wire import records

ROWS = 24_000
# Of the first thousand lines. It changes with every change of the corpus, and never by itself.
DIGEST = "b4c18823b43c54ab3b04050ce99d1f6222b77d54e20a3fcd96d5d3c5877ad1a6"


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return list(corpus.samples(ROWS))


def values(samples: list[Sample], kind: str) -> set[str]:
    return {label.value for one in samples for label in one.labels if label.kind == kind}


def passes_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def test_the_same_lines_come_out_everywhere() -> None:
    whole = hashlib.sha256()
    for one in corpus.samples(1_000):
        labels = [f"{label.kind} {label.form} {label.value}" for label in one.labels]
        whole.update("\n".join([one.data.decode(), *labels, ""]).encode())
    assert whole.hexdigest() == DIGEST


def test_the_full_corpus_has_as_many_lines_as_is_promised() -> None:
    assert corpus.FULL_ROWS >= 200_000


def test_half_of_the_lines_are_clean(samples: list[Sample]) -> None:
    labelled = sum(1 for one in samples if one.labels)
    disputed = sum(one.disputed for one in samples)
    assert labelled == ROWS // 2
    assert disputed < ROWS // 50


def test_every_needle_stands_in_its_line(samples: list[Sample]) -> None:
    for one in samples:
        text = one.data.decode()
        assert all(needle in text for label in one.labels for needle in label.needles), text


def test_every_value_can_be_read_from_its_folded_line(samples: list[Sample]) -> None:
    for one in samples:
        letters = folded(one.data.decode())
        assert all(part in letters for label in one.labels for part in label.parts), one.data


def test_a_label_without_parts_is_looked_for_with_the_word_before_it(
    samples: list[Sample],
) -> None:
    for one in samples:
        for label in one.labels:
            if not label.parts:
                assert label.kind in ("cvv", "pin")
                assert all(len(needle) > len(label.value) for needle in label.needles)


def test_every_card_has_a_length_and_a_check_digit_of_cards(samples: list[Sample]) -> None:
    cards = values(samples, "pan")
    assert {len(card) for card in cards} == set(range(13, 20))
    assert all(map(passes_luhn, cards))


@pytest.mark.parametrize(
    "issuer",
    ["4", "5[1-5]", "222[1-9]|22[3-9]|2[3-6]|27[01]|2720", "3[47]", "6011", "64[4-9]", "65",
     "352[89]|35[3-8]", "30[0-5]", "36", "3[89]", "62", "50", "5[6-8]"],
)  # fmt: skip
def test_every_issuer_has_cards(samples: list[Sample], issuer: str) -> None:
    assert sum(1 for card in values(samples, "pan") if re.match(issuer, card)) > 20


def test_social_security_numbers_are_ones_that_were_issued(samples: list[Sample]) -> None:
    valid = re.compile(r"(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}")
    assert all(map(valid.fullmatch, values(samples, "ssn")))


def test_taxpayer_numbers_are_in_the_groups_that_are_in_use(samples: list[Sample]) -> None:
    valid = re.compile(r"9\d{2}(5\d|6[0-5]|7\d|8[0-8]|9[0-2]|9[4-9])\d{4}")
    assert all(map(valid.fullmatch, values(samples, "itin")))


def test_every_iban_leaves_one_and_many_countries_have_some(samples: list[Sample]) -> None:
    found = values(samples, "iban")
    for iban in found:
        moved = iban[4:] + iban[:4]
        assert int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1
    assert len({iban[:2] for iban in found}) > 50
    assert len(STRUCTURES) > 50
    assert len(COUNTRIES) >= 40


def test_every_record_is_valid_in_its_format(samples: list[Sample]) -> None:
    for one in samples:
        if one.codec is Codec.LINES:
            assert b"\n" not in one.data
        elif one.signal is Signal.SPANS:
            span.decode(one.data)
        elif one.signal is Signal.METRICS:
            metric.decode(one.data)
        else:
            assert isinstance(json.loads(one.data), dict)
            assert records.check(one.data, one.hints) == one.hints


def test_every_kind_has_enough_labels_in_every_form_of_it(samples: list[Sample]) -> None:
    counts = Counter((label.kind, label.form) for one in samples for label in one.labels)
    assert {kind for kind, _ in counts} == set(corpus.KINDS)
    for kind, form in [
        ("pan", "formatted"), ("pan", "contextual"), ("pan", "bare"), ("pan", "exotic"),
        ("ssn", "formatted"), ("ssn", "contextual"), ("phone", "formatted"),
        ("phone", "contextual"), ("phone", "bare"), ("iban", "formatted"), ("cvv", "adjacent"),
    ]:  # fmt: skip
        assert counts[kind, form] > 20, (kind, form)


TELLING = {
    "pan": r"card|pan|ccn|cc|account.?number|amex|visa",
    "ssn": r"ssn|social.?security",
    "itin": r"itin|taxpayer",
    "phone": r"phone|tel|mobile|msisdn|sms|whatsapp|fax",
    "dob": r"dob|birth|born",
    "iban": r"iban|bank.?account",
    "track": r"track|magstripe|raw",
}


@pytest.mark.parametrize("kind", TELLING)
def test_a_word_within_thirty_characters_tells_what_a_contextual_value_is(
    samples: list[Sample], kind: str
) -> None:
    tells = re.compile(TELLING[kind], re.IGNORECASE)
    checked = 0
    for one in samples:
        text = one.data.decode()
        text = decoded(text, percent="%B" not in text).replace("\\", "")
        for label in one.labels:
            if (label.kind, label.form) != (kind, "contextual"):
                continue
            value = decoded(label.needles[0]).replace("\\", "")
            before, found, after = text.partition(value)
            # A percent sign of another value keeps this one's codes from being decoded.
            if found:
                assert tells.search(before[-30:]) or tells.search(after[:30]), text
                checked += 1
    assert checked > 15


def test_both_kinds_of_lines_come_in_every_format(samples: list[Sample]) -> None:
    for clean in (True, False):
        formats = Counter(
            (one.codec, one.signal, one.hints.foreign, one.hints.newline != "")
            for one in samples
            if bool(one.labels) is not clean
        )
        assert len(formats) == 6
        assert min(formats.values()) > 30


@pytest.mark.parametrize(
    "evasion",
    ["\u00a0", "\u202f", "\u2007", "\u2013", "\\u00a0", "\\\\u00a0", "%20", "%C2%A0", "&nbsp;",
     "\\u0034", "\u0664", "\uff14", "\u096a", "%40", "\\n", "\x1e"],
)  # fmt: skip
def test_every_evasion_occurs_within_a_value(samples: list[Sample], evasion: str) -> None:
    needles = (needle for one in samples for label in one.labels for needle in label.needles)
    assert any(evasion in needle for needle in needles)


def test_a_card_is_a_number_of_json_at_times(samples: list[Sample]) -> None:
    numbers = re.compile(rb": ?(\d{13,19})[,}\]]")
    found = [
        one
        for one in samples
        if one.codec is Codec.RECORDS
        and any(label.kind == "pan" for label in one.labels)
        and any(passes_luhn(digits.decode()) for digits in numbers.findall(one.data))
    ]
    assert len(found) > 30


def test_no_clean_line_holds_a_value_of_another(samples: list[Sample]) -> None:
    hidden = {label.value for one in samples for label in one.labels if len(label.value) > 8}
    for one in samples:
        if not one.labels:
            assert hidden.isdisjoint(re.findall(r"\w+", one.data.decode().lower())), one.data


def test_names_stand_under_the_key_that_a_rule_would_name() -> None:
    found = list(corpus.named(200))
    assert all(one.labels[0].kind == "name" for one in found)
    assert {one.codec for one in found} == {Codec.LINES, Codec.RECORDS}
    assert all(b"customer" in one.data and b"name" in one.data for one in found)


@pytest.mark.parametrize("codec", [Codec.LINES, Codec.RECORDS])
def test_one_row_in_ten_has_a_hit_where_that_is_measured(codec: Codec) -> None:
    (payload,) = load.with_hits(200_000, codec)
    clean = load.records(200_000, "hits") if codec is Codec.RECORDS else load.lines(200_000, "hits")
    rows, others = payload.splitlines(), next(clean).splitlines()
    changed = sum(1 for row, other in zip(rows, others, strict=True) if row != other)
    assert changed == -(-len(rows) // load.TENTH)


@pytest.mark.parametrize("name", load.HOSTILE)
def test_hostile_rows_are_valid_rows(name: str) -> None:
    payload = load.hostile(name, 20_000, Codec.RECORDS)
    assert records.check(payload) == CANONICAL
    assert len(load.hostile(name, 20_000, Codec.LINES)) >= 20_000


def test_ordinary_rows_repeat_to_the_size_that_is_asked_for() -> None:
    sizes = [len(payload) for payload in load.records(2_500_000)]
    assert 2_500_000 <= sum(sizes) < 3_600_000
    assert len(sizes) == 3


def test_choices_depend_on_the_seed_alone() -> None:
    assert Chance("a").digits(30) == Chance("a").digits(30) != Chance("b").digits(30)
    assert len(Chance("a").hex(32)) == 32
    assert re.fullmatch(r"[0-9a-f-]{36}", Chance("a").uuid())
