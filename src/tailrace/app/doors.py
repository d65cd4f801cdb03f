"""`[[server.doors]]`: listeners beside the one HTTP port, each of one protocol.

A door on another address than loopback lets nobody in who has not shown who he is: HTTP and gRPC
ask for a token, Forward for its shared key, and syslog, which has nothing of the kind, for a client
certificate or an address of a named network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Literal, get_args

import msgspec

from tailrace.core.address import host_port, is_loopback
from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant

Web = Literal["tailrace", "otlp", "loki", "elasticsearch", "splunk", "prometheus"]
Socket = Literal["syslog-udp", "syslog-tcp", "forward"]
WEB: tuple[str, ...] = get_args(Web)
# What is open without a configuration, where a stock OpenTelemetry SDK or collector sends.
USUAL = ("127.0.0.1:4318", "127.0.0.1:4317")


class DoorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tls`: with the certificates of `[server]`. For doors without credentials: `tenant` is whose
    data it is, `networks` who may send (anyone, when none is named). `shared_key_file`: of
    Forward."""

    type: Web | Socket | Literal["otlp-grpc"]
    listen: str
    tls: bool = False
    tenant: str = "default"
    networks: list[str] = []
    shared_key_file: str = ""

    @property
    def asks_for_tokens(self) -> bool:
        """Whether each request carries its credential."""
        return self.type in (*WEB, "otlp-grpc")


def usual() -> list[DoorSettings]:
    """The doors of an installation that names none."""
    web, grpc = USUAL
    return [DoorSettings("otlp", web), DoorSettings("otlp-grpc", grpc)]


def check(doors: Sequence[DoorSettings], certificates: bool, verifies: bool) -> None:
    """Raises ConfigError. `certificates` and `verifies`: whether the server has a certificate, and
    asks clients for theirs. Whether there are tokens is only known at the start."""
    for number, door in enumerate(doors):
        key = f"server.doors[{number}]"
        host, _ = host_port(door.listen, f"{key}.listen", "127.0.0.1:4318")
        if door.tls and not certificates:
            raise ConfigError(f"{key}.tls: needs server.tls_cert and server.tls_key")
        if door.tls and door.type == "syslog-udp":
            raise ConfigError(f"{key}.tls: UDP has none; use syslog-tcp")
        _check_senders(door, key)
        if not is_loopback(host):
            _check_reachable(door, key, host, verifies)
    listens = [(door.listen, door.type == "syslog-udp") for door in doors]
    for number, listen in enumerate(listens):
        if listen in listens[:number] and not listen[0].endswith(":0"):
            raise ConfigError(
                f"server.doors[{number}].listen: {listen[0]} is taken by another door"
            )


def _check_senders(door: DoorSettings, key: str) -> None:
    if door.asks_for_tokens and (door.networks or door.tenant != "default"):
        raise ConfigError(f"{key}: tenant and networks are for doors without tokens")
    if not check_tenant(door.tenant):
        raise ConfigError(f"{key}.tenant: lower-case letters, digits, - and _, at most 63")
    if door.shared_key_file and door.type != "forward":
        raise ConfigError(f"{key}.shared_key_file: only Forward has one")
    for network in door.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ConfigError(
                f"{key}.networks: {network!r} is no network, such as 10.0.0.0/8"
            ) from (None)


def _check_reachable(door: DoorSettings, key: str, host: str, verifies: bool) -> None:
    reached = f"{key}.listen: {host} is reachable from other machines, which requires"
    if door.asks_for_tokens or door.networks or (door.tls and verifies):
        return
    if door.type == "forward":
        if not door.shared_key_file:
            raise ConfigError(
                f"{reached} shared_key_file, networks, or tls with client certificates"
            )
        return
    raise ConfigError(f"{reached} networks, or tls with server.tls_client_ca")
