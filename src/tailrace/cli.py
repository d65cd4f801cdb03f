"""The command line: parse arguments, call `app`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from tailrace import __version__
from tailrace.core.errors import ConfigError, TailraceError
from tailrace.core.visible import visible

COMMANDS = (
    "up", "gateway", "agent", "run", "ship",
    "agents", "verify", "query", "tail", "patterns", "metrics", "trace", "sql", "queries", "guard",
    "review", "findings", "space", "backup", "restore", "doctor", "rules", "alerts", "deadletters",
    "archive", "keys", "token", "config",
)  # fmt: skip


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line; each command lives in `app/commands/NAME.py`."""
    parser = argparse.ArgumentParser(
        prog="tailrace", description="Collect, keep and search logs at high velocity."
    )
    parser.add_argument("--version", action="version", version=f"tailrace {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in commands:
        import_module(f"tailrace.app.commands.{name}").add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed with a message, 2 wrong usage or configuration."""
    words = sys.argv[1:] if arguments is None else arguments
    # The others' imports would cost an agent megabytes.
    commands = words[:1] if words and words[0] in COMMANDS else COMMANDS
    try:
        parsed = build_parser(commands).parse_args(words)
        return int(parsed.func(parsed) or 0)
    except (TailraceError, OSError) as error:
        print(f"tailrace: {visible(_said(error))}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        return 130


def _said(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
