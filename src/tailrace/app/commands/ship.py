"""`tailrace ship`: ship standard input."""

from __future__ import annotations

import argparse
import os
from typing import Any

from tailrace.agent.inputs import StdinInput
from tailrace.app.agent import stop_on_signals, until_ended
from tailrace.app.commands import common
from tailrace.app.once import finish, one_agent
from tailrace.core import log

WAIT_S = 30.0


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "ship the lines of standard input, until its end"
    parser = subparsers.add_parser("ship", help=about, description=about)
    common.add_shipping(parser)
    parser.add_argument(
        "--codec", choices=("lines", "records"), default="lines", help="what the lines are"
    )
    parser.add_argument(
        "--wait",
        type=common.seconds,
        default=WAIT_S,
        metavar="TIME",
        help="how long a gateway may take nothing at the end, 30s by default",
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 when a gateway has all of it; 1 when some is kept for the next time."""
    config = common.load_shipping(arguments)
    log.configure(config.server.log_level)
    source = StdinInput(service=arguments.service or "stdin", codec=arguments.codec)
    stop = stop_on_signals()
    with one_agent(config, source, os.environ) as (agent, directory):
        agent.start()
        until_ended(agent, stop)
        interrupted = stop.is_set()
        if finish(agent, 1.0 if interrupted else arguments.wait, patient=not interrupted):
            return 1 if interrupted else 0
    return common.complain(f"not all was sent; the rest is kept in {directory}", 1)
