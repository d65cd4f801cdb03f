"""`tailrace gateway`: take in what senders bring, and pass it on to gateways further up."""

from __future__ import annotations

import argparse
from typing import Any

from tailrace.app.claims import claimed
from tailrace.app.commands import common
from tailrace.app.config import Config
from tailrace.core import log
from tailrace.core.errors import ConfigError


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "run the ways in alone, and pass everything on to gateways further up"
    parser = subparsers.add_parser("gateway", help=about, description=about)
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGINT or SIGTERM."""
    config = common.load(arguments)
    log.configure(config.server.log_level)
    try:
        with common.importing():
            import uvloop

            from tailrace.app.gateway import Relay
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: a gateway needs pip install 'tailrace[server]'"
        ) from None
    if not config.gateway.upstream:
        raise ConfigError("gateway.upstream: name at least one gateway")
    with claimed(config) as listener:
        uvloop.run(_relay(Relay, config, listener))
    return 0


async def _relay(relay: Any, config: Config, listener: Any) -> None:
    await relay(config, listener).run()
