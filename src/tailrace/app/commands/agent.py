"""`tailrace agent`: collect what its inputs name, and ship it to a gateway."""

from __future__ import annotations

import argparse
from typing import Any

from tailrace.app.commands import common
from tailrace.core import log


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "collect what its inputs name and ship it to a gateway"
    parser = subparsers.add_parser("agent", help=about, description=about)
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGINT or SIGTERM."""
    from tailrace.app.agent import run_agent

    config = common.load(arguments)
    log.configure(config.server.log_level)
    run_agent(config)
    return 0
