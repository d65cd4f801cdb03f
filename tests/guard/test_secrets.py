"""Secrets by name and by place: the whole value goes, and nothing else."""

from __future__ import annotations

import json

import pytest

from .cleaning import clean, cleaned, count_rows, kinds

OUT = b"[redacted:secret]"

# "@" stands for the value in the table: where the value ends is the point.
FORMS = [
    # JSON
    (b'{"password":"@","x":1}', b"hunter2"),
    (b'{"password" : "@" , "x":1}', b"hunter2"),
    (b'{"password":"@","x":1}', b'hun\\"ter2'),
    (b'{"password":"@","x":1}', b"hun\\\\"),
    (b'{"password":"@","x":1}', b"a, b; c & d=e"),
    (b'{"password":"@","x":1}', b"{not json}"),
    (b'{"password":"@","x":1}', b"[1,2]x"),
    (b'{"password":"@","x":1}', b"[abc9"),
    (b'{"password":"@","x":1}', b"<abc9"),
    (b'{"password":"@","x":1}', b"{abc9"),
    (b'{"password":"@","x":1}', b"$ecret9"),
    (b"password=@ x=1", b"$ecret9"),
    (b'{"password":"@","x":1}', b"it's"),
    (b'{"password":"@","x":1}', "pässwörd ✓".encode()),
    (b'{"password":"@","x":1}', b"p\\u00e4ss"),
    (b'{"password":"@","x":1}', b"x\\ny"),
    (b'{"password":"@"}', b"4242"),
    (b'{"db_password":"@"}', b"x"),
    (b'{"dbPassword":"@"}', b"hunter2"),
    (b'{"DB_PASSWORD":"@"}', b"hunter2"),
    (b'{"client-secret":"@"}', b"hunter2"),
    (b'{"apiKey":"@"}', b"k3y-9"),
    (b'{"api_key":"@"}', b"k3y-9"),
    (b'{"x-api-key":"@"}', b"k3y-9"),
    (b'{"accessToken":"@"}', b"t0ken.9"),
    (b'{"refresh_token":"@"}', b"t0ken.9"),
    (b'{"a":{"secret":"@"},"b":[]}', b"hunter2"),
    (b'{"a":["secret",{"secret":"@"}]}', b"hunter2"),
    # JSON in JSON, at one to three levels
    (b'{"b":"{\\"password\\":\\"@\\"}"}', b"hunter2"),
    (b'{"b":"{\\"password\\":\\"@\\",\\"x\\":1}"}', b"a,b c"),
    (b'{"b":"{\\"password\\":\\"@\\"}"}', b'hun\\\\\\"ter2'),
    (b'{"b":"{\\"password\\": \\"@\\"}"}', b"end\\\\\\\\"),
    (b'{"b":"{\\"c\\":\\"{\\\\\\"password\\\\\\":\\\\\\"@\\\\\\"}\\"}"}', b"hunter2"),
    # logfmt
    (b"password=@ x=1", b"hunter2"),
    (b"pass=@ x=1", b"hunter2"),
    (b"a=1 pass=@ x=1", b"hunter2"),
    (b"dbpass=@ x=1", b"hunter2"),
    (b"#password=@ x=1", b"hunter2"),
    (b'password="@" x=1', b"hun ter2"),
    (b'password="@" x=1', b'hun\\"ter2'),
    (b"password='@' x=1", b"hun ter2"),
    (b"password='@' x=1", b'hun"ter2'),
    (b"a=1 db.password=@ x=1", b"hunter2,3"),
    (b"a=1, password=@, x=1", b"hunter2"),
    (b"a=1; password=@; x=1", b"hunter2"),
    (b"a=1;Password=@;x=1", b"hunter2"),
    (b"password=@", b"hunter2=="),
    (b"password=@", b"hunter2#$%^*"),
    (b"password=@ x=1", b"a/b+c"),
    (b"(password=@)", b"hunter2"),
    # YAML-like, prose and printed objects
    (b"password: @", b"hunter2"),
    (b"password: '@'", b"hun ter2"),
    (b"  password: @\x1e  user: x", b"hunter2"),
    (b"password => @, x", b"hunter2"),
    (b"{'password': '@', 'x': 1}", b"hunter2"),
    (b"{'password': '@', 'x': 1}", b'hun"ter2'),
    (b"{'password': \"@\", 'x': 1}", b"it's"),
    (b"{'password': b'@', 'x': 1}", b"hunter2"),
    (b"{'password': '@', 'x': 1}", b"hun\\'ter2"),
    (b"{:password=>\"@\", :x=>1}", b"hunter2"),
    (b"User(name=x, password=@, age=3)", b"hunter2"),
    (b"User(name='x', password='@', age=3)", b"hunter2"),
    (b"password is set; password=@", b"hunter2"),
    # URLs
    (b"GET /login?user=a&password=@ HTTP/1.1", b"hunter2"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"hunter2"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"p%23ss"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"p%40ss"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"my%20pass%40x"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"my%26pass%40x"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"my%3Dpass%26x"),
    (b"GET /login?password=@&user=a HTTP/1.1", b"my+pass"),
    (b"password%3D@", b"hunter2"),
    (b"GET /cb?next=%2Fl%3Fpassword%3D@%26x%3D1 HTTP/1.1", b"hunter2"),
    (b"postgres://app:@@db:5432/x", b"hunter2"),
    (b"postgres://app:@@db:5432/x", b"p:ss"),
    (b"redis://:@@cache", b"hunter2"),
    (b"amqp://app:@@mq/%2F", b"p%40ss"),
    (b'{"u":"https://bob:@@example.com/"}', b"hunter2"),
    # headers
    (b"Authorization: Bearer @", b"abcdefgh12345678"),
    (b"authorization: Basic @", b"amFuZTpodW50ZXIy"),
    (b'{"Authorization":"Bearer @"}', b"abcdefgh12345678"),
    (b"> X-Api-Key: @", b"0123456789abcdef"),
    (b'-H "Authorization: Bearer @"', b"abcdefgh12345678"),
    (b"X-Auth-Token: @", b"0123456789abcdef"),
    (b"['authorization', 'Bearer @']", b"abcdefgh12345678"),
    # command lines
    (b"mysql --password @ -h db", b"hunter2"),
    (b"mysql --password=@ -h db", b"hunter2"),
    (b'run --api-key "@" x', b"abc123"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "value"), FORMS)
def test_the_whole_secret_goes_and_nothing_else(form: bytes, value: bytes) -> None:
    at = form.rindex(b"@", 0, form.rindex(b"@")) if b"@@" in form else form.index(b"@")
    row = form[:at] + value + form[at + 1 :]
    assert cleaned(row) == form[:at] + OUT + form[at + 1 :]


@pytest.mark.parametrize(
    "document",
    [
        {"password": ["hunter2"]},
        {"password": {"value": "hunter2"}},
        {"passwords": ["hunter2", "x9"]},
        {"password": ["]hunter2"], "left": 1},
        {"password": {"a": "}", "b": "hunter2"}, "left": [1]},
        {"password": [1.5, "", ";] ", {"hunter2": "]"}], "left": {}},
        {"password": ["\t[", "hunter2"], "left": {"a": "}"}},
        {"body": json.dumps({"password": ["]hunter2", '"]']}), "left": 1},
        {"headers": {"Authorization": ["Bearer abcdefgh12345678"]}},
        {"headers": [{"name": "Authorization", "value": "Bearer abcdefgh12345678"}]},
    ],
    ids=str,
)
def test_a_secret_in_a_list_or_object_under_its_name_goes(document: dict[str, object]) -> None:
    row = cleaned(json.dumps(document).encode())
    assert json.loads(row).keys() == document.keys()
    assert b"hunter2" not in row
    assert b"abcdefgh12345678" not in row


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "value", ["hunter2", 'a"b', "a\\b", "tail\\", 'tail\\"', "a'b", "a,b c}d]", "ünïcode", "a\nb"]
)
def test_json_dumped_into_json_stays_json_at_every_level(levels: int, value: str) -> None:
    def wrapped(secret: str) -> str:
        text = json.dumps({"user": "bob", "password": secret, "left": 'x"y'})
        for _ in range(levels):
            text = json.dumps({"body": text, "n": 1})
        return text

    row = cleaned(wrapped(value).encode())
    assert json.loads(row) == json.loads(wrapped(OUT.decode()))


@pytest.mark.parametrize(
    "row",
    [
        b"password", b"password=", b"password: ", b'{"password":""}', b'{"password":null}',
        b"password=null", b"password=***", b"password=<hidden>", b"password=[FILTERED]",
        b"password={}", b"password=$PASSWORD", b"password=${DB_PASSWORD}", b"password=%s",
        b"password: required", b"password is invalid", b"password reset for bob",
        b"passwordless login", b"token_type=bearer", b"tokens=12", b'{"tokens":512}',
        b"max_tokens: 4096", b"monkey=banana", b"keyboard: us", b"compass: north", b"bypass=1",
        b"secretary: bob", b"password=#secret:k3j9x2m4q8zt7vwa", b"password=[redacted:secret]",
        b"authorization: denied", b"Bearer token", b"http://host:8080/a@b", b"primary_key=id",
        b'{"has_password":true}', b"partition key: 12", b"https://example.com/a:b",
    ],
)  # fmt: skip
def test_what_only_speaks_of_secrets_is_left(row: bytes) -> None:
    assert not kinds(row)


LONG = [
    (b'{"password":"@","x":1}', OUT),
    (b'password="@" x=1', OUT),
    (b"password=@ x=1", OUT),
    (b'{"body":"{\\"password\\":\\"@\\"}"}', OUT),
    (b"Authorization: Bearer @ x", OUT),
    (b"sent Bearer @ x", OUT),
    (b"sk" + b"_live_@ x", b"[redacted:api_key]"),
    (b"t " + b"eyJhbGciOiJIUzI1NiJ9.@.@ x", b"[redacted:jwt]"),
    (b"-----BEGIN " + b"PRIVATE KEY-----\\n@\\n-----END " + b"PRIVATE KEY----- x", b""),
]


@pytest.mark.parametrize("size", [300, 3_000, 6_000, 70_000])
@pytest.mark.parametrize(("form", "out"), LONG)
def test_nothing_of_a_long_secret_is_left(form: bytes, out: bytes, size: int) -> None:
    row = cleaned(form.replace(b"@", b"h9" * (size // 2)))
    assert b"h9h9" not in row
    assert out in row


def test_a_private_key_in_rows_of_its_own_goes_whole() -> None:
    body = [b"h9xQ" * 16 for _ in range(12)]
    rows = [
        b"-----BEGIN " + b"RSA PRIVATE KEY-----",
        *body,
        b"h9xQ=",
        b"-----END RSA " + b"PRIVATE KEY-----",
    ]
    data = b"\n".join([b"before", *rows, b"after"]) + b"\n"
    result = clean(data)
    assert b"h9xQ" not in result.data
    assert result.data.startswith(b"before\n")
    assert result.data.endswith(b"\nafter\n")
    assert result.rows + result.dropped == count_rows(data)
