"""`tailrace keys`: what is printed where, what is refused, and that no key ever shows."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tailrace.app import config as configuration
from tailrace.app.control import control_store
from tailrace.app.keyring import keyring
from tailrace.cli import main
from tailrace.core.clock import SystemClock
from tailrace.core.errors import StoreError, TailraceError
from tailrace.core.metrics import Metrics

KINDS = ("email", "pan")


class Home:
    """A server's directories, and what its keyring says at each start."""

    def __init__(self, path: Path) -> None:
        self.data = path / "data"
        self.master = path / "config" / "tailrace" / "master.key"
        self.seen: set[bytes] = set()

    def secrets(self, tenant: str = "shop") -> dict[str, bytes]:
        async def start() -> dict[str, bytes]:
            config = configuration.load(None, os.environ)
            control = control_store(config.server)
            await control.open()
            try:
                keys = keyring(config, control, SystemClock(), Metrics(), KINDS)
                await keys.open()
                return dict(await keys.secrets(tenant))
            finally:
                await control.close()

        found = asyncio.run(start())
        self.seen.update(found.values(), [base64.b64decode(self.master.read_bytes())])
        return found

    def shows(self, text: str) -> bool:
        """Whether any key that was ever in use is in `text`."""
        return any(
            form in text
            for secret in self.seen
            for form in (secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1])
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("TAILRACE_SERVER__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Home(tmp_path)


class Said:
    def __init__(self, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
        self._home = home
        self._capsys = capsys

    def __call__(self, *words: str, status: int = 0) -> tuple[str, str]:
        """Standard output and error; neither shows a key."""
        assert main(["keys", *words]) == status
        said = self._capsys.readouterr()
        assert not self._home.shows(said.out + said.err)
        return said.out, said.err

    def failed(self, *words: str) -> str:
        return self(*words, status=1)[1]

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("list", "--json")[0])
        return found

    def states(self, tenant: str = "shop") -> dict[tuple[str, int], str]:
        found = [key for key in self.listed() if key["tenant"] == tenant]
        return {(key["kind"], key["epoch"]): key["state"] for key in found}


@pytest.fixture
def say(home: Home, capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(home, capsys)


PAN = ("--tenant", "shop", "--kind", "pan")


def test_keys_are_listed_with_their_times_and_without_secrets(home: Home, say: Said) -> None:
    home.secrets("shop")
    home.secrets("other")
    heading, *rows = say("list")[0].splitlines()
    assert heading.split() == [
        "TENANT", "KIND", "EPOCH", "STATE", "MASTER", "CREATED", "RETIRED", "ENDS"
    ]  # fmt: skip
    assert [row.split()[:5] for row in rows] == [
        [tenant, kind, "1", "in", "use"] for tenant in ("other", "shop") for kind in KINDS
    ]
    assert all(row.split()[7] == "never" for row in rows)
    assert len(say("list", "--tenant", "shop")[0].splitlines()) == 1 + len(KINDS)
    key = say.listed()[0]
    assert set(key) == {
        "tenant", "kind", "epoch", "master", "created_ns", "retired_ns", "destroyed_ns", "state",
        "ends_ns",
    }  # fmt: skip
    assert key["ends_ns"] - key["created_ns"] == (90 + 365) * 86_400 * 10**9


def test_a_key_is_rotated_and_then_destroyed_for_good(home: Home, say: Said) -> None:
    first = home.secrets()
    out, err = say("rotate", *PAN)
    assert (out, err) == ("shop pan 2\n", "1 keys were rotated; above are those in use now\n")
    second = home.secrets()
    assert second["pan"] != first["pan"]
    assert second["email"] == first["email"]
    assert say.states() == {
        ("email", 1): "in use", ("pan", 1): "retired", ("pan", 2): "in use"
    }  # fmt: skip
    out, err = say("destroy", *PAN, "--epoch", "1", "--yes")
    assert (out, err) == ("shop pan 1\n", "1 keys were destroyed\n")
    assert say.states()[("pan", 1)] == "destroyed"
    assert home.secrets() == second


def test_all_are_rotated_when_none_is_named(home: Home, say: Said) -> None:
    home.secrets("shop")
    home.secrets("other")
    assert len(say("rotate")[0].splitlines()) == 2 * len(KINDS)
    assert len(say("rotate", "--kind", "email")[0].splitlines()) == 2
    assert len(say("rotate", "--tenant", "other")[0].splitlines()) == len(KINDS)
    assert set(say.states("other").values()) == {"retired", "in use"}


def test_the_key_in_use_is_not_destroyed_nor_one_that_is_not_there(home: Home, say: Said) -> None:
    home.secrets()
    _, err = say("destroy", *PAN, "--epoch", "1", "--yes", status=1)
    assert err == (
        "tailrace: this key is in use; first: tailrace keys rotate --tenant shop --kind pan\n"
    )
    for words in ((*PAN, "--epoch", "2"), ("--tenant", "x", "--kind", "pan", "--epoch", "1")):
        assert "no such key" in say("destroy", *words, "--yes", status=1)[1]
    say("rotate", *PAN)
    say("destroy", *PAN, "--epoch", "1", "--yes")
    assert "was destroyed at 20" in say("destroy", *PAN, "--epoch", "1", "--yes", status=1)[1]
    assert "no such key" in say("rotate", "--tenant", "nobody", status=1)[1]


def test_a_running_server_follows_within_seconds(home: Home, say: Said) -> None:
    async def serve() -> None:
        config = configuration.load(None, os.environ)
        control = control_store(config.server)
        await control.open()
        keys = keyring(config, control, SystemClock(), Metrics(), KINDS)
        await keys.open()
        running = asyncio.create_task(keys.run())
        before = dict(await keys.secrets("shop"))
        await asyncio.to_thread(say, "rotate", *PAN)
        async with asyncio.timeout(10):
            while (await keys.secrets("shop"))["pan"] == before["pan"]:
                await asyncio.sleep(0.02)
        assert len(await keys.history("shop", "pan")) == 2
        await asyncio.to_thread(say, "destroy", *PAN, "--epoch", "1", "--yes")
        assert [key.epoch for key in await keys.history("shop", "pan")] == [2]
        running.cancel()
        await asyncio.wait([running])
        await control.close()

    asyncio.run(serve())


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_to_destroy_has_to_be_typed_or_said(
    home: Home, say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.secrets()
    say("rotate", *PAN)
    for stdin in (io.StringIO("shop pan 1\n"), Terminal("yes\n"), Terminal("")):
        monkeypatch.setattr("sys.stdin", stdin)
        out, err = say("destroy", *PAN, "--epoch", "1", status=2)
        assert (out, "nothing was destroyed" in err) == ("", True)
    assert say.states()[("pan", 1)] == "retired"
    monkeypatch.setattr("sys.stdin", Terminal("shop pan 1\n"))
    _, err = say("destroy", *PAN, "--epoch", "1")
    assert "Type 'shop pan 1' to destroy: " in err


def new_master(home: Home) -> Path:
    """Put another master key in the place of the one that is; where that is now."""
    old = home.master.rename(home.master.with_name("old.key"))
    home.master.write_text(base64.b64encode(os.urandom(32)).decode() + "\n")
    home.master.chmod(0o600)
    return old


def test_all_are_wrapped_by_another_master_key_and_stay_the_same(home: Home, say: Said) -> None:
    first = home.secrets()
    old = new_master(home)
    with pytest.raises(StoreError, match=r"guard\.master_key_file: holds the master key"):
        home.secrets()
    assert "are wrapped by" in say.failed("rotate")
    out, err = say("rewrap", "--old-file", str(old))
    assert (out, f"{len(KINDS)} keys were wrapped anew, by the master key" in err) == ("", True)
    old.unlink()
    assert home.secrets() == first


def test_the_old_master_key_may_be_in_a_variable(
    home: Home, say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = home.secrets()
    monkeypatch.setenv("OLD", new_master(home).read_text())
    say("rewrap", "--old-env", "OLD")
    assert home.secrets() == first


def test_a_wrong_old_master_key_changes_nothing(home: Home, say: Said) -> None:
    first = home.secrets()
    old = new_master(home)
    wrong = old.with_name("wrong.key")
    wrong.write_text("ab" * 32)
    wrong.chmod(0o600)
    assert "--old-file: holds the master key" in say.failed("rewrap", "--old-file", str(wrong))
    wrong.chmod(0o644)
    _, err = say("rewrap", "--old-file", str(wrong), status=2)
    assert "--old-file: " in err
    assert "chmod 600" in err
    say("rewrap", "--old-file", str(old))
    assert home.secrets() == first


def test_keys_that_nobody_can_open_any_more_are_given_up(home: Home, say: Said) -> None:
    first = home.secrets()
    assert "all keys are wrapped by the master key" in say.failed("destroy", "--lost", "--yes")
    home.master.unlink()
    with pytest.raises(TailraceError, match="the master key is missing"):
        home.secrets()
    assert not home.master.exists()
    _, err = say("destroy", "--lost", "--yes", status=2)
    assert "the master key is missing" in err
    home.master.write_text("cd" * 32)
    home.master.chmod(0o600)
    out, _ = say("destroy", "--lost", "--yes")
    assert out == "shop email 1\nshop pan 1\n"
    found = home.secrets()
    assert not {*first.values()} & {*found.values()}
    assert say.states()[("pan", 2)] == "in use"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--kind", "pan"), "--kind: tailrace keys list does not take it"),
        (("rotate", "--epoch", "1"), "--epoch"),
        (("rotate", "--yes"), "--yes"),
        (("list", "--old-file", "x"), "--old-file"),
        (("list", "--tenant", "../up"), "--tenant: up to 63"),
        (("destroy",), "name one key"),
        (("destroy", *PAN), "name one key"),
        (("destroy", "--epoch", "1"), "name one key"),
        (("destroy", *PAN, "--epoch", "1", "--lost"), "name one key"),
        (("rewrap",), "--old-file FILE or --old-env NAME"),
        (("rewrap", "--old-file", "a", "--old-env", "B"), "--old-file FILE or --old-env NAME"),
        (("pseudonyms",), "--kind: say what kind"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    home: Home, say: Said, words: tuple[str, ...], said: str
) -> None:
    out, err = say(*words, status=2)
    assert said in err
    assert (out, err.count("\n"), home.data.exists()) == ("", 1, False)


def test_nothing_makes_a_master_key_but_a_server(home: Home, say: Said) -> None:
    assert say("list")[0].splitlines()[1:] == []
    say("rotate", status=1)
    assert not home.master.exists()


class Asked(BaseHTTPRequestHandler):
    """Answers as a server does and remembers the request."""

    status = 200
    body: ClassVar[dict[str, Any]] = {}
    seen: ClassVar[list[tuple[str, str, Any]]] = []

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append((self.path, self.headers["Authorization"], sent))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.body).encode())

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[type[Asked], tuple[str, ...]]]:
    handler = type("Handler", (Asked,), {"seen": []})
    (tmp_path / "token").write_text("sesame\n")
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield handler, ("--url", url, "--token-file", str(tmp_path / "token"))
        server.shutdown()
        thread.join()


ASK = ("pseudonyms", "--kind", "email")
VALUE = "jo@example.com"


def test_the_pseudonyms_of_a_value_are_asked_for_and_the_value_is_not_shown(
    asked: tuple[type[Asked], tuple[str, ...]], say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, where = asked
    listed = [{"epoch": 1, "pseudonym": "#email:aaaa"}, {"epoch": 2, "pseudonym": "#email:bbbb"}]
    handler.body = {"kind": "email", "pseudonyms": listed}
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{VALUE}\n"))
    assert say(*ASK, *where) == ("#email:aaaa\n#email:bbbb\n", "")
    sent = {"kind": "email", "value": VALUE}
    assert handler.seen == [("/api/v1/pseudonyms", "Bearer sesame", sent)]
    monkeypatch.setattr("sys.stdin", io.StringIO(VALUE))
    assert json.loads(say(*ASK, "--json", *where)[0]) == handler.body


def test_a_terminal_does_not_show_what_is_typed(
    asked: tuple[type[Asked], tuple[str, ...]], say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, where = asked
    handler.body = {"kind": "email", "pseudonyms": []}
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: VALUE)
    assert say(*ASK, *where) == ("", "")
    assert handler.seen[0][2]["value"] == VALUE


def test_a_refusal_does_not_repeat_the_value(
    asked: tuple[type[Asked], tuple[str, ...]], say: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, where = asked
    handler.status = 403
    handler.body = {"error": f"no {VALUE} \x1b[2J"}
    monkeypatch.setattr("sys.stdin", io.StringIO(VALUE))
    _, err = say(*ASK, *where, status=1)
    assert "(403)" in err
    assert VALUE not in err
    assert "\x1b" not in err
    handler.status, handler.body = 200, {"other": 1}
    monkeypatch.setattr("sys.stdin", io.StringIO(VALUE))
    assert "does not answer as a tailrace server" in say(*ASK, *where, status=1)[1]


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n", "x" * 5000])
def test_one_value_is_asked_for(say: Said, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert "give one value on standard input" in say(*ASK, status=2)[1]
