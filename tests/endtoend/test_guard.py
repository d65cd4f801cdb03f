"""No card and no social security number that comes in by any door is ever written in clear."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bytescan
import everydoor
from everydoor import HTTP, SOCKETS, Doors
from loads import Load, Request
from once import await_once, check_archive
from personal import Corpus, Value
from running import Server, Start
from test_gateways import Gateway
from test_metrics import archived, frame

from tailrace.core.frame import Signal
from tailrace.wire import frames

COMMAND = Path(sys.executable).with_name("tailrace")
PSEUDONYM = re.compile("#[a-z]+:[0-9a-z]{16}")
FRAMES = 60


def door_ports() -> dict[str, int]:
    """All different: each is held until all are found."""
    with contextlib.ExitStack() as held:
        found: dict[str, int] = {}
        for kind in (*HTTP, *SOCKETS):
            way = socket.SOCK_DGRAM if kind == "syslog-udp" else socket.SOCK_STREAM
            one = held.enter_context(socket.socket(socket.AF_INET, way))
            one.bind(("127.0.0.1", 0))
            found[kind] = one.getsockname()[1]
        return found


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


def asked(server: Server, corpus: Corpus) -> None:
    """Questions that hold values, understood and not."""
    for text in corpus.texts("asked"):
        needle = everydoor.quoted(json.dumps(text))
        metrics = everydoor.quoted("up{note=" + json.dumps(text) + "}")
        for path in (
            f"/loki/api/v1/query_range?query=%7Bservice_name%3D~%22.%2B%22%7D%7C%3D{needle}",
            f"/loki/api/v1/query_range?query={needle}",
            f"/api/v1/query?query={metrics}",
            f"/api/v1/query?query={needle}%7B",
            f"/api/traces/{everydoor.quoted(text)}",
        ):
            assert server.get(path).status in (200, 400, 404, 422), path


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


def check_nothing_is_clear(server: Server, values: Sequence[Value]) -> dict[str, list[str]]:
    """Every file of the stopped server, and all that files expand to. Its tables' rows by name."""
    written = [*bytescan.files(server.home), *bytescan.queue(server.data / "queue")]
    tables = bytescan.stored(server.data)
    written += [(name, "\n".join(rows)) for name, rows in tables.items()]
    found = bytescan.leaks(written, {value.digits for value in values})
    clear = set[str]().union(*found.values())
    forms = Counter(f"{one.kind}, {one.form}" for one in values if one.digits in clear)
    places = sorted({one.place for one in values if one.digits in clear})
    assert not found, f"in clear: {dict(forms)} sent to {places}, found in {sorted(found)}"
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
    asked(server, corpus)
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


def test_a_gateway_writes_nothing_of_what_it_passes_on(tmp_path: Path, start: Start) -> None:
    """Neither while the server behind it serves, nor while requests wait for it to come back."""
    home, token = tmp_path / "home", tmp_path / "token"
    home.mkdir()
    token.write_text("none")
    server = start(home)
    gateway = Gateway(tmp_path / "gateway", server.port, token)
    some = (everydoor.records, everydoor.loki, everydoor.bulk, everydoor.splunk)
    corpora = [Corpus(20 + number) for number in range(2 * len(some))]
    unused = list(corpora)
    try:
        front = Server(tmp_path / "front")
        front.port, front.process = gateway.port, gateway.process
        front.until(lambda: front.get("/ready").status == 200, "ready")
        doors = Doors(front, dict.fromkeys(HTTP, gateway.port))
        sent = [send(doors, unused.pop()) for send in some]
        server.kill()
        with ThreadPoolExecutor(len(some)) as threads:
            waiting = [threads.submit(send, doors, unused.pop()) for send in some]
            log = tmp_path / "gateway" / "log"
            front.until(lambda: "gateway not reached" in log.read_text(), "waiting")
            assert not bytescan.leaks(bytescan.files(tmp_path / "gateway"), digits_of(corpora))
            server.start()
            sent += [one.result() for one in waiting]
        rows = sum(one["logs"] for one in sent)
        server.until(lambda: sum(server.counts().values()) == rows, "stored")
        assert gateway.stop() == 0
    finally:
        gateway.kill()
    assert server.stop() == 0, server.log()
    assert not bytescan.leaks(bytescan.files(tmp_path / "gateway"), digits_of(corpora))
    check_nothing_is_clear(server, [value for corpus in corpora for value in corpus.values])


def digits_of(corpora: Iterable[Corpus]) -> set[str]:
    return {value.digits for corpus in corpora for value in corpus.values}


def numbered(corpus: Corpus) -> Iterator[Request]:
    """Frames with values in every row, each of a service of its own."""
    for number in range(FRAMES):
        service = f"crash-{number:03d}"
        texts = corpus.texts(service)
        data = b"".join(
            json.dumps({"body": f"{row} {text}", "service": service}).encode() + b"\n"
            for row, text in enumerate(texts)
        )
        body = frames.encode([frame(data, number, "crash", Signal.LOGS)])
        yield Request("/ingest/frames", body, {service: len(texts)})


def test_after_kill_9_nothing_is_clear_and_every_row_is_there_once(start: Start) -> None:
    corpus = Corpus(9)
    requests = list(numbered(corpus))
    server = start()
    load = Load(server, iter(requests), echo=True)
    for _ in range(2):
        load.await_acks(FRAMES // 4)
        server.kill()
        server.start()
    server.until(lambda: len(load.acked) == FRAMES, "all acknowledged")
    again = Load(server, iter(requests))
    server.until(lambda: len(again.acked) == FRAMES, "all acknowledged again")
    load.stop()
    again.stop()
    await_once(server, [load])
    rows = sum(sum(request.rows.values()) for request in requests)
    server.until(lambda: archived(server) == rows, "archived")
    assert server.stop() == 0, server.log()
    check_archive(server.data / "archive", [load])
    check_nothing_is_clear(server, corpus.values)


def test_dead_letters_hold_nothing_in_clear(start: Start) -> None:
    corpus = Corpus(12)
    first, second = [next(requests) for requests in [numbered(corpus)] for _ in range(2)]
    server = start()
    for request in (first, second):
        assert server.post(request.path, request.body).status == 200
    rows = {**first.rows, **second.rows}
    server.until(lambda: server.counts() == rows, "stored")
    server.until(lambda: archived(server) == sum(rows.values()), "archived")
    assert server.stop() == 0, server.log()
    bytescan.damage(server.data / "queue")
    server.start()
    server.until(lambda: server.metric("tailrace_dead_letters_total") >= 1, "buried")
    for one in server.get("/api/v1/deadletters").json()["letters"]:
        shown = server.get(f"/api/v1/deadletters/{one['id']}?bytes=65536").json()
        assert shown["text"]
        texts = [(one["id"], json.dumps(shown))]
        assert not bytescan.leaks(texts, {value.digits for value in corpus.values})
    assert server.stop() == 0, server.log()
    written = list(bytescan.queue(server.data / "queue"))
    assert any(name == "dead letter" for name, _ in written)
    check_nothing_is_clear(server, corpus.values)


def test_a_guard_without_its_keys_takes_nothing(tmp_path: Path, start: Start) -> None:
    """And what it refused, it takes when it has them again."""
    ports = door_ports()
    server = start(TAILRACE_SERVER__DOORS=named(ports))
    assert server.post("/ingest/lines?service=before", b"one\n").status == 200
    server.until(lambda: server.counts() == {"before": 1}, "stored")
    assert server.stop() == 0, server.log()
    master = tmp_path / "config" / "tailrace" / "master.key"
    right = master.read_bytes()
    master.write_bytes(base64.b64encode(b"another master key of 32 bytes.."))
    server.launch()
    server.until(lambda: server.get("/health").status == 200, "up")
    doors, corpus = Doors(server, ports, away=True), Corpus(10)
    assert server.get("/ready").status == 503
    with everydoor.forwarded(doors, b"once") as acknowledged:
        for send in everydoor.ANSWERING:
            send(doors, corpus)
        assert server.get("/ready").status == 503
        assert server.counts() == {"before": 1}
        assert not acknowledged()
        master.write_bytes(right)
        server.until(lambda: server.get("/ready").status == 200, "ready again")
        server.until(acknowledged, "acknowledged")
    sent, doors.away = Counter[str](logs=2), False
    same = Corpus(10)
    for send in everydoor.ANSWERING:
        sent += send(doors, same)
    server.until(lambda: archived(server) == sum(sent.values()), "archived")


def test_a_detector_that_misses_its_example_stops_the_start(tmp_path: Path) -> None:
    one = """[{name='member', pattern='MB-[0-9]{8}', matches=['member MB-1234'], traps=[]}]"""
    server = Server(tmp_path, TAILRACE_GUARD__DETECTORS=one)
    server.launch()
    assert server.process
    assert server.process.wait(60.0) == 2
    said = server.log().splitlines()[-1]
    assert said.startswith("tailrace: guard.detectors"), said
    assert not server.data.exists() or not list(server.data.rglob("*.seg"))


def guard(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """`tailrace guard` beside the server."""
    return subprocess.run(
        [COMMAND, "guard", *words],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_an_audit_finds_what_was_stored_before_its_detector_was_there(start: Start) -> None:
    server = start(TAILRACE_GUARD__DISABLE='["email"]')
    body = b"for jane@example.com\nfor joe@example.org\nfor nobody\n"
    assert server.post("/ingest/lines?service=mail", body).status == 200
    server.until(lambda: server.counts() == {"mail": 3}, "stored")
    server.until(lambda: archived(server) == 3, "archived")
    url = f"http://127.0.0.1:{server.port}"
    before = guard(server, "audit", "--url", url)
    assert (before.returncode, before.stderr) == (0, "")
    assert server.stop() == 0, server.log()
    del server.environment["TAILRACE_GUARD__DISABLE"]
    server.start()
    after = guard(server, "audit", "--url", url)
    assert after.returncode == 1, after
    found = [line for line in after.stdout.splitlines() if line.startswith("email: ")]
    assert [line.split(", ")[0] for line in found] == [
        "email: 2 values in 2 rows of hot logs",
        "email: 2 values in 2 rows of archived logs",
    ]
    assert "example.com" not in after.stdout + server.log()


def test_the_guard_shows_what_would_become_of_a_line_as_documented(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "guard.md").read_text()
    _, _, example = document.partition("$ echo '")
    line, _, rest = example.partition("' |\n")
    shown = [one.strip() for one in rest.partition("\n\n")[0].splitlines()[1:]]
    path = tmp_path / "app.log"
    path.write_text(f"{line}\nnothing here\n")
    done = guard(Server(tmp_path), "test", str(path))
    assert (done.returncode, done.stderr) == (0, "2 values found\n")
    printed = [one.strip() for one in done.stdout.splitlines()]
    assert PSEUDONYM.findall(printed[0]) and "4111" not in done.stdout
    assert [PSEUDONYM.sub("#", one) for one in printed] == [
        PSEUDONYM.sub("#", one) for one in shown
    ]
    assert guard(Server(tmp_path), "test", "--fail", str(path)).returncode == 1
