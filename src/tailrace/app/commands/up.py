"""`tailrace up`: everything on one machine."""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from tailrace.agent.feeds.journal import journal_available
from tailrace.agent.inputs import AnyInput, Files, HostInput, JournalInput
from tailrace.app import config as configuration
from tailrace.app.claims import claimed
from tailrace.app.commands import common
from tailrace.app.commands.asking import DEFAULT_URL
from tailrace.app.config import Config
from tailrace.core import log
from tailrace.core.errors import ConfigError

OWN_LOG = Path("logs", "tailrace.log")
_DEMO_FILES = ("access", "app", "slow-query")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "run gateway, queue, store, archive, search and page in one process"
    parser = subparsers.add_parser("up", help=about, description=about)
    common.add_config(parser)
    parser.add_argument(
        "--demo", action="store_true", help="add the logs of a synthetic shop, named demo-shop"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGINT or SIGTERM, then drains."""
    config = common.load(arguments)
    log.configure(config.server.log_level)
    try:
        with common.importing():
            import uvloop

            from tailrace.app.server import Runtime
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: `tailrace up` needs pip install 'tailrace[server]'"
        ) from None
    data = Path(config.server.data_dir).resolve()
    with contextlib.ExitStack() as held:
        listener = held.enter_context(claimed(config))
        _log_to(data / OWN_LOG, config)
        if arguments.config is None and not config.agent.inputs:
            config.agent.inputs = machine_logs(data)
        if arguments.demo:
            held.callback(_demo(config, data).stop)
        uvloop.run(_up(Runtime, config, listener))
    return 0


async def _up(runtime: Any, config: Config, listener: Any) -> None:
    running: Any = runtime(config, listener, lambda: _greet(config, running.doors))
    await running.run()


def _log_to(path: Path, config: Config) -> None:
    try:
        log.configure(config.server.log_level, file=path)
    except OSError as error:
        raise ConfigError(f"server.data_dir: {path} cannot be written: {error.strerror}") from None


def machine_logs(data: Path) -> list[AnyInput]:
    """What is collected without a configuration: the machine's logs and metrics, and tailrace's own
    log."""
    found: list[AnyInput] = [
        Files(paths=["/var/log/*.log", "/var/log/*/*.log", "/var/log/syslog"]),
        Files(paths=[glob.escape(str(data / OWN_LOG))], codec="records", service="tailrace"),
    ]
    if journal_available():
        found.append(JournalInput())
    found.append(HostInput())
    return found


def _demo(config: Config, data: Path) -> Any:
    from tailrace.app.demo.writer import DemoShop

    directory = data / "demo"
    shop = DemoShop(directory)
    try:
        shop.start()
    except OSError as error:
        raise ConfigError(f"--demo: {directory} cannot be written: {error.strerror}") from None
    for name in _DEMO_FILES:
        config.agent.inputs.append(
            Files(
                paths=[glob.escape(str(directory / f"{name}.log"))],
                service=f"demo-shop-{name}",
                resource={"system": "demo-shop"},
            )
        )
    return shop


def _greet(config: Config, doors: list[str]) -> None:
    url = configuration.url(config)
    command = _command()
    asked = "" if url == DEFAULT_URL else f" --url {url}"
    inputs = [path for entry in config.agent.inputs for path in _named(entry)]
    files = "\n            ".join(inputs)
    lines = (
        f"tailrace is running: {url}/",
        f"  data      {Path(config.server.data_dir).resolve()}",
        f"  doors     {', '.join(['this port', *doors])}",
        f"  tailing   {files or 'nothing'}",
        f"  try       {command} query error --since 1h{asked}",
        f"            {command} tail '{{service_name=~\".+\"}}'{asked}",
        f"            {command} metrics system_memory_usage{asked}",
        f"            echo hello | curl --data-binary @- '{url}/ingest/lines?service=me'",
        *_admission(config, command),
        "  Ctrl-C stops it; everything that was accepted is stored first.",
    )
    with contextlib.suppress(OSError):  # nobody reads it, which is no reason to stop
        print("\n".join(lines), flush=True)


def _admission(config: Config, command: str) -> list[str]:
    host, _ = configuration.address(config)
    if not configuration.requires_token(config.server, host):
        return []
    return [f"  tokens    everyone needs one: {command} token create --scope query --name me"]


def _named(entry: AnyInput) -> list[str]:
    return entry.paths if isinstance(entry, Files) else [f"({entry.type})"]


def _command() -> str:
    """How a person in this directory calls the command that is running."""
    path = Path(sys.argv[0])
    on_path = any(path.parent == Path(folder) for folder in os.get_exec_path())
    if on_path or path.name != "tailrace":
        return "tailrace"
    with contextlib.suppress(ValueError):
        path = path.resolve().relative_to(Path.cwd())
    return shlex.quote(str(path))
