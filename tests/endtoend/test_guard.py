"""No card and no social security number that comes in by any door is ever written in clear."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import bytescan
import everydoor
from everydoor import HTTP, SOCKETS, Doors
from personal import Corpus, Value
from running import Server, Start, free_port
from test_doors import datagram_port
from test_metrics import archived


def door_ports() -> dict[str, int]:
    return {
        kind: datagram_port() if kind == "syslog-udp" else free_port() for kind in (*HTTP, *SOCKETS)
    }


def named(ports: dict[str, int]) -> str:
    """The setting `server.doors`."""
    doors = (f'{{type="{kind}", listen="127.0.0.1:{port}"}}' for kind, port in ports.items())
    return f"[{', '.join(doors)}]"


def tailed(home: Path, corpus: Corpus) -> tuple[str, Counter[str]]:
    """Files with texts, the setting `agent.inputs` that reads them, and how many rows they are."""
    plain = corpus.texts("tailed file", newlines=False)
    joined = corpus.texts("tailed file of events")
    (home / "plain.log").write_text("".join(f"{text}\n" for text in plain))
    (home / "events.log").write_text("".join(f"EVENT {text}\n" for text in joined))
    inputs = (
        f"[{{paths=['{home}/plain.log'], service='tailed'}}, {{paths=['{home}/events.log'], "
        "service='events', multiline='start', multiline_start='^EVENT '}]"
    )
    return inputs, Counter(logs=len(plain) + len(joined))


def refused(doors: Doors, corpus: Corpus) -> None:
    """Bodies that are malformed, and hold values where they are: none is taken."""
    cards = [text.encode() for text in corpus.texts("refused", newlines=False)]
    bodies = [
        b'{"body":"%b","note":' % card.replace(b'"', b"'").replace(b"\\", b"/") for card in cards
    ]
    json, protobuf = everydoor.JSON, everydoor.PROTOBUF
    for body in bodies:
        asked: list[tuple[str, str, dict[str, str]]] = [
            ("tailrace", "/ingest/records", {}),
            ("tailrace", "/ingest/frames", {}),
            ("tailrace", "/ingest/lines", {"content_encoding": "gzip"}),
            ("otlp", "/v1/logs", json),
            ("otlp", "/v1/traces", protobuf),
            ("otlp", "/v1/metrics", json),
            ("loki", "/loki/api/v1/push", json),
            ("loki", "/loki/api/v1/push", protobuf),
            ("elasticsearch", "/_bulk", {}),
            ("splunk", "/services/collector/event", {}),
            ("prometheus", "/api/v1/write", protobuf),
        ]
        for kind, path, headers in asked:
            answer = doors.http[kind].post(path, body, **headers)
            assert 400 <= answer.status < 500, (path, headers, answer)
        answer = doors.server.post("/agents/announce", b'{"source":"x","host":"%b"}' % body)
        assert answer.status == 400
        assert doors.server.get(f"/nothing/{everydoor.quoted(body.decode())}").status == 404
        with socket.create_connection(("127.0.0.1", doors.ports["forward"])) as sender:
            sender.sendall(b"\x94" + body)
            sender.shutdown(socket.SHUT_WR)
            assert sender.recv(1) == b""


def pseudonyms(server: Server, values: Iterable[Value]) -> dict[Value, str]:
    """What the server says that they are called."""
    found: dict[Value, str] = {}
    for value in values:
        body = json.dumps({"kind": value.kind, "value": value.digits}).encode()
        answer = server.post("/api/v1/pseudonyms", body)
        assert answer.status == 200, answer
        (known,) = answer.json()["pseudonyms"]
        found[value] = known["pseudonym"]
    return found


def check_nothing_is_clear(server: Server, values: Iterable[Value]) -> dict[str, list[str]]:
    """Every file of the stopped server, and all that files expand to. Its tables' rows by name."""
    digits = {value.digits: f"{value.place}: {value.form}" for value in values}
    written = [*bytescan.files(server.home), *bytescan.queue(server.data / "queue")]
    tables = bytescan.stored(server.data)
    written += [(name, "\n".join(rows)) for name, rows in tables.items()]
    found = bytescan.leaks(written, digits)
    assert not found, {name: sorted(digits[one] for one in some) for name, some in found.items()}
    return tables


def test_the_scan_sees_what_it_looks_for() -> None:
    """Each form that is sent, or the test below would prove nothing."""
    corpus = Corpus(3)
    corpus.texts("a place")
    for value in corpus.values:
        for text in (value.text, json.dumps(value.text), f"('{value.text}')", value.digits):
            assert bytescan.clear(text, frozenset((value.digits,))) == {value.digits}, text


def test_nothing_that_is_written_holds_a_card_or_a_number(tmp_path: Path, start: Start) -> None:
    corpus, ports, home = Corpus(7), door_ports(), tmp_path / "home"
    home.mkdir()
    inputs, sent = tailed(tmp_path, corpus)
    server = start(
        home,
        TAILRACE_SERVER__DOORS=named(ports),
        TAILRACE_AGENT__INPUTS=inputs,
        # What an agent has not sent yet is the sender's.
        TAILRACE_AGENT__DIRECTORY=str(tmp_path / "agent"),
    )
    doors = Doors(server, ports)
    for send in everydoor.ALL:
        sent += send(doors, corpus)
    taken = [one for one in corpus.values if not one.place.startswith("announcement")]
    refused(doors, corpus)
    server.until(lambda: sum(server.counts().values()) == sent["logs"], "stored")
    server.until(lambda: archived(server) == sum(sent.values()), "archived")
    called = pseudonyms(server, taken)
    assert len(server.get("/api/v1/agents").json()["agents"]) > 1
    assert server.stop() == 0, server.log()
    tables = check_nothing_is_clear(server, corpus.values)
    counted = {name: len(tables[f"default.{name}"]) for name in ("logs", "spans", "samples")}
    assert counted == sent
    check_called(tables, called)


def check_called(tables: dict[str, list[str]], called: dict[Value, str]) -> None:
    """Each value has one pseudonym, in the place where it was sent, hot and archived."""
    hot = "\n".join(row for name, rows in tables.items() if "." in name for row in rows)
    cold = "\n".join(row for name, rows in tables.items() if "/" in name for row in rows)
    missing = {f"{one.place}: {one.form}" for one, name in called.items() if name not in hot}
    assert not missing
    missing = {f"{one.place}: {one.form}" for one, name in called.items() if name not in cold}
    assert not {one for one in missing if "exemplar" not in one}
    places = {one.place for one in called}
    for shared in {name for one, name in called.items() if one.form == "shared"}:
        assert hot.count(shared) >= len(places), (shared, hot.count(shared), len(places))
