"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tailrace.app import config as configuration
from tailrace.app.config import Config


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config FILE`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file; see docs/configuration.md"
    )


def load(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments name. Raises ConfigError."""
    return configuration.load(arguments.config, os.environ)
