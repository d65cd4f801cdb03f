"""A wrong setting is refused at start, by its name."""

from __future__ import annotations

import glob
from glob import has_magic
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.app import agent, config
from tailrace.app.paths import covers
from tailrace.core.errors import ConfigError
from tailrace.ship.gateways import Gateway


def load(tmp_path: Path, text: str, **environment: str) -> config.Config:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return config.load(path, environment)


def inputs(*paths: list[str]) -> str:
    return "".join(f"[[agent.inputs]]\npaths = {one}\n" for one in paths)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/var/log/*.log", "/var/log/x/a.log"),
        ("/var/log/*", "/var/log/.hidden"),
        ("/var/log/[ab].log", "/var/log/c.log"),
        ("/var/log/*.log", "/var/log/a*"),
    ],
)
def test_paths_that_do_not_meet_are_fine(tmp_path: Path, first: str, second: str) -> None:
    assert load(tmp_path, inputs([first], [second]))


def test_a_glob_may_exclude_what_another_input_names(tmp_path: Path) -> None:
    rest = "exclude = ['*/a.log']\n"
    assert load(tmp_path, inputs(["/var/log/a.log"], ["/var/log/*.log"]) + rest)


def test_one_input_may_name_a_path_twice(tmp_path: Path) -> None:
    assert load(tmp_path, inputs(["/var/log/a.log", "/var/log/*.log"]))


@given(
    st.lists(st.sampled_from(["a", "b.log", ".c"]), min_size=1, max_size=3),
    st.lists(
        st.sampled_from(["a", "*", "**", "*.log", ".*", "[ab]*", "?"]), min_size=1, max_size=4
    ),
)
def test_covers_is_what_glob_finds(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], pattern: list[str]
) -> None:
    root = tmp_path_factory.mktemp("glob")
    path = root.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    wanted = str(root.joinpath(*pattern))
    found = glob.glob(wanted, recursive=True)  # noqa: PTH207
    assert covers(wanted, str(path)) == (str(path) in found and has_magic(wanted))


def test_no_file_is_needed() -> None:
    assert config.load(None, {}).server.listen == "127.0.0.1:7480"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nlissten = 'x'", ["server", "lissten"]),
        ("[serverr]\n", ["serverr"]),
        ("[server]\nlisten = 7480", ["server.listen", "str"]),
        ("[server]\nlisten = 'nowhere'", ["server.listen", "HOST:PORT"]),
        ("[[agent.inputs]]\ntype = 'syslog'\nudp = '0.0.0.0:514'", ["inputs[0].udp", "password"]),
        ("[[agent.inputs]]\ntype = 'syslog'\nudp = ''\ntcp = ''", ["inputs[0]", "udp", "tcp"]),
        ("[[agent.inputs]]\ntype = 'otlp'\nlisten = ':4318'", ["inputs[0].listen", "HOST:PORT"]),
        ("[[agent.inputs]]\ntype = 'command'", ["inputs[0].command"]),
        ("[server]\ntoken = ' '", ["server.token"]),
        ("[backup]\ndirectory = 'backups'", ["backup.directory", "absolute"]),
        (
            "[server]\ndata_dir = '/d'\n[backup]\ndirectory = '/d/x/../b'",
            ["backup.directory", "within server.data_dir"],
        ),
        (
            "[archive]\ndirectory = '/a'\n[backup]\ndirectory = '/a'",
            ["backup.directory", "within archive.directory"],
        ),
        ("[server]\ntls_key = 'a'", ["server.tls_key", "server.tls_cert"]),
        ("[server]\ntls_client_ca = 'a'", ["server.tls_client_ca", "server.tls_cert"]),
        ("[server]\nauth = 'none'", ["server.auth", "none"]),
        ("[server]\ntoken = 'a'\ntoken_file = 'b'", ["server.token_file"]),
        ("[server]\ncontrol = '/var/lib/control'", ["server.control", "postgresql://USER@HOST"]),
        ("[server]\ncontrol = 'postgresql://a:b@c/d'", ["server.control", "password_file"]),
        ("[server]\ncontrol_password_file = 'a'", ["server.control_password_file", "set it"]),
        ("[queue]\nmax_size = '8 gigs'", ["queue.max_size", "GiB"]),
        ("[archive]\nstep = '5MiB'", ["archive.step", "ms"]),
        ("[[agent.inputs]]\npaths = []", ["agent.inputs[0].paths"]),
        ("[[agent.inputs]]\npaths = ['/a']\nunits = ['x']", ["agent.inputs[0]", "units"]),
        ("[[agent.inputs]]\ntype = 'journal'\ncodec = 'records'", ["agent.inputs[0]", "codec"]),
        ("[[agent.inputs]]\ntype = 'journals'", ["agent.inputs[0].type", "journals"]),
        (
            "[[agent.inputs]]\npaths = ['/a']\nsample = 0.3",
            ["agent.inputs[0].sample", "1/4", "1/3"],
        ),
        (
            "[[agent.inputs]]\npaths = ['/a']\ndrop = ['(']",
            ["agent.inputs[0].drop", "unterminated"],
        ),
        (
            "[[agent.inputs]]\npaths = ['/a']\nkeep = { patterns = ['(?=a)b'] }",
            ["agent.inputs[0].keep.patterns", "lookaround"],
        ),
        ("[[agent.inputs]]\ntype = 'host'\ninterval = 5", ["agent.inputs[0].interval", "30s"]),
        (2 * "[[agent.inputs]]\ntype = 'journal'\n", ["agent.inputs[1]", "agent.inputs[0]"]),
        (
            "[[agent.inputs]]\npaths = ['/a']\n[[agent.inputs]]\npaths = ['/a']",
            ["agent.inputs[1].paths", "/a", "agent.inputs[0]"],
        ),
        (inputs(["/var/log/a.log"], ["/var/log/*.log"]), ["inputs[0]", "inputs[1]", "*.log"]),
        (inputs(["/var/**/*.log"], ["/var/log/x/a.log"]), ["inputs[0]", "inputs[1]"]),
        (inputs(["/var/log/a"], ["/var/log/x/../a"]), ["inputs[1]", "/x/../a", "'/var/log/a'"]),
        (inputs(["/var/log//*"], ["/var/log/*"]), ["inputs[1]"]),
        (inputs(["logs/a"], ["./logs/a"]), ["inputs[1]"]),
        ("[server\n", ["TOML"]),
        ("[agent]\nlisten = '0.0.0.0:7481'", ["agent.listen", "127.0.0.1"]),
        ("[agent]\nlisten = '7481'", ["agent.listen", "HOST:PORT"]),
        ("[agent]\nannounce = '1ms'", ["agent.announce", "100ms"]),
        ("[agent]\nannounce = '2h'", ["agent.announce", "1h"]),
        ("[agent]\nresource = { a = 1 }", ["agent.resource", "str"]),
        ("[agent]\ngateways = ['a:1']", ["agent.gateways", "a:1"]),
        ("[agent]\ngateways = [{ url = 'http://a', zome = 'x' }]", ["agent.gateways", "zome"]),
        ("[agent]\nspool_full = 'drop'", ["agent.spool_full", "drop"]),
        ("[agent]\nbulk_window = '1-5'", ["agent.bulk_window", "01:00-05:00"]),
        ("[agent]\nbulk_jitter = '30m'", ["agent.bulk_jitter", "agent.bulk_window"]),
        ("[agent]\ntls_key = 'a.key'", ["agent.tls_key", "agent.tls_cert"]),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "[server]\nlisten = '127.0.0.1:1'",
        TAILRACE_SERVER__LISTEN="127.0.0.1:2",
        TAILRACE_AGENT__GATEWAYS="['http://127.0.0.1:3']",
    )
    assert config.address(found) == ("127.0.0.1", 2)
    assert found.agent.gateways == ["http://127.0.0.1:3"]


def test_a_gateway_is_a_url_or_a_table(tmp_path: Path) -> None:
    text = "[agent]\ngateways = ['http://a:1', { url = 'http://b:1', zone = 'eu-1a' }]"
    for found in (
        load(tmp_path, text),
        load(tmp_path, "", TAILRACE_AGENT__GATEWAYS=text.partition("gateways = ")[2]),
    ):
        assert found.agent.gateways == ["http://a:1", Gateway("http://b:1", "eu-1a")]
        assert config.shown(found)["agent"]["gateways"][1]["zone"] == "eu-1a"


def test_an_address_in_brackets_is_not_a_list() -> None:
    found = config.load(None, {"TAILRACE_SERVER__LISTEN": "[::1]:7480"})
    assert config.address(found) == ("::1", 7480)
    assert config.url(found) == "http://[::1]:7480"


def test_an_unknown_override_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TAILRACE_SERVER__LISTEM"):
        load(tmp_path, "", TAILRACE_SERVER__LISTEM="x")


def test_what_a_person_says_of_the_machine_goes_before_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"host.name": "h", "cloud.region": "found", "os.type": "linux", "team": "found"}
    monkeypatch.setattr(agent, "identity", lambda: found)
    text = (
        "[agent]\nsystem = 'shop'\nregion = 'said'\nenvironment = 'production'\n"
        "[agent.resource]\n'team' = 'said'\n'os.type' = ''\n"
    )
    settings = agent.agent_settings(load(tmp_path, text), tmp_path)
    assert settings.resource == {
        "system": "shop",
        "cloud.region": "said",
        "deployment.environment": "production",
        "team": "said",
        "host.name": "h",
    }


@pytest.mark.parametrize(
    ("text", "required"),
    [
        ("", False),
        ("listen = '[::1]:1'", False),
        ("listen = 'localhost:1'\ntls_cert = 'a'", False),
        ("listen = '0.0.0.0:1'", True),
        ("listen = '[::]:1'", True),
        ("listen = 'logs.example.com:1'", True),
        ("auth = 'required'", True),
        ("token = 'a'", True),
        ("token_file = 'a'", True),
    ],
)
def test_a_token_is_required_as_documented(tmp_path: Path, text: str, required: bool) -> None:
    found = load(tmp_path, f"[server]\n{text}")
    host, _ = config.address(found)
    assert config.requires_token(found.server, host) is required


def test_the_servers_own_address_follows_its_tls(tmp_path: Path) -> None:
    assert config.url(load(tmp_path, "[server]\ntls_cert = 'a'")) == "https://127.0.0.1:7480"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    found = load(tmp_path, "[server]\ntoken = 'open sesame'")
    assert "sesame" not in str(config.shown(found))


def test_a_password_in_the_address_of_the_control_store_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "", TAILRACE_SERVER__CONTROL="postgresql://tailrace:sesame@db/tailrace")
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("1d", 86_400), ("36h", 129_600)])
def test_rows_stay_hot_for_ever_or_at_least_a_day(
    tmp_path: Path, text: str, seconds: float
) -> None:
    assert load(tmp_path, f'[store]\nkeep = "{text}"\n').store.keep == seconds


@pytest.mark.parametrize("text", ["1s", "23h"])
def test_a_day_is_dropped_whole_or_not_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.keep: at least"):
        load(tmp_path, f'[store]\nkeep = "{text}"\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[server]\nlog_level = "TRACE"',
            "server.log_level: 'TRACE' is none of DEBUG, ERROR, INFO, WARNING",
        ),
        ('[limits]\nover = "x"', "limits.over: 'x' is none of divert, refuse"),
        (
            '[[limits.tenants]]\nname = "a"\nover = "x"',
            "limits.tenants[0].over: 'x' is none of divert, refuse",
        ),
        (
            '[[agent.inputs]]\ntype = "file"',
            "agent.inputs[0].type: 'file' is none of files, journal, syslog, otlp, stdin, command, "
            "prometheus, rest, host, redis",
        ),
        (
            '[[agent.inputs]]\ncodec = "json"',
            "agent.inputs[0].codec: 'json' is none of lines, mysql, postgresql, records",
        ),
        ('[server]\nlisen = "x"', "server.lisen: no such setting; is it listen?"),
        ('[sever]\nlisten = "x"', "sever: no such setting; is it server?"),
        ('[[agent.inputs]]\npath = ["a"]', "agent.inputs[0].path: no such setting; is it paths?"),
        ('[[agent.gateways]]\nuri = "a"', "agent.gateways[0].uri: no such setting; is it url?"),
        (
            "[limits.services.web]\nx = 1",
            "limits.services[...].x: no such setting; there are bytes_per_second, rows_per_second",
        ),
        ("[server]\nlisten = 7480", "server.listen: expected `str`, got `int`"),
        ('server = "x"', "server: expected `object`, got `str`"),
        ("[[agent.inputs]]\ntype = 1", "agent.inputs[0].type: expected `str`, got `int`"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, text)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("section", "key", "least", "less"),
    [
        ("queue", "max_size", "1MiB", "0B"),
        ("store", "memory", "64MiB", "63MiB"),
        ("agent", "spool", "64KiB", "0B"),
        ("agent", "poll_interval", "10ms", "0s"),
        ("agent", "flush_interval", "10ms", "9ms"),
    ],
)
def test_what_is_too_small_to_work_names_the_least(
    tmp_path: Path, section: str, key: str, least: str, less: str
) -> None:
    assert load(tmp_path, f'[{section}]\n{key} = "{least}"')
    with pytest.raises(ConfigError, match=f'^{section}.{key}: at least "{least}"$'):
        load(tmp_path, f'[{section}]\n{key} = "{less}"')


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SERVER__LOG_LEVEL", "TRACE", "TAILRACE_SERVER__LOG_LEVEL: 'TRACE' is none of DEBUG, "),
        ("SERVER__LISEN", "x", "TAILRACE_SERVER__LISEN: no such setting; is it "),
        ("LISTEN", "x", "TAILRACE_LISTEN: no such setting; "),
    ],
)
def test_a_variable_of_the_environment_is_named_by_its_own_name(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, "", **{f"TAILRACE_{name}": value})
    assert str(refused.value).startswith(said)


def test_a_variable_below_what_is_no_table_is_an_error_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^server: expected `object`, got `str`$"):
        load(tmp_path, 'server = "x"', TAILRACE_SERVER__LISTEN="127.0.0.1:1")


def test_a_file_that_is_no_text_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "tailrace.toml"
    path.write_bytes(b'[server]\nlisten = "\xff"\n')
    with pytest.raises(ConfigError, match=r"tailrace\.toml, line 2: TOML is UTF-8"):
        config.load(path, {})


def test_receivers_of_alerts_are_checked_and_their_secrets_not_shown(tmp_path: Path) -> None:
    hook = '[[alerts.receivers]]\nname = "h"\nkind = "webhook"\nurl = "https://h.example/s3cret"\n'
    assert "s3cret" not in str(config.shown(load(tmp_path, hook)))
    with pytest.raises(ConfigError, match=r"^alerts\.routes\[0\]\.receiver: 'nobody'"):
        load(tmp_path, hook + '[[alerts.routes]]\nreceiver = "nobody"\n')
