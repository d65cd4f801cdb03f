"""`tailrace run`: run a command and ship what it prints."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from tailrace.agent.feeds.command import Command
from tailrace.agent.inputs import CommandInput
from tailrace.app.commands import common
from tailrace.app.config import Config
from tailrace.app.once import finish, one_agent
from tailrace.core import log

NOT_FOUND = 127
WAIT_S = 10.0
_FORWARDED = frozenset(
    {
        signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
        signal.SIGUSR2,
    }
)  # fmt: skip
_LOOK_S = 0.2


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "run a command and ship what it prints; its exit status is kept"
    parser = subparsers.add_parser("run", help=about, description=about)
    common.add_shipping(parser)
    parser.add_argument(
        "--quiet", action="store_true", help="do not show what the command prints here as well"
    )
    parser.add_argument(
        "--wait",
        type=common.seconds,
        default=WAIT_S,
        metavar="TIME",
        help="after its end, how long to wait for the gateway, 10s by default",
    )
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="COMMAND", help="after --: the command's words"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """The command's own exit status, 128+n after signal n; 127 when there is no such command."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        return common.complain("name a command, as in: tailrace run -- make test", 2)
    if shutil.which(words[0]) is None:
        return common.complain(f"{words[0]}: command not found", NOT_FOUND)
    config = common.load_shipping(arguments)
    log.configure("ERROR")  # what is on standard error is the command's
    source = CommandInput(
        service=arguments.service or Path(words[0]).name,
        command=words,
        attached=True,
        echo=not arguments.quiet,
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
    try:
        return _run(config, source, arguments.wait)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(config: Config, source: CommandInput, wait_s: float) -> int:
    with one_agent(config, source, os.environ) as (agent, directory):
        (command,) = agent.feeders
        assert isinstance(command, Command)
        agent.start()
        while not command.exited.is_set():
            _forward(command)
        while signal.sigtimedwait(_FORWARDED, 0):
            pass  # those that ended the command
        # A child of the command may hold its outputs open; then a quiet second is the end.
        while not command.ended.wait(_LOOK_S):
            if signal.sigtimedwait(_FORWARDED, 0):
                break
        if not finish(agent, wait_s):
            common.complain(f"not all was sent; the rest is kept in {directory}", 1)
    return command.status


def _forward(command: Command) -> None:
    """Wait for a signal and pass it on, unless the terminal gave it to the command as well."""
    info = signal.sigtimedwait(_FORWARDED | {signal.SIGCHLD}, _LOOK_S)
    if info is None:
        return
    if info.si_signo == signal.SIGCHLD:
        command.exited.wait(_LOOK_S / 4)
    elif info.si_code <= 0:  # from a process, not from the kernel
        command.signal(info.si_signo)
