"""`tailrace config check|show`."""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from tailrace.app import config as configuration
from tailrace.app.checking import check
from tailrace.app.commands import common
from tailrace.app.config import Config


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "check or show the configuration"
    parser = subparsers.add_parser("config", help=about, description=about)
    parser.add_argument("action", choices=("check", "show"))
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when every setting is valid."""
    config = common.load(arguments)
    if arguments.action == "check":
        print(_checked(config))
    else:
        text = msgspec.json.format(msgspec.json.encode(configuration.shown(config)), indent=2)
        print(text.decode())
    return 0


def _checked(config: Config) -> str:
    """Raises ConfigError."""
    try:
        check(config)
    except ImportError as error:
        return (
            f"configuration is valid for an agent; for a server it was not checked: {error.name} "
            "is not installed, which tailrace[server] brings"
        )
    return "configuration is valid"
