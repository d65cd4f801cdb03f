"""Who the machine is, from its own files and environment, in OpenTelemetry's names.

Nobody is asked: no metadata server, no name service. What is not certain is left out, because a
wrong identifier sends a person to the wrong machine. The environment goes before files.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from tailrace.agent.fleet import cloud, container
from tailrace.agent.fleet.facts import Facts
from tailrace.core import limits

# OpenTelemetry's words for what uname says.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm32",
    "armv6l": "arm32",
    "i386": "x86",
    "i686": "x86",
    "ppc64le": "ppc64",
}
_MACHINE_ID = re.compile("[0-9a-f]{32}")


def identity(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Identifiers of the machine, at most MACHINE_ATTRIBUTES, none empty.

    `root`: where its files are.
    """
    facts = Facts(root)
    found = {
        **_host(facts),
        **_system(facts),
        **cloud.identifiers(facts),
        **container.identifiers(facts, environment),
        **_from_environment(environment),
    }
    return dict(list(found.items())[: limits.MACHINE_ATTRIBUTES])


def _host(facts: Facts) -> dict[str, str]:
    machine = os.uname().machine
    found = {
        "host.name": facts.line("proc/sys/kernel/hostname") or socket.gethostname(),
        "host.arch": _ARCHITECTURES.get(machine, machine),
    }
    for path in ("etc/machine-id", "var/lib/dbus/machine-id"):
        if _MACHINE_ID.fullmatch(facts.line(path)):
            return {**found, "host.id": facts.line(path)}
    return found


def _system(facts: Facts) -> dict[str, str]:
    release = facts.text("etc/os-release") or facts.text("usr/lib/os-release")
    known = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    found = {
        "os.type": sys.platform.rstrip("0123456789"),
        "os.description": known.get("PRETTY_NAME", ""),
        "os.name": known.get("NAME", ""),
        "os.version": known.get("VERSION_ID", ""),
    }
    values = {name: facts.clean(value.strip().strip("\"'")) for name, value in found.items()}
    return {name: value for name, value in values.items() if value}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """OTEL_RESOURCE_ATTRIBUTES, `key=value,key=value` with %-escapes, and OTEL_SERVICE_NAME."""
    found = {}
    for pair in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        key, equals, value = pair.partition("=")
        name, text = Facts.clean(unquote(key)), Facts.clean(unquote(value))
        if equals and name and text:
            found[name] = text
    service = Facts.clean(environment.get("OTEL_SERVICE_NAME", ""))
    return {**found, "service.name": service} if service else found
