"""The laws of a MasterSource, over `SOURCES`; and what is wrong with files, variables and commands
that hold a master key."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.errors import ConfigError, StoreError, TailraceError
from tailrace.governance import mastercommand, masterkey
from tailrace.governance.masterkey import MasterKey, MasterSource
from tailrace.governance.mastersource import (
    MasterCommand,
    MasterEnvironment,
    MasterFile,
    OwnMasterFile,
    default_path,
)

RAW = bytes(range(100, 132))
BASE64 = base64.b64encode(RAW).decode()
FILE = "guard.master_key_file"
COMMAND = "guard.master_key_command"
RUBBISH = [
    "", "\n", "no key", BASE64[:-4], BASE64 + "AAAA", RAW.hex()[:-2], RAW.hex() + "00",
    f"{BASE64}\n{BASE64}", "g" * 64, "é" * 32, "=" * 44,
]  # fmt: skip


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def refused(work: Callable[[], MasterKey], error: type[TailraceError] = ConfigError) -> str:
    """What it says, in one line and without the key."""
    with pytest.raises(error) as caught:
        work()
    said = str(caught.value)
    assert "\n" not in said
    for secret in (BASE64, RAW.hex(), RAW.hex().upper()):
        assert secret not in said
    return said


def printing(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


SOURCES: dict[str, Callable[[Path, str], MasterSource]] = {
    "file": lambda folder, text: MasterFile(written(folder / "key", text), FILE),
    "own file": lambda folder, text: OwnMasterFile(written(folder / "key", text), FILE),
    "variable": lambda folder, text: MasterEnvironment(
        "KEY", "guard.master_key_env", {"KEY": text}
    ),
    "command": lambda folder, text: MasterCommand(printing(f"print({text!r}, end='')"), COMMAND),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_its_key_the_first_time_and_always(kind: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path, BASE64 + "\n")
    assert source.first().secret == source.load().secret == source.first().secret == RAW
    assert source.load().setting == source.setting


@pytest.mark.parametrize("text", ["", "no key", f"key = {BASE64}", "A" * 1000])
@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_of_rubbish_names_its_setting_and_not_what_it_holds(
    kind: str, text: str, tmp_path: Path
) -> None:
    source = SOURCES[kind](tmp_path, text)
    for ask in (source.load, source.first):
        said = refused(ask)
        assert said.startswith(f"{source.setting}: holds no master key")
        assert not text or text not in said


def test_a_key_is_read_as_base64_and_as_hexadecimal_with_a_line_break_or_without() -> None:
    for text in (BASE64, RAW.hex(), RAW.hex().upper()):
        for end in ("", "\n", "\r\n", " "):
            assert masterkey.parse((text + end).encode(), FILE).secret == RAW


@pytest.mark.parametrize("text", RUBBISH)
def test_anything_else_is_no_key(text: str) -> None:
    said = refused(lambda: masterkey.parse(text.encode(), FILE))
    assert said.startswith("guard.master_key_file: holds no master key: it takes 32 random bytes")
    assert not masterkey.is_key(text)


def test_a_key_has_its_room_and_no_more() -> None:
    room = limits.MASTER_KEY_BYTES - len(BASE64)
    assert masterkey.parse(b" " * room + BASE64.encode(), FILE).secret == RAW
    # Where the room ends, the key does.
    refused(lambda: masterkey.parse(b" " * (room + 2) + BASE64.encode(), FILE))


def test_raw_bytes_are_no_key() -> None:
    for raw in (RAW, bytes(32), os.urandom(32), b"\xff" * 64):
        refused(lambda raw=raw: masterkey.parse(raw, FILE))  # type: ignore[misc]


def test_a_key_is_never_shown_and_its_id_is_its_own() -> None:
    key = masterkey.parse(BASE64.encode(), FILE)
    assert repr(key) == f"MasterKey({key.id})"
    assert len(key.id) == 8
    assert key.id not in RAW.hex()
    assert key.id != MasterKey(bytes(32), FILE).id


def test_a_generated_key_is_a_key_and_no_other() -> None:
    made = {masterkey.generated() for _ in range(50)}
    assert len(made) == 50
    assert all(masterkey.is_key(text) for text in made)


def test_a_file_for_its_owner_alone_is_taken(tmp_path: Path) -> None:
    for mode in (0o600, 0o400):
        path = written(tmp_path / f"{mode}", BASE64 + "\n", mode)
        assert MasterFile(path, FILE).load().secret == RAW


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o777])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", BASE64, mode)
    said = refused(MasterFile(path, FILE).load)
    assert said.endswith(f"by others than its owner (mode {mode:04o}): chmod 600 it")


def test_a_file_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    said = refused(MasterFile(tmp_path / "none", FILE).load)
    assert said == f"guard.master_key_file: {tmp_path / 'none'}: No such file or directory"
    assert refused(MasterFile(tmp_path / "none", FILE).first) == said
    assert not list(tmp_path.iterdir())
    assert refused(MasterFile(tmp_path, FILE).load).endswith("Is a directory")
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is no file" in refused(MasterFile(tmp_path / "pipe", FILE).load)


def test_a_malformed_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "key", f"key = {BASE64}")
    assert "holds no master key" in refused(MasterFile(path, FILE).load)
    path = written(tmp_path / "large", b"A" * 10**6)
    assert "holds no master key" in refused(MasterFile(path, FILE).load)


def test_the_own_file_is_made_once_for_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config" / "tailrace" / "master.key"
    source = OwnMasterFile(path, FILE)
    made = source.first()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["master.key"]
    assert "keep a copy of it" in caplog.text
    assert path.read_text().strip() not in caplog.text
    caplog.clear()
    assert source.first().secret == source.load().secret == made.secret
    assert not caplog.records


def test_many_who_make_the_own_file_at_once_have_the_same_key(tmp_path: Path) -> None:
    sources = [OwnMasterFile(tmp_path / "tailrace" / "master.key", FILE) for _ in range(20)]
    with ThreadPoolExecutor(10) as threads:
        assert len({key.secret for key in threads.map(lambda one: one.first(), sources)}) == 1
    assert len(list((tmp_path / "tailrace").iterdir())) == 1


def test_the_own_file_is_never_made_again_for_keys_that_it_does_not_open(tmp_path: Path) -> None:
    said = refused(OwnMasterFile(tmp_path / "master.key", FILE).load)
    assert "the master key is missing" in said
    assert "bring it back from a copy" in said
    assert not list(tmp_path.iterdir())


def test_an_own_file_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "tailrace").write_text("a file in the way")
    said = refused(OwnMasterFile(tmp_path / "tailrace" / "master.key", FILE).first)
    assert "could not be made" in said
    assert "set guard.master_key_file" in said


def test_the_own_file_is_where_the_user_keeps_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".config" / "tailrace" / "master.key"
    assert default_path({}, FILE) == home
    assert default_path({"XDG_CONFIG_HOME": "relative"}, FILE) == home
    assert default_path({"XDG_CONFIG_HOME": "/etc"}, FILE) == Path("/etc/tailrace/master.key")


def test_a_variable_is_taken_and_a_missing_one_told_without_its_name() -> None:
    setting = "guard.master_key_env"
    assert MasterEnvironment("KEY", setting, {"KEY": BASE64}).load().secret == RAW
    said = refused(MasterEnvironment("KEY", setting, {}).first)
    assert said == (
        "guard.master_key_env: the environment has no variable of the name that is set there"
    )
    assert "holds no" in refused(MasterEnvironment("KEY", setting, {"KEY": BASE64 * 2}).load)


def test_a_command_has_no_shell_and_no_input(tmp_path: Path) -> None:
    read = "import sys; sys.exit(len(sys.stdin.read()))"
    assert "holds no master key" in refused(MasterCommand(printing(read), COMMAND).load)
    path = tmp_path / "made"
    said = refused(MasterCommand(["echo", f"x; touch {path}"], COMMAND).load)
    assert "holds no master key" in said
    assert not path.exists()


def test_a_command_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    said = refused(MasterCommand([str(tmp_path / "none")], COMMAND).load)
    assert said == f"guard.master_key_command: {tmp_path / 'none'}: No such file or directory"
    assert "cannot be run" in refused(MasterCommand(["a\0b"], COMMAND).load)


def test_a_command_that_fails_is_told_with_a_few_words_and_no_secret() -> None:
    lines = f"AccessDenied: no\\x1b[2J {BASE64} for you\\nsecond line"
    code = f"import sys; print('{BASE64}'); sys.stderr.write('{lines}'); sys.exit(7)"
    said = refused(MasterCommand(printing(code), COMMAND).load, StoreError)
    assert said == (
        "guard.master_key_command: the command failed with status 7: "
        "AccessDenied: no\\x1b[2J ... for you"
    )
    long = "import sys; sys.stderr.write('word ' * 10**5); sys.exit(1)"
    assert len(refused(MasterCommand(printing(long), COMMAND).load, StoreError)) < 250


def test_a_command_that_was_killed_is_told() -> None:
    code = f"import os; print('{BASE64}', flush=True); os.kill(os.getpid(), 9)"
    assert "status -9" in refused(MasterCommand(printing(code), COMMAND).load, StoreError)


@pytest.mark.parametrize(
    "code",
    ["import time; time.sleep(600)", "import time\nwhile True: print(end='', flush=True)"],
)
def test_a_command_that_hangs_is_ended(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MASTER_COMMAND_S", 0.5)
    began_s = time.monotonic()
    with pytest.raises(StoreError, match=r"guard\.master_key_command: .* took longer than 0\.5 s"):
        mastercommand.output(printing(code), COMMAND)
    assert time.monotonic() - began_s < 10


def test_what_a_command_has_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the pipes, so nobody could know that the command has said all."""
    monkeypatch.setattr(limits, "MASTER_COMMAND_S", 3.0)
    path = tmp_path / "pid"
    child = f"import os, time; open('{path}', 'w').write(str(os.getpid())); time.sleep(600)"
    code = f"import subprocess, sys; subprocess.Popen({printing(child)!r})"
    with pytest.raises(StoreError, match="took longer"):
        mastercommand.output(printing(code), COMMAND)
    status = Path(f"/proc/{path.read_text()}/status")
    deadline_s = time.monotonic() + 10
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline_s


def test_a_command_that_never_ends_printing_is_ended() -> None:
    said = refused(MasterCommand(["yes"], COMMAND).load)
    assert said == "guard.master_key_command: the command prints more than a key"


def test_openssl_makes_what_is_taken(tmp_path: Path) -> None:
    for form in ("-base64", "-hex"):
        made = subprocess.run(["openssl", "rand", form, "32"], capture_output=True, check=True)
        path = written(tmp_path / "key", made.stdout)
        assert len(MasterFile(path, FILE).load().secret) == 32
