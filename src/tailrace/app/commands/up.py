"""`tailrace up`: everything on one machine."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from tailrace.app import config as configuration
from tailrace.app.commands import common
from tailrace.app.config import Config, InputSettings
from tailrace.core import log
from tailrace.core.errors import ConfigError

_OWN_LOG = "tailrace.log"


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "up", help="run gateway, queue, store, archive, search and page in one process"
    )
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
        import uvloop

        from tailrace.app.server import Runtime
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: `tailrace up` needs pip install 'tailrace[server]'"
        ) from None
    if arguments.config is None and not config.agent.inputs:
        config.agent.inputs = machine_logs()
    demo = _demo(config) if arguments.demo else None
    _greet(config)
    try:
        uvloop.run(_up(Runtime, config))
    finally:
        if demo:
            demo.stop()
    return 0


async def _up(runtime: Any, config: Config) -> None:
    await asyncio.ensure_future(runtime(config).run())


def machine_logs() -> list[InputSettings]:
    """What is tailed without a configuration: the machine's own text logs."""
    return [InputSettings(paths=["/var/log/*.log", "/var/log/*/*.log", "/var/log/syslog"])]


def _demo(config: Config) -> Any:
    from tailrace.app.demo.writer import DemoShop

    directory = Path(config.server.data_dir).resolve().parent / "tailrace-demo"
    shop = DemoShop(directory)
    shop.start()
    for name in ("access", "app", "slow-query"):
        config.agent.inputs.append(
            InputSettings(
                paths=[str(directory / f"{name}.log")],
                service=f"demo-shop-{name}",
                resource={"system": "demo-shop"},
            )
        )
    return shop


def _greet(config: Config) -> None:
    host, port = configuration.address(config)
    command = "tailrace" if "VIRTUAL_ENV" in os.environ else ".venv/bin/tailrace"
    files = ", ".join(path for entry in config.agent.inputs for path in entry.paths) or "nothing"
    print(
        f"tailrace: http://{host}:{port}/\n"
        f"  data in {Path(config.server.data_dir).resolve()}; tailing {files}\n"
        f"  try: {command} query error --since 1h\n"
        f"       {command} tail '{{service_name=~\".+\"}}'\n"
        f"       echo hello | curl --data-binary @- "
        f"'http://{host}:{port}/ingest/lines?service=me'\n"
        "  Ctrl-C stops and drains.",
        flush=True,
    )
