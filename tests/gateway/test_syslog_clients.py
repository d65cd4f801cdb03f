"""The syslog doors before real senders: rsyslogd, syslog-ng, logger, Python's handler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.handlers
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from listeners import (
    LOCAL,
    SYSLOG_NG,
    UNPACKED,
    Heard,
    certificate,
    hear,
    needs_openssl,
    needs_syslog_ng,
)

from tailrace.gateway.listening.syslogtcp import SyslogStreams
from tailrace.gateway.listening.syslogudp import SyslogDatagrams

RSYSLOG_MODULES = [
    Path("/usr/lib/x86_64-linux-gnu/rsyslog"),
    UNPACKED / "usr/lib/x86_64-linux-gnu/rsyslog",
]
needs_rsyslog = pytest.mark.skipif(
    shutil.which("rsyslogd") is None,
    reason="rsyslogd is not installed: see scripts/system-packages.sh",
)
needs_rsyslog_tls = pytest.mark.skipif(
    not any((folder / "lmnsd_gtls.so").exists() for folder in RSYSLOG_MODULES),
    reason="rsyslog-gnutls is not unpacked: see scripts/system-packages.sh",
)
needs_logger = pytest.mark.skipif(
    shutil.which("logger") is None, reason="logger is not installed: see scripts/system-packages.sh"
)
LINES = [f"12 line {n} äöü" for n in range(50)]


def listener(kind: str, tls: ssl.SSLContext | None = None) -> Any:
    """A factory of the listener of "udp" or "tcp"."""
    if kind == "udp":
        return lambda door: SyslogDatagrams(door, "default", LOCAL, 0)
    return lambda door: SyslogStreams(door, "default", LOCAL, 0, tls)


def mine(heard: Heard) -> list[dict[str, Any]]:
    return [record for record in heard.records if record.get("service") == "shop"]


@contextlib.asynccontextmanager
async def running(*command: str, **variables: str) -> AsyncIterator[None]:
    """A sender, until it is not needed any more."""
    silent = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=silent, stdout=silent, stderr=silent, env={**os.environ, **variables}
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


RSYSLOG = """
global(workDirectory="{home}" defaultNetstreamDriverCAFile="{home}/cert.pem")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{home}/in.log" Tag="shop:" Severity="warning" Facility="local3")
action(type="omfwd" target="127.0.0.1" port="{port}" {action})
"""
FORWARDED = {
    "counted": ("tcp", 'protocol="tcp" TCP_Framing="octet-counted" '
                'template="RSYSLOG_SyslogProtocol23Format"'),
    "lines": ("tcp", 'protocol="tcp" TCP_Framing="traditional" '
              'template="RSYSLOG_TraditionalForwardFormat"'),
    "udp": ("udp", 'protocol="udp" template="RSYSLOG_ForwardFormat"'),
    "tls": ("tls", 'protocol="tcp" TCP_Framing="octet-counted" StreamDriver="gtls" '
            'StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid"'),
}  # fmt: skip


@needs_rsyslog
@pytest.mark.parametrize(
    "how",
    ["counted", "lines", "udp", pytest.param("tls", marks=[needs_rsyslog_tls, needs_openssl])],
)
def test_rsyslogd_forwards(tmp_path: Path, how: str) -> None:
    kind, action = FORWARDED[how]
    tls = certificate(tmp_path) if kind == "tls" else None
    (tmp_path / "in.log").write_text("".join(f"{line}\n" for line in LINES))

    async def use(heard: Heard) -> None:
        config = tmp_path / "rsyslog.conf"
        config.write_text(RSYSLOG.format(home=tmp_path, port=heard.address[1], action=action))
        words = ["-n", "-f", str(config), "-i", str(tmp_path / "pid")]
        modules = ":".join(map(str, RSYSLOG_MODULES))
        async with running("rsyslogd", f"-M{modules}", *words):
            # rsyslogd's own messages, of its start, are forwarded as well.
            await heard.until(lambda: len(mine(heard)) >= len(LINES), 20.0)

    _check(hear(listener(kind, tls), use))


SYSLOG_NG_CONFIG = """
@version: 3.38
options {{ keep-hostname(no); use-dns(no); stats-freq(0); }};
source s {{ file("{home}/in.log" flags(no-parse) program-override("shop")
           default-facility(local3) default-priority(warning)); }};
destination d {{ {destination} }};
log {{ source(s); destination(d); }};
"""
DESTINATIONS = {
    "udp": ("udp", 'network("127.0.0.1" port({port}) transport("udp"));'),
    "tcp": ("tcp", 'network("127.0.0.1" port({port}) transport("tcp"));'),
    "syslog": ("tcp", 'syslog("127.0.0.1" port({port}) transport("tcp"));'),
    "tls": ("tls", 'syslog("127.0.0.1" port({port}) transport("tls") '
            'tls(ca-file("{home}/cert.pem") peer-verify(required-trusted)));'),
}  # fmt: skip


@needs_syslog_ng
@pytest.mark.parametrize("how", ["udp", "tcp", "syslog", pytest.param("tls", marks=needs_openssl)])
def test_syslog_ng_forwards(tmp_path: Path, how: str) -> None:
    kind, destination = DESTINATIONS[how]
    tls = certificate(tmp_path) if kind == "tls" else None
    (tmp_path / "in.log").write_text("".join(f"{line}\n" for line in LINES))
    libraries = [UNPACKED / "usr/lib/syslog-ng", *UNPACKED.glob("*/lib/*-linux-gnu")]
    libraries += UNPACKED.glob("lib/*-linux-gnu")
    files = {"cfgfile": "conf", "persist-file": "persist", "pidfile": "pid", "control": "ctl"}

    async def use(heard: Heard) -> None:
        chosen = destination.format(port=heard.address[1], home=tmp_path)
        text = SYSLOG_NG_CONFIG.format(home=tmp_path, destination=chosen)
        (tmp_path / "conf").write_text(text)
        words = [f"--{option}={tmp_path / name}" for option, name in files.items()]
        modules = next((UNPACKED / "usr/lib/syslog-ng").glob("3.*"))
        paths = ":".join(map(str, libraries))
        command = [str(SYSLOG_NG), "--foreground", f"--module-path={modules}", *words]
        async with running(*command, LD_LIBRARY_PATH=paths):
            await heard.until(lambda: len(mine(heard)) >= len(LINES), 20.0)

    _check(hear(listener(kind, tls), use))


def _check(found: Heard) -> None:
    records = mine(found)
    assert sorted(record["body"] for record in records) == sorted(LINES)
    assert {record["severity"] for record in records} == {"warning"}
    assert {record["attributes"]["syslog.facility"] for record in records} == {"local3"}
    assert {record["attributes"]["network.peer.address"] for record in records} == {LOCAL}
    assert all(record["resource"]["host.name"] and record["time"] for record in records)


@needs_logger
@pytest.mark.parametrize(
    "words",
    [
        ["--udp", "--rfc3164"],
        ["--udp", "--rfc5424"],
        ["--tcp", "--octet-count", "--rfc5424"],
        ["--tcp", "--rfc3164"],
    ],
    ids="-".join,
)
def test_logger_of_util_linux_is_understood(words: list[str]) -> None:
    async def use(heard: Heard) -> None:
        command = ["logger", *words, f"--server={LOCAL}", f"--port={heard.address[1]}"]
        rest = ["--tag=cron", "--id=9", "--priority=auth.err", "it [failed]: 1"]
        await asyncio.to_thread(subprocess.run, [*command, *rest], check=True)
        await heard.count(1)

    (record,) = hear(listener(words[0].strip("-")), use).records
    assert (record["service"], record["severity"]) == ("cron", "err")
    assert record["body"] == "it [failed]: 1"
    assert record["attributes"]["syslog.procid"] == "9"
    assert record["resource"]["host.name"] == socket.gethostname().split(".")[0]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    found = logging.Logger("test")
    yield found
    for handler in found.handlers:
        handler.close()


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_pythons_handler_is_understood(kind: str, logger: logging.Logger) -> None:
    types = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}

    async def use(heard: Heard) -> None:
        handler = logging.handlers.SysLogHandler(heard.address, socktype=types[kind])
        handler.setFormatter(logging.Formatter("shop[%(process)d]: %(message)s"))
        logger.addHandler(handler)
        logger.error("one")
        logger.warning("two")
        await heard.count(2)

    records = hear(listener(kind), use).records
    assert [record["body"] for record in records] == ["one", "two"]
    assert [record["severity"] for record in records] == ["err", "warning"]
    assert {record["service"] for record in records} == {"shop"}
