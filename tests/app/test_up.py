"""`tailrace up` as a person starts, misuses and stops it."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("tailrace")
DEADLINE_S = 60.0


def environment(data: Path, port: int = 0) -> dict[str, str]:
    return {
        **os.environ,
        "TAILRACE_SERVER__LISTEN": f"127.0.0.1:{port}",
        "TAILRACE_SERVER__DATA_DIR": str(data),
        "XDG_CONFIG_HOME": str(data.parent / "config"),
        "NO_COLOR": "1",
    }


class Terminal:
    """The command with a terminal of its own."""

    def __init__(self, data: Path) -> None:
        self._own, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [COMMAND, "up"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(data)
        )
        os.close(theirs)
        self.text = ""

    def until(self, words: str) -> str:
        """All that was printed, once it holds `words`."""
        deadline = time.monotonic() + DEADLINE_S
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self._own], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self._own, 65536).decode()
        return self.text

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    started = Terminal(tmp_path / "data")
    yield started
    started.close()


def refused(data: Path, port: int = 0, **settings: str) -> str:
    """What a start says that must end with status 2 and one line."""
    done = subprocess.run(
        [COMMAND, "up"],
        env=environment(data, port) | settings,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("tailrace: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    return done.stderr


def test_it_says_what_to_try_and_ctrl_c_drains(terminal: Terminal) -> None:
    said = terminal.until("Ctrl-C stops it")
    address = said.split("is running: ")[1].split("/\r\n")[0]
    query = [str(COMMAND), "query", '{service_name="tailrace"}', "--url", address]
    assert f"query error --since 1h --url {address}" in said
    assert "  doors     this port" in said
    deadline = time.monotonic() + DEADLINE_S
    while "started" not in subprocess.run(query, capture_output=True, text=True).stdout:
        assert time.monotonic() < deadline, "its own log cannot be searched"
        time.sleep(0.2)
    terminal.interrupt()
    terminal.until("INFO    app: stopping: ")
    terminal.until("INFO    app: stopped")
    assert terminal.process.wait(10) == 0


def test_a_data_directory_belongs_to_one_process_and_a_second_ctrl_c_ends_it_at_once(
    tmp_path: Path, terminal: Terminal
) -> None:
    terminal.until("Ctrl-C stops it")
    assert "another running tailrace" in refused(tmp_path / "data")
    terminal.interrupt()
    terminal.until("stopping: ")
    terminal.interrupt()
    assert terminal.process.wait(5) in (130, 0)


def test_the_agent_needs_no_part_of_the_server() -> None:
    """An agent-only install has none of these packages."""
    heavy = ("chdb", "clickhouse_connect", "pyarrow", "starlette", "uvicorn", "uvloop", "cramjam")
    code = (
        "import sys, tailrace.app.agent; from tailrace.cli import build_parser; build_parser(); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"server.listen: 127.0.0.1:{port}" in refused(tmp_path / "data", port)


def test_a_port_of_a_grpc_door_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    master = tmp_path / "master"
    master.write_text("0" * 64)
    master.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(
            tmp_path / "data",
            TAILRACE_SERVER__DOORS=f"[{{type = 'otlp-grpc', listen = '{address}'}}]",
            TAILRACE_SERVER__LOG_LEVEL="ERROR",
            TAILRACE_GUARD__MASTER_KEY_FILE=str(master),
        )
    named = f"tailrace: server.doors: otlp-grpc: listen: {address} cannot be used: Address already"
    assert said.startswith(named)


def test_a_port_of_an_input_in_use_ends_a_server_that_has_started_all_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        inputs = f"[{{type = 'syslog', tcp = '127.0.0.1:{port}'}}]"
        settings = {"TAILRACE_AGENT__INPUTS": inputs, "TAILRACE_SERVER__DOORS": "[]"}
        done = subprocess.run(
            [COMMAND, "up"],
            env=environment(tmp_path / "data") | settings,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 2, done.stderr
    said = f"tailrace: agent.inputs[0].tcp: 127.0.0.1:{port} cannot be used: Address already in use"
    assert done.stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in done.stderr


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "server.data_dir" in refused(tmp_path / "file" / "data")
