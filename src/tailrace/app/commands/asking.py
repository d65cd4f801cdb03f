"""How a command reaches a server: its address, the token, TLS."""

from __future__ import annotations

import argparse
from pathlib import Path

from tailrace.client.server import Server
from tailrace.core.errors import ConfigError
from tailrace.core.tls import context

DEFAULT_URL = "http://127.0.0.1:7480"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--url`, `--token-file`, `--tls-ca` and `--tls-cert`."""
    parser.add_argument("--url", default=DEFAULT_URL, help="the server's address")
    parser.add_argument("--token-file", type=Path, help="file that holds the bearer token")
    parser.add_argument("--tls-ca", metavar="FILE", help="PEM file to verify an https server with")
    parser.add_argument(
        "--tls-cert", metavar="FILE", help="PEM file of the certificate to show, with its key"
    )


def server(arguments: argparse.Namespace) -> Server:
    """As the arguments say. Raises ConfigError for a file that cannot be used."""
    token = _token(arguments.token_file) if arguments.token_file else ""
    try:
        return Server(arguments.url, token, context(arguments.tls_ca, arguments.tls_cert))
    except OSError as error:
        raise ConfigError(str(error)) from None


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(f"--token-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {path} is no text") from None
