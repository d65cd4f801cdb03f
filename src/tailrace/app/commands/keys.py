"""`tailrace keys list|rotate|destroy|rewrap`: the keys of pseudonyms, in the control store of the
configuration; `tailrace keys pseudonyms` asks a server.

The first four work beside a running server, which takes a change within seconds, and without one.
No key is ever shown.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tailrace.app.commands import asking, common, pseudonyms, storing
from tailrace.core import frame
from tailrace.core.errors import ConfigError, QueryError
from tailrace.core.visible import visible

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tailrace.app.config import Config
    from tailrace.governance.control import Control
    from tailrace.governance.keyschedule import Schedule
    from tailrace.governance.keytable import Key
    from tailrace.governance.masterkey import MasterKey

_HEADINGS = ("TENANT", "KIND", "EPOCH", "STATE", "MASTER", "CREATED", "RETIRED", "ENDS")
# The options that each takes, beside those of every one.
_TAKES: dict[str, frozenset[str]] = {
    "list": frozenset({"tenant", "json"}),
    "rotate": frozenset({"tenant", "kind"}),
    "destroy": frozenset({"tenant", "kind", "epoch", "lost", "yes"}),
    "rewrap": frozenset({"old_file", "old_env"}),
    "pseudonyms": frozenset({"kind", "json"}),
}
_OPTIONS = frozenset[str]().union(*_TAKES.values())


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list, rotate and destroy the keys of pseudonyms"
    parser = subparsers.add_parser("keys", help=about, description=about)
    parser.add_argument("action", choices=tuple(_TAKES))
    parser.add_argument("--tenant", default="", help="only the keys of this one")
    parser.add_argument("--kind", default="", help="only those of such values: pan, email, ...")
    parser.add_argument("--epoch", type=_epoch, default=0, help="which of them to destroy")
    parser.add_argument(
        "--lost", action="store_true", help="destroy all that the master key cannot open"
    )
    parser.add_argument("--yes", action="store_true", help="destroy without being asked")
    parser.add_argument("--old-file", default="", metavar="FILE", help="the old master key's file")
    parser.add_argument(
        "--old-env", default="", metavar="NAME", help="the variable that holds the old master key"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    common.add_config(parser)
    asking.add_arguments(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """0 done, 1 no such key, or a store or server that fails, 2 the command line is wrong."""
    wrong = _wrong(arguments)
    if wrong:
        return common.complain(wrong, 2)
    actions = {
        "list": _list,
        "rotate": _rotate,
        "destroy": _destroy,
        "rewrap": _rewrap,
        "pseudonyms": _pseudonyms,
    }
    try:
        return actions[arguments.action](arguments)
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed: keys need pip install 'tailrace[server]'"
        ) from None


def _wrong(arguments: argparse.Namespace) -> str:
    """What does not fit the action; "" when all does."""
    given = {name for name in _OPTIONS if getattr(arguments, name)}
    for name in sorted(given - _TAKES[arguments.action]):
        return f"--{name.replace('_', '-')}: tailrace keys {arguments.action} does not take it"
    if arguments.tenant and not frame.check_tenant(arguments.tenant):
        return "--tenant: up to 63 of a-z, 0-9, - and _, the first a letter or a digit"
    if arguments.action == "destroy":
        one = given & {"tenant", "kind", "epoch"}
        if len(one) not in (0, 3) or bool(one) == arguments.lost:
            return "name one key to destroy: --tenant T --kind K --epoch N; or all that are --lost"
    if arguments.action == "rewrap" and len(given) != 1:
        return "say where the old master key is: --old-file FILE or --old-env NAME"
    if arguments.action == "pseudonyms" and not arguments.kind:
        return "--kind: say what kind of value it is: pan, email, ..."
    return ""


def _list(arguments: argparse.Namespace) -> int:
    from tailrace.app.keyring import schedule
    from tailrace.governance import keytable

    config = common.load(arguments)
    planned = schedule(config)
    listed = partial(keytable.listed, tenant=arguments.tenant)
    found = storing.in_store(config.server, lambda control: control.read(listed))
    if arguments.json:
        common.print_json([_plain(key, planned) for key in found])
    else:
        common.print_table([_HEADINGS, *(_cells(key, planned) for key in found)])
    return 0


def _plain(key: Key, planned: Schedule) -> dict[str, Any]:
    return {**msgspec.structs.asdict(key), "state": key.state, "ends_ns": planned.end_ns(key)}


def _cells(key: Key, planned: Schedule) -> tuple[str, ...]:
    return (
        key.tenant,
        visible(key.kind),
        str(key.epoch),
        key.state,
        key.master,
        common.time_text(key.created_ns),
        common.time_text(key.retired_ns),
        common.time_text(planned.end_ns(key)),
    )


def _rotate(arguments: argparse.Namespace) -> int:
    from tailrace.governance import keyschedule, keytable

    config = common.load(arguments)

    async def rotate(control: Control) -> int:
        found = [key for key in await control.read(keytable.in_use) if _named(key, arguments)]
        if not found:
            return 0
        master = _master(config)
        done = 0
        for first in range(0, len(found), keyschedule.STEP):
            some, now_ns = found[first : first + keyschedule.STEP], time.time_ns()
            work = partial(keyschedule.rotate, master=master, keys=some, now_ns=now_ns)
            for key in await control.run(work, durable=True):
                done += 1
                print(f"{key.tenant} {visible(key.kind)} {key.epoch}")
        return done

    done = storing.in_store(config.server, rotate)
    if not done:
        return common.complain("there is no such key in use; see tailrace keys list", 1)
    print(f"{done} keys were rotated; above are those in use now", file=sys.stderr)
    return 0


def _named(key: Key, arguments: argparse.Namespace) -> bool:
    return arguments.tenant in ("", key.tenant) and arguments.kind in ("", key.kind)


def _master(config: Config) -> MasterKey:
    from tailrace.app.keyring import master_key

    return master_key(config).load()


def _destroy(arguments: argparse.Namespace) -> int:
    from tailrace.governance import keytable

    config = common.load(arguments)
    kept = storing.in_store(config.server, lambda control: control.read(keytable.listed))
    if arguments.lost:
        master = _master(config)
        keys = [key for key in kept if key.master != master.id and key.state != "destroyed"]
        if not keys:
            return common.complain(f"all keys are wrapped by the master key {master.id}", 1)
    else:
        keys = [key for key in kept if _named(key, arguments) and key.epoch == arguments.epoch]
        wrong = _undestroyable(keys)
        if wrong:
            return common.complain(wrong, 1)
    if not arguments.yes and not _confirmed(keys, arguments):
        return common.complain("nothing was destroyed; --yes destroys without being asked", 2)

    def work(connection: Connection) -> list[Key]:
        # Somebody may have thought long.
        known = set(keytable.listed(connection))
        same = [key for key in keys if key in known]
        keytable.destroy(connection, same, time.time_ns())
        return same

    async def destroy(control: Control) -> tuple[list[Key], bool]:
        return await control.run(work, durable=True), await control.scrub()

    destroyed, clean = storing.in_store(config.server, destroy)
    for key in destroyed:
        print(f"{key.tenant} {visible(key.kind)} {key.epoch}")
    later = "" if clean else "; the server takes the last traces from its files in a minute"
    print(f"{len(destroyed)} keys were destroyed{later}", file=sys.stderr)
    return 0


def _undestroyable(keys: list[Key]) -> str:
    """Why a key that was named, if there is one, cannot be destroyed; "" when it can."""
    if not keys:
        return "there is no such key; see tailrace keys list"
    (key,) = keys
    if key.state == "in use":
        return (
            f"this key is in use; first: tailrace keys rotate --tenant {key.tenant} "
            f"--kind {visible(key.kind)}"
        )
    if key.state == "destroyed":
        return f"this key was destroyed at {common.time_text(key.destroyed_ns)}"
    return ""


def _confirmed(keys: list[Key], arguments: argparse.Namespace) -> bool:
    """Whether somebody at a terminal has typed what is asked for."""
    if not sys.stdin.isatty():
        return False
    word = "lost" if arguments.lost else f"{arguments.tenant} {arguments.kind} {arguments.epoch}"
    print(
        f"{len(keys)} keys end for good: what they have made is found by no value any more.\n"
        f"Type {visible(word)!r} to destroy: ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    return sys.stdin.readline().strip() == word


def _rewrap(arguments: argparse.Namespace) -> int:
    from tailrace.governance import keymaking
    from tailrace.governance.mastersource import MasterEnvironment, MasterFile

    config = common.load(arguments)
    if arguments.old_file:
        old = MasterFile(Path(arguments.old_file), "--old-file").load()
    else:
        old = MasterEnvironment(arguments.old_env, "--old-env", os.environ).load()
    new = _master(config)

    async def rewrap(control: Control) -> int:
        done = await control.run(partial(keymaking.rewrap, old=old, new=new), durable=True)
        await control.scrub()
        return done

    done = storing.in_store(config.server, rewrap)
    print(f"{done} keys were wrapped anew, by the master key {new.id}", file=sys.stderr)
    return 0


def _pseudonyms(arguments: argparse.Namespace) -> int:
    try:
        value = pseudonyms.read_value()
    except QueryError as error:
        return common.complain(str(error), 2)
    answer = pseudonyms.ask(asking.server(arguments), arguments.kind, value)
    if arguments.json:
        common.print_json(answer)
        return 0
    for one in answer.pseudonyms:
        print(visible(one.pseudonym))
    return 0


def _epoch(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) > 0):
        raise argparse.ArgumentTypeError("a number from 1")
    return int(text)
