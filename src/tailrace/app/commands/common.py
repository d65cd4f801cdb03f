"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tailrace.app import config as configuration
from tailrace.app.config import Config
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds
from tailrace.core.visible import visible

_UNITS = ("B", "kB", "MB", "GB", "TB")


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config FILE`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file; see docs/configuration.md"
    )


def load(arguments: argparse.Namespace) -> Config:
    """The configuration that the arguments name. Raises ConfigError."""
    return configuration.load(arguments.config, os.environ)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """For the imports of what serves. Modules stay: to look for garbage among them again and again
    costs a tenth of a second at each start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def add_shipping(parser: argparse.ArgumentParser) -> None:
    """`--service`, `--gateway` and `--config`, of what ships without a configuration."""
    parser.add_argument("--service", default="", metavar="NAME", help="service.name of the rows")
    parser.add_argument(
        "--gateway", default="", metavar="URL", help="http://127.0.0.1:7480 by default"
    )
    add_config(parser)


def load_shipping(arguments: argparse.Namespace) -> Config:
    """The configuration with the gateway that is named. Raises ConfigError."""
    config = load(arguments)
    if arguments.gateway:
        config.agent.gateways = [arguments.gateway]
    return config


def seconds(text: str) -> float:
    """A duration such as "10s", for argparse."""
    try:
        return Seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def time_text(nanoseconds: int) -> str:
    """UTC to the second; "never" for 0."""
    if not nanoseconds:
        return "never"
    return f"{datetime.fromtimestamp(nanoseconds // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines. The first row has the headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() + "\n"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """The first row has the headings."""
    print("".join(table(rows)), end="")


def print_json(value: object) -> None:
    """As a person reads it."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def write(pieces: Iterable[str]) -> int:
    """Print until done; a closed pager or Ctrl-C is a quiet end."""
    try:
        for piece in pieces:
            sys.stdout.write(piece)
            if sys.stdout.isatty():
                sys.stdout.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 0
    return 0


def save(path: Path, pieces: Iterable[bytes]) -> None:
    """Into the file of `--output`, which has its name only when it is whole; a pipe, a device or
    what a link leads to is written as it comes. Raises ConfigError, and what `pieces` raise."""
    as_it_comes = path.is_symlink() or (path.exists() and not path.is_file())
    part = path if as_it_comes else path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(pieces)
        if part != path:
            part.replace(path)
    except BaseException as error:
        if part != path:
            with contextlib.suppress(OSError):
                part.unlink()
        if isinstance(error, OSError):
            raise ConfigError(f"--output {path}: {error.strerror}") from None
        raise


def complain(message: str, status: int) -> int:
    """Say it on standard error; gives `status` back."""
    print(f"tailrace: {visible(message)}", file=sys.stderr)
    return status


def size(count: float) -> str:
    """Bytes for a person, such as "12.3 MB"."""
    unit = 0
    while abs(count) >= 999.5 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.3g} {_UNITS[unit]}" if count else "0"


def span(seconds: float) -> str:
    """Seconds for a person, such as "3h"."""
    for unit, length_s in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f}{unit}"
    return f"{seconds:.0f}s"
