"""docs/openapi.json against the real command: whatever is sent is answered as documented.

schemathesis makes the requests: what the description allows, and what it does not.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import bodies
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mutations import mutated
from running import Server
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tailrace.core import limits
from tailrace.core.payload import compress

DESCRIPTION = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ANSWER_S = 30.0
# With a longer URL a request may be refused before anybody looks at what it is.
URL_BYTES = limits.HEAD_BYTES - 2_000
TAIL = "/loki/api/v1/tail"
NEVER_SERVED = "/api/metrics/{name}"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
JSON, PROTOBUF = "application/json", "application/x-protobuf"
REMOTE2 = f"{PROTOBUF};proto=io.prometheus.write.v2.Request"

# path and media type -> bodies that it takes
BODIES: dict[tuple[str, str], tuple[bytes, ...]] = {
    ("/ingest/lines", "text/plain"): bodies.LINES,
    ("/ingest/records", "application/x-ndjson"): bodies.RECORDS,
    ("/ingest/frames", "application/x-tailrace-frames"): bodies.FRAMES,
    ("/loki/api/v1/push", JSON): bodies.LOKI_JSON,
    ("/loki/api/v1/push", PROTOBUF): bodies.LOKI_PROTOBUF,
    ("/api/v1/write", PROTOBUF): bodies.REMOTE,
    ("/api/v1/write", REMOTE2): bodies.REMOTE2,
    **{
        (f"{prefix}/v1/{signal}", media_type): several[signal]
        for prefix in ("", "/otlp")
        for media_type, several in ((JSON, bodies.OTLP_JSON), (PROTOBUF, bodies.OTLP_PROTOBUF))
        for signal in several
    },
    ("/_bulk", "application/x-ndjson"): bodies.BULK,
    ("/services/collector", JSON): bodies.HEC,
    ("/services/collector/raw", "text/plain"): bodies.LINES,
    ("/agents/announce", JSON): bodies.ANNOUNCEMENT,
}
# These are blocks of snappy unless they have another encoding.
BLOCKS = {key for key in BODIES if key[0] in ("/loki/api/v1/push", "/api/v1/write")} - {
    ("/loki/api/v1/push", JSON)
}
# /otlp is answered by the same code.
BROKEN = [key for key in BODIES if not key[0].startswith("/otlp/")]
ALL_BODIES = tuple(body for several in BODIES.values() for body in several)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": compress,
}


def packed(path: str, media_type: str, encoding: str, body: bytes) -> bytes:
    block = encoding == "identity" and (path, media_type) in BLOCKS
    return bodies.snappy(body) if block else PACKED[encoding](body)


LOGQL = [
    '{service_name="shop"}', '{service_name=~".+"} |= "a" != "b" |~ "c.*" !~ "d"',
    'sum by (level) (count_over_time({service_name=~".+"}[5m]))', "vector(1)+vector(1)",
    'rate({app="shop", host_name!="x"} |= `"` [1m] offset 1h)', '{service_name=~"(a+)+$"}',
    'max without (host_name) (bytes_rate({level=~"(?i)error"}[90s]))', '{a="\\u0000"}', "{}",
    'topk(3, rate({a="b"}[1m]))', '{a="b"} | json', '{a=~"["}', "(" * 500, '{a="' + "x" * 9000,
]  # fmt: skip
PROMQL = [
    "system_cpu_time", 'system_cpu_time{cpu="0", host_name=~"h.*"}', "1+1", "1e308 + 1e308",
    '{"system.cpu.time", "host.name"="h1"}', "sum by (cpu) (rate(system_cpu_time[5m]))",
    "increase(size_bucket[1h])", 'count(system_cpu_time{le=""})', '{__name__=~".*"}', "{}",
    "up @ 5", "up[5m:1m]", '{a="b" or c="d"}', '{a=~"["}', '{"\\x00"="\\ud800"}', "(" * 500,
]  # fmt: skip
SQL = [
    "SELECT ServiceName, count() AS n FROM logs GROUP BY ServiceName",
    "SELECT * FROM spans LIMIT 3", "SELECT 0/0 AS nothing, '{p0:String}'",
    "SELECT Body FROM logs WHERE Body LIKE '%\\'%' OR Body = '\u2028'", "SELECT * FROM metrics",
    "WITH x AS (SELECT * FROM series) SELECT * FROM x", "SELECT toUInt8('x')", "SELECT 1 AS `a b`",
    "SELECT * FROM system.tables", "SELECT file('x')", "SELECT {x:String}", "(" * 500, "SELECT '\\",
    "SELECT 1; SELECT 2", "SELECT * FROM logs SETTINGS readonly = 0", "SELECT '\u0000'",
]  # fmt: skip

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
schemathesis.serializer.alias("application/sql", "text/plain")
for _media_type in ("application/x-tailrace-frames", PROTOBUF, REMOTE2):
    schemathesis.openapi.media_type(_media_type, st.sampled_from(ALL_BODIES) | st.binary())
schemathesis.openapi.format("logql", st.sampled_from(LOGQL))
schemathesis.openapi.format("promql", st.sampled_from(PROMQL))
schemathesis.openapi.format("sql", st.sampled_from(SQL))


def quick(examples: int) -> settings:
    """The same requests at every run. Shrinking would take longer than reading a request."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


API = json.loads(DESCRIPTION.read_text())
SHARED = {f"#/components/pathItems/{k}": v for k, v in API["components"]["pathItems"].items()}
# Each path with its operations by method; some paths share theirs.
PATHS = {path: SHARED.get(item.get("$ref"), item) for path, item in API["paths"].items()}
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in PATHS.items()
    for method, operation in item.items()
}
# Those that paths share are asked at one of them. What is never served cannot succeed.
FIRST = list(
    {
        id(operation): label
        for label, operation in reversed(OPERATIONS.items())
        if "501" not in operation["responses"]
    }.values()
)


class Api:
    """The server, and how often each operation was answered with what."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.schema = schemathesis.openapi.from_path(DESCRIPTION)
        self.answers: Counter[tuple[str, int]] = Counter()
        self._session = requests.Session()

    def ask(self, case: schemathesis.Case, **sent: Any) -> int:
        """The status of an answer, which is as it is documented; `sent` replaces parts of it."""
        base_url = f"http://127.0.0.1:{self.server.port}"
        if case.path == TAIL and case.method == "GET":
            answer = case.call(base_url, headers=UPGRADE, timeout=ANSWER_S)
        else:
            answer = case.call(base_url, self._session, timeout=ANSWER_S, **sent)
        if len(str(answer.request.url)) > URL_BYTES:
            assert answer.status_code < 500
        elif answer.status_code != 101:
            case.validate_response(answer, checks=CHECKS)
        self.answers[case.operation.label, answer.status_code] += 1
        return int(answer.status_code)

    def post(self, path: str, media_type: str, encoding: str, body: bytes) -> int:
        headers = {"Content-Encoding": encoding, "Content-Type": media_type}
        return self.ask(self.schema[path]["POST"].Case(), data=body, headers=headers)

    def close(self) -> None:
        self._session.close()
        self.server.kill()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("api")
    server = Server(home, TAILRACE_BACKUP__DIRECTORY=str(home / "backups"))
    server.start()
    found = Api(server)
    yield found
    found.close()


@pytest.mark.parametrize(("path", "media_type"), BODIES)
@pytest.mark.parametrize("encoding", PACKED)
def test_a_valid_body_is_taken(api: Api, path: str, media_type: str, encoding: str) -> None:
    for body in BODIES[path, media_type]:
        status = api.post(path, media_type, encoding, packed(path, media_type, encoding, body))
        assert status in (200, 204), body


def ask_anything(api: Api, label: str, asked: settings) -> None:
    """What the description allows, and what it does not."""
    method, path = label.split()
    operation = api.schema[path][method]
    cases = operation.get_strategies_from_examples()
    cases += [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @asked
    @given(st.one_of(cases))
    def run(case: schemathesis.Case) -> None:
        api.ask(case)

    run()


def test_what_was_sent_is_found(api: Api) -> None:
    """So that answers to queries hold something whose form can be wrong."""
    span = "start=1790000000&end=1790000060&step=15"
    line = f"/loki/api/v1/query_range?{span}&query={quote(LOGQL[0])}"
    sample = f"/api/v1/query_range?{span}&query={PROMQL[0]}"
    for path in (line, sample):
        api.server.until(lambda: bool(api.server.get(path).json()["data"]["result"]), path)  # noqa: B023
    api.server.until(lambda: api.server.get(f"/api/traces/{bodies.TRACE}").status == 200, "a trace")


@pytest.mark.parametrize("label", FIRST)
def test_any_request_is_answered_as_documented(api: Api, label: str) -> None:
    ask_anything(api, label, quick(4))


@pytest.mark.soak
@pytest.mark.parametrize("label", FIRST)
def test_many_requests_are_answered_as_documented(api: Api, label: str) -> None:
    ask_anything(api, label, settings(quick(100), derandomize=False))


@pytest.mark.soak
def test_every_bound_of_every_parameter_is_answered_as_documented(api: Api) -> None:
    """The bounds are tried one by one, some 2,000 requests, by schemathesis' own command."""
    url = f"http://127.0.0.1:{api.server.port}"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(DESCRIPTION),
               "--url", url, "--phases", "coverage", "--exclude-path", TAIL, "--exclude-path",
               NEVER_SERVED, "--no-color",
               "--checks", ",".join(check.__name__ for check in CHECKS)]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, cwd=api.server.home)
    assert found.returncode == 0, found.stdout + found.stderr


def break_bodies(api: Api, path: str, media_type: str, asked: settings) -> None:
    """A broken body, within and around its compression."""
    sound = mutated(BODIES[path, media_type], ALL_BODIES)

    @asked
    @given(sound, st.sampled_from([*PACKED, "x-gzip", "br", "gzip, zstd", ""]), st.data())
    def run(body: bytes, encoding: str, data: st.DataObject) -> None:
        sent = packed(path, media_type, data.draw(st.sampled_from(list(PACKED))), body)
        if data.draw(st.booleans()):
            sent = data.draw(mutated([sent], ALL_BODIES))
        api.post(
            path, data.draw(st.sampled_from([media_type, JSON, "text/odd; q=x"])), encoding, sent
        )

    run()


@pytest.mark.parametrize(("path", "media_type"), BROKEN)
def test_a_broken_body_is_answered_as_documented(api: Api, path: str, media_type: str) -> None:
    break_bodies(api, path, media_type, quick(10))


@pytest.mark.soak
@pytest.mark.parametrize(("path", "media_type"), BROKEN)
def test_many_broken_bodies_are_answered_as_documented(
    api: Api, path: str, media_type: str
) -> None:
    break_bodies(api, path, media_type, settings(quick(500), derandomize=False))


def test_another_method_is_refused_with_those_that_are_not(api: Api) -> None:
    for path, described in PATHS.items():
        for method in {"get", "post", "put", "delete", "patch"} - set(described):
            answer = api.server.request(method.upper(), path)
            # A name alone may be that of an index, which Elasticsearch's clients PUT.
            index = path == "/{index}" or (method == "put" and path.count("/") == 1)
            if path != TAIL and not index:
                assert answer.status == 405, (method, path)
                allowed = {name.strip().lower() for name in answer.headers["allow"].split(",")}
                assert allowed - {"head"} == set(described)


def test_a_finding_is_asked_for_by_its_id(api: Api) -> None:
    def found() -> list[dict[str, str]]:
        listed: list[dict[str, str]] = api.server.get("/api/v1/findings?service=pay").json()[
            "findings"
        ]
        return listed

    api.server.request("POST", "/ingest/lines?service=pay", b"card 4111 1111 1111 1111\n")
    api.server.until(lambda: bool(found()), "a finding")
    case = api.schema["/api/v1/findings/{id}"]["GET"].Case(path_parameters={"id": found()[0]["id"]})
    assert api.ask(case) == 200


GROUP = b"name: shop\nrules: [{alert: Lines, expr: 'count_over_time({a=\"b\"}[1m]) > 1'}]\n"


@pytest.mark.parametrize(
    "prefix", ["/loki/api/v1/rules", "/api/prom/rules", "/prometheus/config/v1/rules"]
)
def test_a_group_of_rules_is_kept_shown_and_taken_away(api: Api, prefix: str) -> None:
    def asked(method: str, path: str, **sent: Any) -> int:
        names = {name: "shop" for name in ("folder", "group") if f"{{{name}}}" in path}
        return api.ask(api.schema[prefix + path][method].Case(path_parameters=names), **sent)

    def put() -> int:
        return asked("POST", "/{folder}", data=GROUP, headers={"Content-Type": "application/yaml"})

    assert put() == 202
    assert [asked("GET", path) for path in ("", "/{folder}", "/{folder}/{group}")] == [200] * 3
    assert asked("DELETE", "/{folder}/{group}") == 202
    assert put() == 202
    assert asked("DELETE", "/{folder}") == 202


def test_a_silence_is_kept_shown_and_ended(api: Api) -> None:
    silence = {
        "matchers": [{"name": "alertname", "value": "Lines", "isRegex": False}],
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2036-01-01T00:00:00Z",
        "createdBy": "somebody",
        "comment": "",
    }
    put = api.schema["/api/v2/silences"]["POST"].Case(media_type="application/json")
    assert api.ask(put, json=silence) == 200
    [kept] = api.server.get("/api/v2/silences").json()
    for method in ("GET", "DELETE"):
        case = api.schema["/api/v2/silence/{id}"][method].Case(path_parameters={"id": kept["id"]})
        assert api.ask(case) == 200


def test_every_operation_was_answered_with_success(api: Api) -> None:
    """But for what is described to be refused always, with the reason, and for dead letters, which
    no request makes: test_deadletters.py asks for those."""
    good = (101, 200, 202, 204)
    never = {one for one in FIRST if not {*map(str, good)} & OPERATIONS[one]["responses"].keys()}
    assert never == {"POST /api/v2/alerts"}
    letters = {f"GET /api/v1/deadletters/{{id}}{what}" for what in ("", "/payload")}
    assert letters < set(FIRST)
    answered = {label for label, status in api.answers if status in good}
    assert set(FIRST) - never - letters <= answered


def test_the_process_lives_and_its_log_tells_of_no_failure(api: Api) -> None:
    assert api.server.get("/health").status == 200
    assert api.server.stop() == 0
    log = (api.server.home / "server.log").read_text().splitlines()
    assert [line for line in log if "Traceback" in line] == []


def token(server: Server, scope: str) -> str:
    command = [str(Path(sys.executable).with_name("tailrace")), "token", "create", "--name", "x"]
    command += ["--tenant", "one", "--scope", scope]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server that asks everyone, and a token for each scope."""
    server = Server(tmp_path, TAILRACE_SERVER__AUTH="required")
    tokens = {scope: token(server, scope) for scope in ("ingest", "query", "admin")}
    server.start()
    yield server, tokens
    server.kill()


def test_a_token_opens_what_the_description_says(guarded: tuple[Server, dict[str, str]]) -> None:
    server, tokens = guarded
    for label, operation in OPERATIONS.items():
        method, path = label.split()
        named = {name for way in operation["security"] for names in way.values() for name in names}
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic eDp5"}):
            answer = server.request(method, path, headers=headers)
            assert (answer.status in (401, 403)) == bool(named), label
        for scope, secret in tokens.items():
            answer = server.request(method, path, headers={"Authorization": f"Bearer {secret}"})
            refused = bool(named) and scope not in named and path != TAIL
            assert (answer.status == 403) == refused, (label, scope)
