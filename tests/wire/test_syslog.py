"""Syslog messages become records, whatever their form; the frames of a stream come out whole."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.wire import records, syslog, syslogmessage
from tailrace.wire.syslogframing import CUT_MARK, Messages

NOW = int(datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone with an offset, since times of the old form are local."""
    forget()
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()
    forget()


def forget() -> None:
    """What was read of times depends on the zone."""
    for cache in (syslogmessage._local_s, syslog._second):
        cache.cache_clear()


def record(message: str | bytes, now_ns: int = NOW, service: str = "") -> dict[str, Any]:
    data = message.encode() if isinstance(message, str) else message
    content = syslog.decode([data], now_ns, service)
    assert content.rows == 1
    assert not records.check(content.data).foreign
    found: dict[str, Any] = json.loads(content.data)
    return found


def at(found: dict[str, Any]) -> str:
    return datetime.fromtimestamp(found["time"] / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_the_new_form_with_everything() -> None:
    found = record(
        "<165>1 2003-10-11T22:14:15.123456789+02:00 mymachine.example.com evntslog 77 "
        'ID47 [exampleSDID@32473 iut="3" eventSource="a \\"b\\" \\] \\\\ \\n"]'
        '[other x=""] \ufeffAn event'
    )
    assert found == {
        "severity": "notice",
        "time": 1065903255123456789,
        "service": "evntslog",
        "body": "An event",
        "attributes": {
            "syslog.facility": "local4",
            "syslog.hostname": "mymachine.example.com",
            "syslog.procid": "77",
            "syslog.msgid": "ID47",
            "syslog.exampleSDID@32473.iut": "3",
            "syslog.exampleSDID@32473.eventSource": 'a "b" ] \\ \\n',
            "syslog.other.x": "",
        },
    }


def test_the_new_form_with_nothing() -> None:
    assert record("<34>1 - - - - - -") == {
        "severity": "crit",
        "body": "",
        "attributes": {"syslog.facility": "auth"},
    }
    assert record("<34>1 - - - - - - [x] y")["body"] == "[x] y"
    assert record("<34>1 - - su - - [a@1] y")["body"] == "y"


@pytest.mark.parametrize(
    ("message", "when", "host", "service", "process", "body"),
    [
        ("<34>Mar  2 11:14:15 mine su: 'su root' failed", "2026-03-02 10:14:15", "mine", "su", "",
         "'su root' failed"),
        ("<34>Mar 2 11:14:15.250 mine sshd[42]: hi", "2026-03-02 10:14:15", "mine", "sshd", "42",
         "hi"),
        ("<34>Mar  2 11:14:15 cron[1]: local", "2026-03-02 10:14:15", "", "cron", "1", "local"),
        ("<34>Mar  2 11:14:15 fe80::1 no tag here", "2026-03-02 10:14:15", "fe80::1", "", "",
         "no tag here"),
        ("<34>Mar  2 2020 11:14:15 fw : %ASA-6", "2020-03-02 10:14:15", "fw", "", "", ": %ASA-6"),
        ("<34>2026-03-02T10:14:15.5Z mine postfix/smtpd[9]: x", "2026-03-02 10:14:15", "mine",
         "postfix/smtpd", "9", "x"),
        ("Mar  2 11:14:15 mine su: no priority", "2026-03-02 10:14:15", "mine", "su", "",
         "no priority"),
        ("<34>Dec 31 23:00:00 mine su: last year", "2025-12-31 22:00:00", "mine", "su", "",
         "last year"),
        ("<34>Mar  2 14:00:00 mine su: a clock ahead", "2026-03-02 13:00:00", "mine", "su", "",
         "a clock ahead"),
        ("<34>Feb 29 01:00:00 mine su: a leap day", "2024-02-29 00:00:00", "mine", "su", "",
         "a leap day"),
        ("<34>Jul  2 11:14:15 mine su: summer", "2025-07-02 09:14:15", "mine", "su", "", "summer"),
    ],
)  # fmt: skip
def test_the_old_form(
    message: str, when: str, host: str, service: str, process: str, body: str
) -> None:
    found = record(message)
    attributes = found.get("attributes", {})
    assert (at(found), attributes.get("syslog.hostname", "")) == (when, host)
    assert (found.get("service", ""), attributes.get("syslog.procid", "")) == (service, process)
    assert found["body"] == body


def test_on_new_years_eve_a_message_of_the_new_year_is_not_a_year_old() -> None:
    eve = int(datetime(2026, 12, 31, 22, 59, tzinfo=UTC).timestamp()) * 10**9
    assert at(record("<1>Jan  1 00:00:01 mine x: y", eve)) == "2026-12-31 23:00:01"


@pytest.mark.parametrize(
    "message",
    ["plain words", "<999>x", "<abc>x", "<192>1 - - - - - - x", "<", "<>", "error: it failed",
     "<1", "Foo 99 99:99:99 x", '{"json": true}'],
)  # fmt: skip
def test_any_other_text_is_a_record_with_all_of_it(message: str) -> None:
    assert record(message) == {"body": message}


@pytest.mark.parametrize(
    ("message", "body"),
    [
        ("<14>from python\0", "from python"),
        ("<14>worker[7]: no time", "no time"),
        ("<14>1 2026-13-40T99:00:00Z h a - - - x", "1 2026-13-40T99:00:00Z h a - - - x"),
        ('<14>1 - h a - - [bad="x] y', '1 - h a - - [bad="x] y'),
        ("<14>1 - h a - - [x]y", "1 - h a - - [x]y"),
        ("<14>Feb 30 10:00:00 h a: x", "Feb 30 10:00:00 h a: x"),
        ("<14>two\nlines\r\n", "two\nlines"),
    ],
)
def test_the_priority_holds_even_where_the_rest_is_plain(message: str, body: str) -> None:
    found = record(message)
    assert (found["severity"], found["body"]) == ("info", body)


def test_a_service_of_the_input_replaces_the_messages_own() -> None:
    assert "service" not in record("<34>1 - - su - - - x", service="mine")


def test_what_was_changed_is_counted() -> None:
    hostile = [b"\n\0", b"<14>a\0b\xff", b"<14>1 - - - - - [a " + b'b="' + b"x" * 5000 + b'"] y']
    content = syslog.decode(hostile, NOW)
    assert content.repaired == {"blank": 1, "nul": 1, "utf8": 1, "attributes": 1}
    assert content.rows == 2
    long = syslog.decode([b"\x01" * limits.LINE_BYTES], NOW)
    assert long.repaired == {"line_length": 1}
    assert len(long.data) <= limits.LINE_BYTES + 1
    many = b"<14>1 - - - - - [a" + b"".join(b' k%d="v"' % n for n in range(20_000)) + b"] y"
    (line,) = syslog.decode([many], NOW).data.splitlines()
    assert len(json.loads(line)["attributes"]) <= limits.ATTRIBUTES_PER_RECORD


def test_hostile_structured_data_takes_no_time() -> None:
    before = time.process_time()
    for piece in ('[a b="', "[a ", '[a b="\\', "[" * 9, '[a b="c"', 'a="b" ', "<1", "1 - "):
        text = "<14>1 - - - - - " + piece * (limits.LINE_BYTES // len(piece))
        syslog.decode([text.encode()], NOW)
    assert time.process_time() - before < 2.0


def test_hostile_heads_of_a_whole_batch_take_no_time() -> None:
    before = time.process_time()
    for start in (b"<14>Mar  2 11:14:15 ", b"<14>1 2026-03-02T10:14:15Z ", b"<14>", b""):
        for piece in (b"a", b"a.", b"a:", b"a[", b"[", b"a ", b"- ", b"<1", b'"', b"\x01", b"\\"):
            message = start + piece * (syslog._USUAL_BYTES // len(piece) // 4)
            syslog.decode([message[: syslog._USUAL_BYTES]] * 50, NOW)
    assert time.process_time() - before < 4.0


_word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
_name = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='="]'),
    min_size=1, max_size=30,
)  # fmt: skip
_any = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@settings(deadline=None)
@given(st.integers(0, 191), _word, _word, st.dictionaries(_name, _any, min_size=1), _any)
def test_what_a_sender_of_the_new_form_writes_comes_back(
    priority: int, host: str, app: str, data: dict[str, str], body: str
) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]") + '"'

    element = "".join(f" {name}={quoted(value)}" for name, value in data.items())
    message = f"<{priority}>1 2026-03-02T10:14:15Z {host} {app} - - [id@1{element}] {body}."
    found = record(message)
    assert found["body"] == f"{body.removeprefix(chr(0xFEFF))}."
    attributes = found["attributes"]
    assert attributes["syslog.facility"] == syslog.FACILITIES[priority // 8]
    assert attributes.get("syslog.hostname", "-") == host
    assert found.get("service", "-") == app
    assert {name: attributes[f"syslog.id@1.{name}"] for name in data} == data


@settings(deadline=None)
@given(st.binary() | st.text('<>1 -[]="\\:aJn0T').map(str.encode))
def test_no_message_fails(message: bytes) -> None:
    content = syslog.decode([message], NOW)
    assert content.rows == content.data.count(b"\n")
    assert not content.rows or not records.check(content.data).foreign


_piece = st.sampled_from([
    b"<34>", b"<999>", b"1 ", b"2026-03-02T10:14:15", b".5", b".123456789", b"Z", b"+02:00", b" ",
    b" ", b"Mar  2 11:14:15", b"Feb 30 11:14:15", b"mine", b"su:", b"su[1]:", b"su[1]", b"-", b":",
    b"cron: x: ", b"a\"b", b"\\", b"[a@1 b=\"c\"]", b"\xef\xbb\xbf", b"\xff", "\u00e9".encode(),
    b"\t", b"\x1b", b"\0", b"\n", b"\r", b"fe80::1", b"h a p m - ", b"text",
])  # fmt: skip
_likely = st.builds(
    lambda head, pieces: head + b"".join(pieces),
    st.sampled_from([
        b"", b"<34>Mar  2 11:14:15 ", b"<34>1 2026-03-02T10:14:15.25Z mine su ",
        b"<34>1 2026-03-02T10:14:15Z mine su - - - ", b"<34>2026-03-02T10:14:15+01:00 mine ",
    ]),
    st.lists(_piece, max_size=8),
)  # fmt: skip


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(_likely, max_size=6), st.sampled_from([None, "", "10.0.0.1"]))
def test_a_batch_gives_what_its_messages_give_one_by_one(
    messages: list[bytes], peer: str | None
) -> None:
    content = syslog.decode(messages, NOW, "", peer)
    expected: list[Any] = []
    for message in messages:
        if text := message.rstrip(b"\0\r\n").replace(b"\0", "\ufffd".encode()):
            parts = syslogmessage.parse(text.decode(errors="replace"), NOW)
            expected.append(json.loads(syslog._record(parts, syslog._Origin(NOW, "", peer), {})))
    assert [json.loads(line) for line in content.data.splitlines()] == expected
    assert content.rows == len(expected)


def test_what_is_usual_is_read_as_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = [
        b"<34>Mar  2 11:14:15 mine su: 'su root' failed",
        b'<34>Mar  2 11:14:15 cron[1]: "local"',
        b"<34>2026-03-02T10:14:15.123456+01:00 mine postfix/smtpd[9]: x\ty",
        b"<38>2026-03-02T10:14:15 localhost prg[1234]: no zone",
        "<165>1 2026-03-02T10:14:15.003Z mine su 77 ID47 - \ufeff'su root' f\u00e4iled".encode(),
        b"<165>1 2026-03-02T10:14:15Z mine su - - - x",
    ]
    expected = syslog.decode(usual, NOW).data
    monkeypatch.setattr(syslog, "_record", None)
    assert syslog.decode(usual, NOW).data == expected


def test_a_host_and_else_the_peer_is_the_host_where_the_peer_is_known() -> None:
    for message, host in ((b"<34>Mar  2 11:14:15 mine su: x", "mine"), (b"<34>x", "10.0.0.1")):
        found = json.loads(syslog.decode([message], NOW, "", "10.0.0.1").data)
        assert found["resource"]["host.name"] == host
        assert found["attributes"]["network.peer.address"] == "10.0.0.1"
        assert "syslog.hostname" not in found["attributes"]


_message = st.binary(min_size=1, max_size=40).map(lambda data: b"<" + data.strip(b"\r\n\0"))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), _message)),
    st.lists(st.integers(1, 20), min_size=1),
    st.data(),
)
def test_a_stream_gives_its_messages_however_it_is_cut(
    messages: list[tuple[bool, bytes]], steps: list[int], data: st.DataObject
) -> None:
    sent, expected = b"", []
    for counted, message in messages:
        whole = message if counted else message.replace(b"\n", b"").replace(b"\0", b"")
        sent += b"%d %s" % (len(whole), whole) if counted else whole + b"\n"
        expected.append(whole.strip(b"\r\n\0") if counted else whole.strip(b"\r"))
    stream = Messages()
    found: list[bytes] = []
    while sent:
        step = data.draw(st.sampled_from(steps))
        found += stream.feed(sent[:step])
        sent = sent[step:]
    found += stream.close()
    assert found == expected
    assert (stream.cut, stream.torn, stream.held_bytes) == (0, 0, 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30) | st.text("0123456789 <\n\0a").map(str.encode)))
def test_any_stream_is_taken_within_its_bound(pieces: list[bytes]) -> None:
    stream = Messages(limit_bytes=40)
    for piece in pieces:
        assert all(0 < len(message) <= 40 for message in stream.feed(piece))
        assert stream.held_bytes <= 40 + 8
    assert len(stream.close()) <= 1


@pytest.mark.parametrize("head", [b"%d <1>", b"<1>"])
def test_a_message_that_is_too_long_is_cut_once_and_the_next_one_is_whole(head: bytes) -> None:
    size = 3 * limits.LINE_BYTES
    start = head % size if b"%" in head else head
    body = b"x" * (size - 3) + (b"" if b"%" in head else b"\n")
    stream = Messages()
    found = [message for n in range(0, len(body), 9999) for message in
             stream.feed((start if n == 0 else b"") + body[n : n + 9999])]  # fmt: skip
    found += stream.feed(b"<2>next\n")
    assert [len(found[0]), found[1]] == [limits.LINE_BYTES, b"<2>next"]
    assert found[0].endswith(CUT_MARK)
    assert (len(found), stream.cut) == (2, 1)


def test_the_last_message_needs_no_newline_and_a_torn_one_is_kept() -> None:
    stream = Messages()
    assert stream.feed(b"<1>a\n<1>b") == [b"<1>a"]
    assert stream.close() == [b"<1>b"]
    torn = Messages()
    assert torn.feed(b"10 <1>abc") == []
    assert torn.close() == [b"<1>abc"]
    assert torn.torn == 1
    text = Messages()
    assert text.feed(b"2026-03-02 text\n99999999 apples\n") == [
        b"2026-03-02 text",
        b"99999999 apples",
    ]
