"""`pip install tailrace` is an agent: it needs nothing of what only a server does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SERVER_ONLY = {
    "chdb",
    "clickhouse_connect",
    "cramjam",
    "google",
    "httptools",
    "numpy",
    "opentelemetry",
    "pandas",
    "pyarrow",
    "starlette",
    "uvicorn",
    "uvloop",
    "websockets",
}
AGENT = "from tailrace import cli; cli.build_parser(['agent']); import tailrace.app.agent"
WHOLE = "from tailrace import cli; cli.build_parser(); import tailrace.app.agent"


def imported(program: str) -> set[str]:
    """The first parts of all modules that a fresh process has after `program`."""
    end = "import sys; print('\\n' + ' '.join(sys.modules))"
    command = [sys.executable, "-c", f"{program}; {end}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in answer.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("program", [AGENT, WHOLE])
def test_the_agent_imports_nothing_of_the_server(program: str) -> None:
    assert not imported(program) & SERVER_ONLY


def test_the_agent_imports_little_of_python() -> None:
    assert not imported(AGENT) & {"asyncio", "ctypes", "importlib_metadata", "sqlite3"}


def test_a_configuration_is_checked_for_the_agent_where_no_server_is_installed(
    tmp_path: Path,
) -> None:
    missing = "".join(f"sys.modules[{name!r}] = None; " for name in sorted(SERVER_ONLY))
    code = f"import sys; {missing}from tailrace import cli; sys.exit(cli.main(['config', 'check']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("configuration is valid for an agent; for a server it was not")
