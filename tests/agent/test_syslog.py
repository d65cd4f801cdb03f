"""A syslog server as its senders meet it: rsyslogd, logger, Python's handler, and worse."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from feeding import Drain

from tailrace.agent.feeds.syslog import Syslog
from tailrace.agent.inputs import SyslogInput
from tailrace.core import limits
from tailrace.core.errors import ConfigError

LOCAL = "127.0.0.1:0"
Serve = Callable[..., tuple[Syslog, Drain]]
needs_rsyslog = pytest.mark.skipif(
    shutil.which("rsyslogd") is None,
    reason="rsyslogd is not installed: see scripts/system-packages.sh",
)
needs_logger = pytest.mark.skipif(
    shutil.which("logger") is None, reason="logger is not installed: see scripts/system-packages.sh"
)


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Syslog] = []

    def begin(**changes: Any) -> tuple[Syslog, Drain]:
        found = Syslog(SyslogInput(**{"udp": LOCAL, "tcp": LOCAL, **changes}), "x", lambda: None)
        found.start()
        started.append(found)
        return found, Drain(found.intake)

    yield begin
    for one in started:
        one.intake.close()
        one.stop()


def connect(server: Syslog) -> socket.socket:
    return socket.create_connection(server.addresses["tcp"], timeout=10)


def datagram(server: Syslog, *messages: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for message in messages:
            sender.sendto(message, server.addresses["udp"])


RSYSLOG = """
global(workDirectory="{home}")
module(load="imfile" PollingInterval="1")
input(type="imfile" File="{home}/in.log" Tag="shop:" Severity="warning" Facility="local3")
action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp"
       TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")
action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp"
       TCP_Framing="traditional" template="RSYSLOG_TraditionalForwardFormat")
action(type="omfwd" target="127.0.0.1" port="{udp}" protocol="udp"
       template="RSYSLOG_ForwardFormat")
"""


@needs_rsyslog
def test_rsyslogd_forwards_over_tcp_in_both_framings_and_over_udp(
    serve: Serve, tmp_path: Path
) -> None:
    server, drain = serve()
    config = tmp_path / "rsyslog.conf"
    ports = {name: port for name, (_, port) in server.addresses.items()}
    config.write_text(RSYSLOG.format(home=tmp_path, **ports))
    (tmp_path / "in.log").write_text("".join(f"12 line {n} äöü\n" for n in range(50)))
    command = ["rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "pid")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        # rsyslogd's own messages, of its start, are forwarded as well.
        mine = lambda: [r for r in drain.records() if r.get("service") == "shop"]  # noqa: E731
        assert drain.until(lambda: len(mine()) >= 150, 20.0), len(drain.rows)
    finally:
        process.terminate()
        process.wait(10)
    found = mine()
    bodies = sorted(record["body"] for record in found)
    assert bodies == sorted([f"12 line {n} äöü" for n in range(50)] * 3)
    assert {record["severity"] for record in found} == {"warning"}
    assert {record["attributes"]["syslog.facility"] for record in found} == {"local3"}
    assert all(record["attributes"]["syslog.hostname"] and record["time"] for record in found)
    assert not drain.dropped
    assert not drain.repaired


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
def test_logger_of_util_linux_is_understood(serve: Serve, words: list[str]) -> None:
    server, drain = serve()
    port = server.addresses[words[0].strip("-")][1]
    command = ["logger", *words, "--server=127.0.0.1", f"--port={port}", "--tag=cron"]
    subprocess.run([*command, "--id=9", "--priority=auth.err", "it [failed]: 1"], check=True)
    assert drain.count(1)
    (record,) = drain.records()
    assert (record["service"], record["severity"]) == ("cron", "err")
    assert record["body"] == "it [failed]: 1"
    assert record["attributes"]["syslog.procid"] == "9"
    assert record["attributes"]["syslog.facility"] == "auth"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_pythons_handler_is_understood(serve: Serve, kind: socket.SocketKind) -> None:
    server, drain = serve()
    address = server.addresses["udp" if kind is socket.SOCK_DGRAM else "tcp"]
    handler = logging.handlers.SysLogHandler(address, socktype=kind)
    handler.setFormatter(logging.Formatter("shop[%(process)d]: %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    logger.error("two\nlines")
    logger.warning("again")
    handler.close()
    # Over TCP a newline ends a message, whatever its sender meant.
    bodies = ["two\nlines", "again"] if kind is socket.SOCK_DGRAM else ["two", "lines", "again"]
    assert drain.count(len(bodies))
    assert drain.bodies() == bodies
    assert [record.get("severity") for record in drain.records()][0 :: len(bodies) - 1] == [
        "err",
        "warning",
    ]
    assert next(drain.records())["service"] == "shop"


def test_over_tcp_python_ends_its_messages_with_a_nul(serve: Serve) -> None:
    server, drain = serve(udp="")
    with connect(server) as client:
        client.sendall(b"<14>one\0<14>two\0")
        assert drain.count(2)
    assert drain.bodies() == ["one", "two"]


def test_the_last_message_of_a_connection_and_of_a_stop_are_taken(serve: Serve) -> None:
    server, drain = serve()
    with connect(server) as client:
        client.sendall(b"<14>one\n<14>two")
    assert drain.count(2)
    with connect(server) as client:
        client.sendall(b"<14>three\n<14>four")
        datagram(server, b"<14>five")
        server.stop()
    assert drain.count(5)
    assert sorted(drain.bodies()) == ["five", "four", "one", "three", "two"]


def test_a_message_that_is_too_long_is_cut_and_one_that_is_torn_is_kept(serve: Serve) -> None:
    server, drain = serve()
    with connect(server) as client:
        client.sendall(b"<14>" + b"x" * 2 * limits.LINE_BYTES + b"\n" + b"99 <14>torn")
    assert drain.count(2)
    server.stop()
    drain.step()
    assert drain.bodies()[1] == "torn"
    assert drain.repaired["torn"] == 1
    assert drain.repaired["line_length"] >= 1


def test_a_full_intake_holds_tcp_senders_back_and_loses_nothing(serve: Serve) -> None:
    server, drain = serve()
    message = b"<14>" + b"x" * 1000 + b"\n"
    with connect(server) as client:
        client.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 64 * limits.MIB:
                sent += client.send(message[sent % len(message) :] + message * 60)
        assert limits.INTAKE_BYTES < sent < 64 * limits.MIB
        client.settimeout(10.0)
        rest = -sent % len(message)
        if rest:
            drain.step()
            client.sendall(message[-rest:])
    expected = (sent + rest) // len(message)
    assert drain.count(expected, 20.0)
    assert len(drain.rows) == expected
    assert not drain.dropped


def test_a_full_intake_drops_datagrams_and_counts_every_one(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.agent.feeds.listening.RECEIVE_BYTES", 64 * limits.KIB)
    server, drain = serve(tcp="")
    number = 3 * limits.INTAKE_BYTES // 1000
    datagram(server, *(b"<14>" + b"x" * 1000 for _ in range(number)))
    assert drain.until(lambda: len(drain.rows) + drain.dropped["udp"] >= number, 10.0)
    assert len(drain.rows) + drain.dropped["udp"] == number
    assert drain.dropped["udp"] > 0


def test_connections_are_bounded_and_a_quiet_one_makes_room(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, drain = serve()
    monkeypatch.setattr(limits, "LISTENER_CONNECTIONS", 2)
    with connect(server) as first, connect(server) as second:
        first.sendall(b"<14>a\n")
        second.sendall(b"<14>b\n")
        assert drain.count(2)
        with connect(server) as refused:
            assert refused.recv(1) == b""
        monkeypatch.setattr(limits, "LISTENER_SPARE_S", 0.02)
        time.sleep(0.05)
        with connect(server) as third:
            third.sendall(b"<14>c\n")
            assert drain.count(3)
        assert first.recv(1) == b""


def test_connections_that_say_nothing_for_long_are_closed(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LISTENER_IDLE_S", 0.05)
    monkeypatch.setattr("tailrace.agent.feeds.syslog._EXPIRE_S", 0.1)
    server, drain = serve()
    with connect(server) as client:
        client.sendall(b"<14>unfinished")
        assert client.recv(1) == b""
    assert drain.count(1)


def test_hostile_senders_stop_nothing(serve: Serve) -> None:
    server, drain = serve()
    for data in (b"\xff" * 70_000, b"9" * 300_000, b"\0" * 70_000, b"<14>1 " + b"[a " * 50_000):
        with connect(server) as client:
            client.sendall(data)
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(b"<14>reset")
    datagram(server, b"", b"\0", b"\xff\xfe", b"<14>fine")
    assert drain.until(lambda: "fine" in drain.bodies())


@pytest.mark.parametrize("address", ["0.0.0.0:5514", "[::]:5514", "example.com:5514", "127.0.0.1"])
def test_an_address_that_others_reach_is_refused_by_name(address: str) -> None:
    server = Syslog(SyslogInput(udp=address), "agent.inputs[3]", lambda: None)
    with pytest.raises(ConfigError, match=r"agent\.inputs\[3\]\.udp"):
        server.start()


def test_an_address_that_is_taken_is_an_error_that_says_so(serve: Serve) -> None:
    server, _ = serve()
    taken = "{}:{}".format(*server.addresses["udp"])
    with pytest.raises(ConfigError, match=r"x\.udp: .* cannot be used"):
        Syslog(SyslogInput(udp=taken, tcp=""), "x", lambda: None).start()


def test_one_address_of_ipv6_will_do(serve: Serve) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    server, drain = serve(udp="[::1]:0", tcp="")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"<14>six", server.addresses["udp"])
    assert drain.count(1)
