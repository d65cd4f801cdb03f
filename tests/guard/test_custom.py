"""Detectors of a configuration are held to their examples, and to linear time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tailrace.core.errors import ConfigError
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.settings import Custom, Rule

from .cleaning import clean, cleaned, cleaner, kinds, pseudonym


def custom(**changes: Any) -> Custom:
    said: dict[str, Any] = {
        "name": "badge", "pattern": r"B-[0-9]{6}", "matches": ["badge B-123456"], "traps": ["B-12"],
    }  # fmt: skip
    return Custom(**(said | changes))


def having(*detectors: Custom, **tables: Any) -> Cleaner:
    return cleaner(detectors=list(detectors), **tables)


BADGE = pseudonym("badge", b"B-123456").encode()


def test_what_it_matches_is_pseudonymised_as_a_kind_of_its_own() -> None:
    result = clean(b'{"b":"B-123456","c":"x B-123456 B-654321"}', having(custom()))
    second = pseudonym("badge", b"B-654321").encode()
    assert result.data == b'{"b":"' + BADGE + b'","c":"x ' + BADGE + b" " + second + b'"}'
    assert {place.detector for place in result.found} == {"badge"}


def test_its_action_is_its_own_unless_a_rule_says_otherwise() -> None:
    assert cleaned(b"B-123456", having(custom(action="redact"))) == b"[redacted:badge]"
    ruled = having(custom(), rules=[Rule("badge", "drop_row")])
    assert clean(b"B-123456\n", ruled).data == b""


@pytest.mark.parametrize("action", ["mask", "approved"])
def test_an_action_of_its_own_that_no_rule_may_have_is_refused(action: str) -> None:
    with pytest.raises(ConfigError, match=r"^guard\.detectors\[0\]\.action"):
        having(custom(action=action))


@pytest.mark.parametrize(
    ("validator", "pattern", "match", "trap"),
    [
        ("luhn", r"[0-9]{10}", "x 7992739871 3", "x 7992739872"),
        ("luhn", r"[0-9]{11}", "x 79927398713", "x 79927398714"),
        ("mod97", r"[A-Z]{2}[0-9]{2}[A-Z0-9 ]{11,30}", "DE89 3704 0044 0532 0130 00",
        "DE89 3704 0044 0532 0130 01"),
        ("ssn", r"[0-9]{9}", "x 123456789", "x 000456789"),
    ],
)  # fmt: skip
def test_a_validator_refuses_what_the_pattern_alone_would_take(
    validator: str, pattern: str, match: str, trap: str
) -> None:
    one = custom(pattern=pattern, validator=validator, matches=[match], traps=[trap])
    if validator == "luhn" and "{10}" in pattern:
        with pytest.raises(ConfigError, match=r"matches\[0\]"):
            having(one)
        return
    by = having(one)
    assert "badge" in kinds(match.encode(), by)
    assert "badge" not in kinds(trap.encode(), by)


def test_a_word_must_stand_near_enough_before_it() -> None:
    one = custom(
        pattern=r"[0-9]{6}", context=["Badge", "ausweis"], context_bytes=12,
        matches=["BADGE: 123456", "ausweis 123456"], traps=["order 123456"],
    )  # fmt: skip
    by = having(one)
    assert "badge" in kinds(b"badge 1234 5 123456", by) or "badge" in kinds(b"badge 123456", by)
    assert "badge" not in kinds(b"badge and many other words 123456", by)
    assert "badge" not in kinds(b"123456 badge", by)
    assert "badge" not in kinds(b"badge\x1e" + b"x" * 12 + b" 123456", by)


def test_a_value_is_taken_as_far_as_it_goes() -> None:
    one = custom(pattern=r"B-[0-9]{2,}", matches=["B-12"], traps=["B-1"])
    assert cleaned(b"B-123456.", having(one)) == BADGE + b"."
    either = custom(pattern=r"B-1|B-123456", matches=["B-1"], traps=["x"])
    assert cleaned(b"B-123456.", having(either)) == BADGE + b"."


@pytest.mark.parametrize(
    "pattern", ["[0-9]+", "7[0-9]*", "79[0-9]*", "[0-9]{1,20}", "7|79927398713"]
)
def test_a_value_is_found_at_the_start_and_the_end_of_every_row(pattern: str) -> None:
    by = having(custom(pattern=pattern, matches=["x 79927398713"], traps=["-"]), disable=["pan"])
    rows = [b"79927398713", b"x 79927398713", b"79927398713 x", b"", b"x", b"79927398713"]
    result = clean(b"\n".join(rows), by)
    gone = pseudonym("badge", b"79927398713").encode()
    assert result.data == b"\n".join(row.replace(b"79927398713", gone) for row in rows)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": "Badge"}, r"\.name"),
        ({"name": "pan"}, r"\.name"),
        ({"name": ""}, r"\.name"),
        ({"name": "a" * 32}, r"\.name"),
        ({"name": "a:b"}, r"\.name"),
        ({"pattern": "("}, r"\.pattern"),
        ({"pattern": ""}, r"\.pattern"),
        ({"pattern": "a*"}, r"\.pattern"),
        ({"pattern": r"(a)\1"}, r"\.pattern"),
        ({"pattern": r"(?=a)b"}, r"\.pattern"),
        ({"pattern": r"(?<!a)b"}, r"\.pattern"),
        ({"matches": []}, ""),
        ({"traps": []}, ""),
        ({"matches": ["nothing"]}, r"\.matches\[0\]"),
        ({"matches": ["B-123456", "B"]}, r"\.matches\[1\]"),
        ({"traps": ["x", "B-123456"]}, r"\.traps\[1\]"),
        ({"matches": ["B-123456\n"]}, r"\.matches\[0\]"),
        ({"context": [""]}, r"\.context"),
        ({"context_bytes": 0}, r"\.context_bytes"),
        ({"context_bytes": 100_000}, r"\.context_bytes"),
    ],
)
def test_what_breaks_its_promise_is_refused_by_its_key(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^guard\.detectors\[0\]{key}"):
        having(custom(**changes))


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^guard\.detectors\[1\]\.name"):
        having(custom(), custom())


def test_examples_are_not_in_the_message_that_refuses_them() -> None:
    with pytest.raises(ConfigError) as caught:
        having(custom(matches=["secret sample"]))
    assert "secret sample" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "piece", "match"),
    [
        (r"(a+)+$", b"a", "aaa"),
        (r"(a|aa)+b", b"a", "aab"),
        (r"(a|a)*b", b"a", "aab"),
        (r"(x+x+)+y", b"x", "xxy"),
        (r"([a-z]+)*[0-9]", b"a", "a1"),
        (r"(.*a){8}", b"a", "aaaaaaaa"),
        (r"a.*b.*c", b"ab", "abc"),
        (r"[a-z]{1,900}z", b"a", "az"),
        (r"(a?){20}a{20}", b"a", "a" * 20),
    ],
)
def test_a_pattern_that_could_take_exponential_time_is_refused_or_linear(
    pattern: str, piece: bytes, match: str
) -> None:
    try:
        by = having(custom(pattern=pattern, matches=[match], traps=["-"]))
    except ConfigError:
        return

    def once(size: int) -> float:
        data = piece * (size // len(piece)) + b"-\n"
        began = time.process_time()
        by.find(data)
        return time.process_time() - began

    def seconds(size: int) -> float:
        # The least of three: a collection of garbage takes longer than all of it.
        return min(once(size) for _ in range(3))

    assert seconds(32_000) < 9 * max(seconds(8_000), 0.004)
