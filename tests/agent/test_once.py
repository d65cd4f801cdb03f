"""The real commands `tailrace run` and `tailrace ship`, as a shell calls them."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeGateway

from tailrace.app.once import _folder
from tailrace.core.payload import expand

TAILRACE = str(Path(sys.executable).with_name("tailrace"))
AWAY = "http://127.0.0.1:1"
Call = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def call(environment: dict[str, str]) -> Call:
    def run(*words: str, data: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [TAILRACE, *words], input=data, capture_output=True, env=environment, timeout=40,
            check=False, **options,
        )  # fmt: skip

    return run


@pytest.fixture
def begin(environment: dict[str, str]) -> Callable[..., subprocess.Popen[bytes]]:
    def run(*words: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [TAILRACE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            **options,
        )  # fmt: skip

    return run


def by_stream(gateway: FakeGateway) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for _, frame in sorted(gateway.taken.items(), key=lambda item: item[0][1:]):
        stream = frame.header.resource.get("log.iostream", "")
        lines = expand(frame.payload, frame.header.bytes).splitlines()
        found.setdefault(stream, []).extend(lines)
    return found


def test_a_command_is_shown_shipped_and_its_status_kept(call: Call, gateway: FakeGateway) -> None:
    script = "cat; echo err >&2; printf last; exit 7"
    done = call("run", "--gateway", gateway.url, "--", "sh", "-c", script, data=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"in\nlast", b"err\n")
    assert by_stream(gateway) == {"stdout": [b"in", b"last"], "stderr": [b"err"]}
    (service,) = {frame.header.resource["service.name"] for frame in gateway.taken.values()}
    assert service == "sh"


def test_quiet_shows_nothing_and_a_service_is_named(call: Call, gateway: FakeGateway) -> None:
    words = ["run", "--quiet", "--service", "../web", "--gateway", gateway.url, "--", "echo", "x"]
    done = call(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (frame,) = gateway.taken.values()
    assert frame.header.resource["service.name"] == "../web"


def test_a_hundred_thousand_lines_pass_unchanged_and_arrive(
    call: Call, gateway: FakeGateway
) -> None:
    done = call("run", "--gateway", gateway.url, "--", "seq", "1", "100000")
    expected = [b"%d" % number for number in range(1, 100_001)]
    assert done.stdout.splitlines() == expected
    assert by_stream(gateway)["stdout"] == expected


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["sh", "-c", "kill -KILL $$"], 137),
        (["sh", "-c", "kill -SEGV $$"], 139),
        (["no-such-command"], 127),
        ([], 2),
    ],
)
def test_exit_statuses_are_those_of_a_shell(
    call: Call, gateway: FakeGateway, words: list[str], status: int
) -> None:
    assert call("run", "--gateway", gateway.url, "--", *words).returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_are_passed_on_once(
    begin: Callable[..., Any], gateway: FakeGateway, number: signal.Signals
) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 5' {name}; echo up; while :; do sleep 0.02; done"
    process = begin("run", "--gateway", gateway.url, "--", "sh", "-c", script)
    assert process.stdout.readline() == b"up\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (5, b"got %s\n" % name.encode(), b"")
    assert by_stream(gateway)["stdout"] == [b"up", b"got %s" % name.encode()]


def test_ctrl_c_on_a_terminal_reaches_the_command_once(
    begin: Callable[..., Any], gateway: FakeGateway
) -> None:
    master, slave = pty.openpty()
    script = (
        "n=0; trap 'n=$((n+1)); echo int $n' INT; echo up; for i in 1 2 3 4 5 6 7 8; "
        "do sleep 0.05; done; exit $n"
    )
    process = begin(
        "run", "--gateway", gateway.url, "--", "sh", "-c", script, stdin=slave,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    assert process.stdout.readline() == b"up\n"
    os.write(master, b"\x03")
    out, _ = process.communicate(timeout=20)
    os.close(master)
    os.close(slave)
    assert (process.returncode, out) == (1, b"int 1\n")


def test_a_reader_that_goes_away_ends_the_command(
    begin: Callable[..., Any], gateway: FakeGateway
) -> None:
    process = begin("run", "--gateway", gateway.url, "--", "yes")
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    assert process.wait(20) == 128 + signal.SIGPIPE
    process.stderr.close()


def test_without_a_gateway_the_command_runs_and_the_next_one_ships(
    call: Call, gateway: FakeGateway, tmp_path: Path
) -> None:
    words = ["run", "--service", "job", "--wait", "100ms"]
    done = call(*words, "--gateway", AWAY, "--", "echo", "first")
    assert (done.returncode, done.stdout) == (0, b"first\n")
    assert done.stderr == (
        b"tailrace: not all was sent; the rest is kept in "
        + str(tmp_path / "state/tailrace/once/job/0").encode() + b"\n"
    )  # fmt: skip
    done = call(*words, "--wait", "10s", "--gateway", gateway.url, "--", "echo", "second")
    assert (done.returncode, done.stderr) == (0, b"")
    assert by_stream(gateway)["stdout"] == [b"first", b"second"]
    assert gateway.gaps() == 0


def test_two_at_a_time_do_not_clash(
    begin: Callable[..., Any], call: Call, gateway: FakeGateway, tmp_path: Path
) -> None:
    words = ["run", "--service", "job", "--gateway", gateway.url, "--"]
    first = begin(*words, "sh", "-c", "echo one; read x", stdin=subprocess.PIPE)
    assert first.stdout.readline() == b"one\n"
    assert call(*words, "echo", "two").returncode == 0
    first.communicate(b"x\n", timeout=20)
    assert sorted(by_stream(gateway)["stdout"]) == [b"one", b"two"]
    folders = (tmp_path / "state/tailrace/once/job").iterdir()
    assert {path.name for path in folders} == {"0", "0.lock", "1", "1.lock"}


def test_a_full_spool_slows_the_command_and_loses_nothing(
    begin: Callable[..., Any], environment: dict[str, str], gateway: FakeGateway
) -> None:
    environment["TAILRACE_AGENT__SPOOL"] = "64KiB"
    gateway.judge = lambda found: 503
    script = (
        "import os\nfor n in range(90): os.write(1, os.urandom(50_000).hex().encode() + b'\\n')"
    )
    words = ["--quiet", "--gateway", gateway.url, "--", sys.executable, "-c", script]
    process = begin("run", *words)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    gateway.judge = lambda found: 200
    assert process.wait(30) == 0
    process.stdout.close()
    process.stderr.close()
    assert len(by_stream(gateway)["stdout"]) == 90


def test_standard_input_is_shipped_to_its_last_line(call: Call, gateway: FakeGateway) -> None:
    words = ["ship", "--service", "web", "--gateway", gateway.url]
    done = call(*words, data=b"one\ntwo")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = call(*words, "--codec", "records", data=b'{"body":"three"}\n')
    assert gateway.lines() == [b"one", b"two", b'{"body":"three"}']


def test_standard_input_may_be_a_file(
    begin: Callable[..., Any], gateway: FakeGateway, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(b"line\n" * 1000)
    with (tmp_path / "a.log").open("rb") as file:
        process = begin("ship", "--gateway", gateway.url, stdin=file)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(gateway.lines()) == 1000


def test_what_ship_cannot_send_is_kept_and_said(call: Call, gateway: FakeGateway) -> None:
    done = call("ship", "--gateway", AWAY, "--wait", "100ms", data=b"kept\n")
    assert done.returncode == 1
    assert b"the rest is kept in" in done.stderr
    assert call("ship", "--gateway", gateway.url).returncode == 0
    assert gateway.lines() == [b"kept"]


def test_an_agent_of_standard_input_ends_with_it(
    call: Call, gateway: FakeGateway, tmp_path: Path
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[agent]\ngateways = ["{gateway.url}"]\ndirectory = "{tmp_path}/agent"\n'
        '[[agent.inputs]]\ntype = "stdin"\nservice = "x"\n'
    )
    done = call("agent", "--config", str(config), data=b"one\ntwo")
    assert done.returncode == 0
    assert gateway.lines() == [b"one", b"two"]


@pytest.mark.parametrize("service", ["..", ".", "a/../../b", "/", "", "x" * 500, "\n", "ü"])
def test_a_service_names_one_folder(service: str) -> None:
    name = _folder(service)
    assert 0 < len(name) <= 100
    assert not set(name) & {"/", ".", "\0", "\n"}
