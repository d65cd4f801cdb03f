"""Filters on lines, and decolorize."""

from __future__ import annotations

from tests.query.pipeline.case import DROPPED, Case, ip, line_format, lines

from tailrace.query.logql.ast import Decolorize

LINE = "GET /api/users 500 from 10.0.0.7 in 3ms"
V6 = "peer [2001:db8::7]:443 closed"


def passes(logql: str, stage: object, line: str = LINE) -> Case:
    return Case(logql, (stage,), line)  # type: ignore[arg-type]


def drops(logql: str, stage: object, line: str = LINE) -> Case:
    return Case(logql, (stage,), line, DROPPED)  # type: ignore[arg-type]


CASES = [
    passes('|= "users"', lines("|=", "users")),
    drops('|= "Users"', lines("|=", "Users")),
    passes('|= ""', lines("|=", "")),
    drops('!= ""', lines("!=", "")),
    passes('!= "POST"', lines("!=", "POST")),
    drops('!= "GET"', lines("!=", "GET")),
    passes('|= "POST" or "GET"', lines("|=", "POST", "GET")),
    drops('|= "POST" or "PUT"', lines("|=", "POST", "PUT")),
    drops('!= "POST" or "GET"', lines("!=", "POST", "GET")),
    passes('!= "POST" or "PUT"', lines("!=", "POST", "PUT")),
    passes("|~ `users [45]\\d\\d`", lines("|~", r"users [45]\d\d")),
    drops("|~ `^users`", lines("|~", "^users")),
    passes("|~ `(?i)get`", lines("|~", "(?i)get")),
    drops("|~ `get`", lines("|~", "get")),
    drops("!~ `us.rs`", lines("!~", "us.rs")),
    passes("!~ `us.rz`", lines("!~", "us.rz")),
    passes("|~ `PUT` or `G.T`", lines("|~", "PUT", "G.T")),
    drops("!~ `PUT` or `G.T`", lines("!~", "PUT", "G.T")),
    drops("|~ `a.b`", lines("|~", "a.b"), "a\nb"),
    passes("|~ `(?s)a.b`", lines("|~", "(?s)a.b"), "a\nb"),
    passes("|~ `a\\sb`", lines("|~", r"a\sb"), "a\nb"),
    passes("|~ `^.{3}$`", lines("|~", "^.{3}$"), "äöü"),
    passes('|= "ö"', lines("|=", "ö"), "äöü"),
    passes("|> `GET <_> 500 <_>`", lines("|>", "GET <_> 500 <_>")),
    drops("|> `GET <_> 500`", lines("|>", "GET <_> 500")),
    drops("|> `/api<_>`", lines("|>", "/api<_>")),
    passes("|> `<_>/api<_>`", lines("|>", "<_>/api<_>")),
    drops("!> `<_>/api<_>`", lines("!>", "<_>/api<_>")),
    passes("!> `/api<_>`", lines("!>", "/api<_>")),
    passes("|> `<_>`", lines("|>", "<_>")),
    drops("|> `<_>`", lines("|>", "<_>"), ""),
    passes("|> ``", lines("|>", ""), ""),
    drops("|> ``", lines("|>", "")),
    passes("|> `a<_>`", lines("|>", "a<_>"), "ab"),
    drops("|> `a<_>`", lines("|>", "a<_>"), "a"),
    drops("|> `<_>a`", lines("|>", "<_>a"), "a"),
    passes("|> `<_>a`", lines("|>", "<_>a"), "a a a"),
    passes("|> `a <_> b <_> c`", lines("|>", "a <_> b <_> c"), "a b b b c c"),
    drops("|> `a<_>a`", lines("|>", "a<_>a"), "aa"),
    drops("|> `a<_>ba`", lines("|>", "a<_>ba"), "aba"),
    passes("|> `PUT <_>` or `GET <_>`", lines("|>", "PUT <_>", "GET <_>")),
    passes("|> `<_> < <_>`", lines("|>", "<_> < <_>"), "1 < 2"),
    passes('|= ip("10.0.0.7")', ip("|=", "10.0.0.7")),
    drops('|= ip("10.0.0.8")', ip("|=", "10.0.0.8")),
    drops('!= ip("10.0.0.7")', ip("!=", "10.0.0.7")),
    passes('|= ip("10.0.0.0/24")', ip("|=", "10.0.0.0/24")),
    passes('|= ip("10.0.0.200/24")', ip("|=", "10.0.0.200/24")),
    drops('|= ip("10.0.1.0/24")', ip("|=", "10.0.1.0/24")),
    passes('|= ip("10.0.0.1-10.0.0.7")', ip("|=", "10.0.0.1-10.0.0.7")),
    drops('|= ip("10.0.0.1-10.0.0.6")', ip("|=", "10.0.0.1-10.0.0.6")),
    passes('|= ip("10.0.0.1 - 10.0.0.9")', ip("|=", "10.0.0.1 - 10.0.0.9")),
    drops('|= ip("3.180.71.3")', ip("|=", "3.180.71.3"), "93.180.71.3 - - GET"),
    drops('|= ip("3.180.71.3")', ip("|=", "3.180.71.3"), "3.180.71.30 - - GET"),
    drops('|= ip("193.180.71.3")', ip("|=", "193.180.71.3"), "1193.180.71.3 - - GET"),
    drops('|= ip("2.3.4.5")', ip("|=", "2.3.4.5"), "1.2.3.4.5 - - GET"),
    passes('|= ip("3.180.71.3")', ip("|=", "3.180.71.3"), "from 3.180.71.3."),
    passes('|= ip("3.180.71.3")', ip("|=", "3.180.71.3"), "3.180.71.3:8080"),
    passes('|= ip("3.180.71.3")', ip("|=", "3.180.71.3"), "addr=3.180.71.3,x"),
    drops('|= ip("0.0.0.0/0")', ip("|=", "0.0.0.0/0"), "version 1.2.3 and 999.1.1.1"),
    passes('!= ip("0.0.0.0/0")', ip("!=", "0.0.0.0/0"), "no address"),
    passes('|= ip("2001:db8::/32")', ip("|=", "2001:db8::/32"), V6),
    passes('|= ip("2001:db8::7")', ip("|=", "2001:db8::7"), V6),
    drops('|= ip("2001:db8::8")', ip("|=", "2001:db8::8"), V6),
    passes('|= ip("2001:db8::1-2001:db8::8")', ip("|=", "2001:db8::1-2001:db8::8"), V6),
    passes('|= ip("2001:db8::7")', ip("|=", "2001:db8::7"), "2001:0DB8:0:0::0007 closed"),
    passes('|= ip("::1")', ip("|=", "::1"), "listening on ::1: ok"),
    passes('|= ip("fe80::1")', ip("|=", "fe80::1"), "peer:fe80::1 gone."),
    drops('|= ip("::/0")', ip("|=", "::/0"), "12:30:45 10.0.0.7 no v6"),
    Case(
        '|= "a" != "b" |~ "c"', (lines("|=", "a"), lines("!=", "b"), lines("|~", "c")), "a c"
    ),
    Case(
        '|= "a" != "b"', (lines("|=", "a"), lines("!=", "b")), "a b", DROPPED
    ),
    Case(
        '| line_format "{{.app}}" |= "shop"',
        (line_format("{{.app}}"), lines("|=", "shop")),
        "x",
        "shop",
    ),
    Case("| decolorize", (Decolorize(),), "\x1b[31;1mred\x1b[0m plain", "red plain"),
    Case("| decolorize", (Decolorize(),), "\x1b[38;5;196mred\x1b[K", "red"),
    Case("| decolorize", (Decolorize(),), "plain"),
    Case("| decolorize", (Decolorize(),), "\x1b]0;title\x07text", "text"),
    Case("| decolorize", (Decolorize(),), "\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
    Case("| decolorize", (Decolorize(),), "\x1b", "\x1b"),
    Case(
        '| decolorize |= "ab"', (Decolorize(), lines("|=", "ab")), "a\x1b[1mb", "ab"
    ),
]  # fmt: skip
