"""json, logfmt, regexp, pattern and unpack."""

from __future__ import annotations

from tests.query.pipeline.case import JSON, LOGFMT, UNCHANGED, Case, line_format

from tailrace.query.logql.ast import (
    Extraction,
    JsonParser,
    LogfmtParser,
    PatternParser,
    RegexpParser,
    Unpack,
)

BAD_JSON = {"__error__": "JSONParserErr"}
BAD_LOGFMT = {"__error__": "LogfmtParserErr"}
DOCUMENT = (
    '{"protocol":"HTTP/2.0","servers":["129.0.1.1","10.2.1.3"],"request":{"time":"6.032",'
    '"headers":{"Accept":"*/*","User-Agent":"curl/7.68.0"}},"response":{"status":401,'
    '"latency":6.0310}}'
)


def json(line: str, **parsed: str) -> Case:
    return Case("| json", (JSON,), line, parsed=parsed)


def bad_json(line: str) -> Case:
    return Case("| json", (JSON,), line, parsed=BAD_JSON)


def path(expression: str, line: str, found: str) -> Case:
    stage = JsonParser((Extraction("x", expression),))
    return Case(f"| json x=`{expression}`", (stage,), line, parsed={"x": found})


def logfmt(line: str, **parsed: str) -> Case:
    return Case("| logfmt", (LOGFMT,), line, parsed=parsed)


def strict(line: str, **parsed: str) -> Case:
    return Case("| logfmt --strict", (LogfmtParser(strict=True),), line, parsed=parsed)


def keep_empty(line: str, **parsed: str) -> Case:
    return Case("| logfmt --keep-empty", (LogfmtParser(keep_empty=True),), line, parsed=parsed)


def regexp(pattern: str, line: str, **parsed: str) -> Case:
    return Case(f"| regexp `{pattern}`", (RegexpParser(pattern),), line, parsed=parsed)


def pattern(text: str, line: str, **parsed: str) -> Case:
    return Case(f"| pattern `{text}`", (PatternParser(text),), line, parsed=parsed)


def unpack(line: str, becomes: str = UNCHANGED, **parsed: str) -> Case:
    return Case("| unpack", (Unpack(),), line, becomes, parsed)


JSON_CASES = [
    json("{}"),
    json('{"a":"b"}', a="b"),
    json(
        DOCUMENT,
        protocol="HTTP/2.0",
        request_time="6.032",
        request_headers_Accept="*/*",
        request_headers_User_Agent="curl/7.68.0",
        response_status="401",
        response_latency="6.0310",
    ),
    json('{"a":1,"b":1.50,"c":-2,"d":1e5,"e":1E-2}', a="1", b="1.50", c="-2", d="1e5", e="1E-2"),
    json('{"a":123456789012345678901234567890}', a="123456789012345678901234567890"),
    json('{"a":-0,"b": -0,"c":-0.0,"d":0}', a="-0", b="-0", c="-0.0", d="0"),
    json('{"a":true,"b":false,"c":null}', a="true", b="false"),
    json('{"a":[1,2,{"b":3}],"c":4}', c="4"),
    json('{"a":{},"b":{"c":{}}}'),
    json('{"a":""}', a=""),
    json(r'{"a":"x\ny \"z\" \u00e9 \ud83d\ude00"}', a='x\ny "z" é 😀'),
    json(r'{"a":"\ud800!"}', a="\ufffd!"),
    json('{"a":"ü","ключ":"v"}', a="ü", ____="v"),
    json('{"a.b":{"c":"d"},"e":"f"}', a_b_c="d", e="f"),
    json('{"a-b":1,"a b":2}', a_b="1"),
    json('{"1a":"x"}', _1a="x"),
    json('{"a":{"1":"x"}}', a_1="x"),
    json('{" a ":"x"}', a="x"),
    json('{"":"x","b":1}', b="1"),
    json('{"a":{"":"x"}}', a_="x"),
    json('{"":{"a":"x"}}', _a="x"),
    json('{"a":1,"a":2}', a="1"),
    json('{"a" : 1, "a": 2}', a="1"),
    json('{"a":{"b":1},"a_b":2}', a_b="1"),
    json('{"a_b":2,"a":{"b":1}}', a_b="2"),
    json('{"a":{"b":1},"a":{"c":2}}', a_b="1"),
    json('{"a\\\\":1,"a\\\\":2}', a_="1"),
    json('{"m":"say \\":\\" twice","a":1}', m='say ":" twice', a="1"),
    json('{"app":"other","trace_id":"t2"}', app_extracted="other", trace_id_extracted="t2"),
    json('{"__error__":"forged"}', __error___extracted="forged"),
    json('{"_":{"error__":"forged"}}', __error___extracted="forged"),
    json('  {"a":1}\n', a="1"),
    bad_json(""),
    bad_json("plain text"),
    bad_json('["a"]'),
    bad_json('"a"'),
    bad_json("1"),
    bad_json("null"),
    bad_json('{"a":1'),
    bad_json('{"a":1} {"b":2}'),
    bad_json('{"a":1} trailing'),
    bad_json("{'a':1}"),
    bad_json('{"a":NaN}'),
    bad_json('{"a":01}'),
    bad_json('{"a":"\x01"}'),
    Case(
        '| json | line_format "{{.inner}}" | json',
        (JSON, line_format("{{.inner}}"), JSON),
        r'{"a":1,"inner":"{\"a\":2,\"b\":3}"}',
        '{"a":2,"b":3}',
        {"a": "1", "inner": '{"a":2,"b":3}', "b": "3"},
    ),
    path("protocol", DOCUMENT, "HTTP/2.0"),
    path("servers[0]", DOCUMENT, "129.0.1.1"),
    path("servers[7]", DOCUMENT, ""),
    path("servers", DOCUMENT, '["129.0.1.1","10.2.1.3"]'),
    path('request.headers["User-Agent"]', DOCUMENT, "curl/7.68.0"),
    path("request.headers", DOCUMENT, '{"Accept":"*/*","User-Agent":"curl/7.68.0"}'),
    path("response.latency", DOCUMENT, "6.0310"),
    path("response.status", DOCUMENT, "401"),
    path("response.status.deeper", DOCUMENT, ""),
    path("response[0]", DOCUMENT, ""),
    path("missing", DOCUMENT, ""),
    path('["protocol"]', DOCUMENT, "HTTP/2.0"),
    path("a", '{"a": {"b": [1, 2.50 ], "c": null}}', '{"b":[1,2.50],"c":null}'),
    path("a.c", '{"a": {"c": null}}', ""),
    path("a", '{"a":true}', "true"),
    path('a.b["c d"][0].e', '{"a":{"b":{"c d":[{"e":"deep"}]}}}', "deep"),
    path('["a\\"b"]', '{"a\\"b":1}', "1"),
    path("a", r'{"a":"x\u00e9\n"}', "xé\n"),
    path("a", r'{"a":"\ud800"}', "\ufffd"),
    Case(
        '| json a="x", b="y.z"',
        (JsonParser((Extraction("a", "x"), Extraction("b", "y.z"))),),
        '{"x":1,"y":{"z":2},"w":3}',
        parsed={"a": "1", "b": "2"},
    ),
    Case(
        '| json app="x"',
        (JsonParser((Extraction("app", "x"),)),),
        '{"x":1}',
        parsed={"app_extracted": "1"},
    ),
    Case(
        '| json a="x"',
        (JsonParser((Extraction("a", "x"),)),),
        "no json",
        parsed={"a": "", **BAD_JSON},
    ),
    Case(
        '| json | json a="b", c="nothing"',
        (JSON, JsonParser((Extraction("a", "b"), Extraction("c", "nothing")))),
        '{"a":1,"b":2,"c":3}',
        parsed={"a": "2", "b": "2", "c": "3"},
    ),
]

LOGFMT_CASES = [
    logfmt(
        'at=info method=GET path=/ fwd="124.133.124.161" service=8ms status=200',
        at="info", method="GET", path="/", fwd="124.133.124.161", service="8ms", status="200",
    ),
    logfmt(""),
    logfmt("   "),
    logfmt("plain words only"),
    logfmt("a=1 b c=3", a="1", c="3"),
    logfmt('a=1 b= c="" d=4', a="1", d="4"),
    logfmt(r'm="say \"hi\"\n\t\\ \u00e9" n=1', m='say "hi"\n\t\\ é', n="1"),
    logfmt('m="two words" n=1', m="two words", n="1"),
    logfmt("a=1\tb=2\nc=3", a="1", b="2", c="3"),
    logfmt("a=1 a=2", a="1"),
    logfmt("a.b=1 c-d=2 1x=3", a_b="1", c_d="2", _1x="3"),
    logfmt("app=x trace_id=y", app_extracted="x", trace_id_extracted="y"),
    logfmt("__error__=x", __error___extracted="x"),
    logfmt("=v a=1", a="1"),
    logfmt("foo=bar=buzz a=1", a="1"),
    logfmt('fo"o=bar a=1', a="1"),
    logfmt('a=b"c d=1', d="1"),
    logfmt('a="b"c d=1', d="1"),
    logfmt('a=1 m="never ends b=2', a="1"),
    logfmt(r'a="\q" b=2', b="2"),
    logfmt('="x y" a=1', a="1"),
    logfmt("ключ=значение", ____="значение"),
    logfmt("url=http://h/?q", url="http://h/?q"),
    logfmt("a={x} b=[1,2]", a="{x}", b="[1,2]"),
    strict("a=1 b c=3", a="1", c="3"),
    strict('a="x y" b=2', a="x y", b="2"),
    strict("a=1 =v b=2", a="1", **BAD_LOGFMT),
    strict("a=1 foo=bar=buzz b=2", a="1", **BAD_LOGFMT),
    strict('a=1 fo"o=bar b=2', a="1", **BAD_LOGFMT),
    strict('a=1 m="never ends', a="1", **BAD_LOGFMT),
    strict(r'a=1 m="\q"', a="1", **BAD_LOGFMT),
    keep_empty('a=1 b c= d="" e=5', a="1", b="", c="", d="", e="5"),
    Case(
        "| logfmt --strict --keep-empty",
        (LogfmtParser(strict=True, keep_empty=True),),
        "a b=1 =",
        parsed={"a": "", "b": "1", **BAD_LOGFMT},
    ),
    Case(
        '| logfmt host, ip="fwd", none="nothing"',
        (
            LogfmtParser(
                extractions=(
                    Extraction("host", "host"),
                    Extraction("ip", "fwd"),
                    Extraction("none", "nothing"),
                )
            ),
        ),
        'at=info host=grafana.net fwd="1.2.3.4" status=200',
        parsed={"host": "grafana.net", "ip": "1.2.3.4", "none": ""},
    ),
    Case(
        '| logfmt a="b"',
        (LogfmtParser(extractions=(Extraction("a", "b"),)),),
        "b b=2 b=3",
        parsed={"a": ""},
    ),
    Case(
        "| logfmt --strict a",
        (LogfmtParser(strict=True, extractions=(Extraction("a", "a"),)),),
        "a=1 =x",
        parsed={"a": "1", **BAD_LOGFMT},
    ),
    Case(
        "| logfmt app",
        (LogfmtParser(extractions=(Extraction("app", "app"),)),),
        "app=x",
        parsed={"app_extracted": "x"},
    ),
]  # fmt: skip

NGINX = (
    '0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] "GET /api/plugins/versioncheck HTTP/1.1" 200 2 '
    '"-" "Go-http-client/2.0" "13.76.247.102, 34.120.177.193" "TLSv1.2" "US" ""'
)
OTHER_CASES = [
    regexp(
        r"(?P<method>\w+) (?P<path>[\w|/]+) \((?P<status>\d+?)\) (?P<duration>.*)",
        "POST /api/prom/api/v1/query_range (200) 1.5s",
        method="POST", path="/api/prom/api/v1/query_range", status="200", duration="1.5s",
    ),
    regexp(r"(?P<a>\d+)", "no digits"),
    regexp(r"x(?P<a>\d+)?", "x", a=""),
    regexp(r"(?P<a>.)(.)(?P<b>.)", "xyz", a="x", b="z"),
    regexp(r"(?P<a>é+)", "caféé!", a="éé"),
    regexp(r"(?P<app>\d+)", "7", app_extracted="7"),
    regexp(r"(?P<a>a.b)", "a\nb"),
    regexp(r"(?<a>\d)", "7", a="7"),
    Case(
        "| regexp `(?P<a>\\d)` | regexp `(?P<a>[a-z])`",
        (RegexpParser(r"(?P<a>\d)"), RegexpParser("(?P<a>[a-z])")),
        "1 b",
        parsed={"a": "1"},
    ),
    pattern(
        '<ip> - - <_> "<method> <uri> <_>" <status> <size> <_> "<agent>" <_>',
        NGINX,
        ip="0.191.12.2", method="GET", uri="/api/plugins/versioncheck", status="200", size="2",
        agent="Go-http-client/2.0",
    ),
    pattern(
        '<_> msg="<method> <path> (<status>) <latency>"',
        'level=debug msg="POST /loki/api/v1/push (204) 16.652862ms"',
        method="POST", path="/loki/api/v1/push", status="204", latency="16.652862ms",
    ),
    pattern("<a> <b>", "one", a="one"),
    pattern("<a> <b>", ""),
    pattern("<_> <b>", "one"),
    pattern("<a> <b>", "one ", a="one", b=""),
    pattern("<a> <b>", "one two three", a="one", b="two three"),
    pattern("<a> x <b>", "one y two", a="one y two"),
    pattern("<a> <b> x", "one two", a="one", b="two"),
    pattern("GET <a>", "POST x"),
    pattern("GET <a>", "GET x", a="x"),
    pattern("<_>GET <a>", "a GET x", a="x"),
    pattern("[<a>] [<b>]", "[1] [2]", a="1", b="2"),
    pattern('"<a>" <b>', '"" x', a="", b="x"),
    pattern("<a>,<a_2>", "1,2", a="1", a_2="2"),
    pattern("<1> <a>", "<1> x", a="x"),
    pattern("<app>", "x", app_extracted="x"),
    pattern("<a> ü <b>", "1 ü 2", a="1", b="2"),
    unpack(
        '{"container":"myapp","pod":"pod-3223f","_entry":"original log message"}',
        "original log message",
        container="myapp", pod="pod-3223f",
    ),
    unpack('{"a":"1","n":2,"f":1.5,"o":{"p":"q"},"l":["m"],"z":null,"_entry":"e"}', "e", a="1"),
    unpack('{"a":"1"}'),
    unpack('{"a":"1","_entry":7}'),
    unpack('{"app":"x","a-b":"y","_entry":""}', "", app_extracted="x", a_b="y"),
    unpack(r'{"_entry":"{\"a\":\"q\\\"\"}"}', '{"a":"q\\""}'),
    unpack("no json", __error__="JSONParserErr"),
    unpack('["a"]', __error__="JSONParserErr"),
    Case(
        "| unpack | json",
        (Unpack(), JSON),
        r'{"pod":"p","_entry":"{\"a\":1}"}',
        '{"a":1}',
        {"pod": "p", "a": "1"},
    ),
    Case(
        "| json | logfmt --strict",
        (JSON, LogfmtParser(strict=True)),
        "=x",
        parsed=BAD_LOGFMT,
    ),
]  # fmt: skip
CASES = [*JSON_CASES, *LOGFMT_CASES, *OTHER_CASES]
