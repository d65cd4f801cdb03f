"""`tailrace token create|list|revoke`: who may enter, in the control store of the configuration.

It works beside a running server, which takes a change within seconds, and without one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tailrace.app.commands import common, storing
from tailrace.core import frame
from tailrace.core.access import Scope
from tailrace.core.errors import ConfigError
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tailrace.governance.tokentable import Token

_T = TypeVar("_T")
_NAME_CHARACTERS = 100
_HEADINGS = ("ID", "NAME", "TENANT", "SCOPES", "STATE", "CREATED", "EXPIRES", "USED")


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "make, list and revoke the tokens of those who may enter"
    parser = subparsers.add_parser("token", help=about, description=about)
    parser.add_argument("action", choices=("create", "list", "revoke"))
    parser.add_argument("id", metavar="ID", nargs="?", help="which token to revoke")
    parser.add_argument("--tenant", default="default", help="whose data it is for")
    parser.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=[str(scope) for scope in Scope],
        help="what it is for; may be given more than once",
    )
    parser.add_argument("--name", default="", help="who or what will use it")
    parser.add_argument("--expires", type=common.seconds, help="how long it is valid, such as 90d")
    parser.add_argument("--json", action="store_true", help="print JSON")
    common.add_config(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 no such token or a store that fails, 2 the command line is wrong."""
    wrong = _wrong(arguments)
    if wrong:
        return common.complain(wrong, 2)
    try:
        actions = {"create": _create, "list": _list, "revoke": _revoke}
        return actions[arguments.action](arguments)
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: tokens need pip install 'tailrace[server]'"
        ) from None


def _wrong(arguments: argparse.Namespace) -> str:
    """What does not fit the action; "" when all does."""
    name: str = arguments.name
    if arguments.action != "create":
        if (arguments.action == "revoke") != bool(arguments.id):
            return "give the ID of one token: tailrace token revoke ID; tailrace token list has it"
        return ""
    if arguments.id:
        return "a new token chooses its ID itself; what names it is --name"
    if not arguments.scope:
        return f"--scope: say what it is for: {', '.join(Scope)}"
    if not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable():
        return f"--name: say who will use it, in at most {_NAME_CHARACTERS} printable characters"
    if not frame.check_tenant(arguments.tenant):
        return "--tenant: up to 63 of a-z, 0-9, - and _, the first a letter or a digit"
    if arguments.expires is not None and arguments.expires <= 0:
        return "--expires: a time such as 90d"
    return ""


def _create(arguments: argparse.Namespace) -> int:
    from tailrace.governance import tokentable

    now_ns = time.time_ns()
    expires_ns = now_ns + int(arguments.expires * 1e9) if arguments.expires else 0
    scopes = [Scope(word) for word in arguments.scope]
    token, secret = _in_store(
        arguments,
        lambda connection: tokentable.create(
            connection, arguments.tenant, scopes, arguments.name, now_ns, expires_ns
        ),
    )
    if arguments.json:
        common.print_json({"secret": secret, **msgspec.structs.asdict(token)})
        return 0
    until = f" until {common.time_text(expires_ns)}" if expires_ns else ""
    print(
        f"token {token.id} for tenant {token.tenant}: {', '.join(token.scopes)}{until}\n"
        "The secret is shown this once:",
        file=sys.stderr,
        flush=True,
    )
    print(secret)  # tailrace: allow[TR001] it is shown this once, to the person who asked for it
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from tailrace.governance import tokentable

    found, now_ns = _in_store(arguments, tokentable.listed), time.time_ns()
    if arguments.json:
        common.print_json([{**msgspec.structs.asdict(t), "state": t.state(now_ns)} for t in found])
        return 0
    common.print_table([_HEADINGS, *(_cells(token, now_ns) for token in found)])
    return 0


def _revoke(arguments: argparse.Namespace) -> int:
    from tailrace.governance import tokentable

    now_ns, token_id = time.time_ns(), arguments.id
    token = _in_store(arguments, lambda c: tokentable.revoke(c, token_id, now_ns))
    if token is None:
        return common.complain(f"there is no token {visible(token_id)}; see tailrace token list", 1)
    if arguments.json:
        common.print_json(msgspec.structs.asdict(token))
    else:
        print(f"token {token.id} ({visible(token.name)}) is revoked", file=sys.stderr)
    return 0


def _in_store(arguments: argparse.Namespace, work: Callable[[Connection], _T]) -> _T:
    """`work` on the control store, durably. Raises ConfigError, StoreError, OSError."""
    server = common.load(arguments).server
    return storing.in_store(server, lambda control: control.run(work, durable=True))


def _cells(token: Token, now_ns: int) -> tuple[str, ...]:
    state = token.state(now_ns)
    return (
        token.id,
        visible(token.name),
        token.tenant,
        ",".join(token.scopes),
        state,
        common.time_text(token.created_ns),
        common.time_text(token.expires_ns),
        common.time_text(token.used_ns),
    )
