"""`tailrace gateway`: take in what senders bring, and pass it on to gateways further up."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

from tailrace.app import config as configuration
from tailrace.app.claims import claim_directory, claim_port
from tailrace.app.commands import common
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
        import uvloop

        from tailrace.app.gateway import Relay, check
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: a gateway needs pip install 'tailrace[server]'"
        ) from None
    check(config)
    with contextlib.ExitStack() as held:
        held.callback(os.close, claim_directory(Path(config.server.data_dir).resolve()))
        host, port = configuration.address(config)
        listener = held.enter_context(claim_port(host, port))
        config.server.listen = configuration.listening(host, listener.getsockname()[1])

        async def serve() -> None:
            await Relay(config, listener).run()

        uvloop.run(serve())
    return 0
