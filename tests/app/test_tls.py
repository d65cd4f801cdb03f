"""The server's TLS: what it refuses to start with, and a certificate that is replaced."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from certificates import authority, signed

from tailrace.app.config import Server
from tailrace.app.tls import ServerTls, server_tls
from tailrace.core.errors import ConfigError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("tls")
    authority(home)
    authority(home, "other-ca")
    for name in ("server", "renewed", "client"):
        signed(home, name)
    signed(home, "stranger", "other-ca")
    (home / "empty").write_text("")
    passphrase = ("-aes128", "-passout", "pass:x", "-in", "server.key", "-out", "locked.key")
    subprocess.run(["openssl", "ec", *passphrase], cwd=home, check=True, capture_output=True)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "tls")


def met(tls: ServerTls, client: ssl.SSLContext) -> bytes:
    """The certificate that a client is shown. Raises what ended the handshake or the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            try:
                with tls.context.wrap_socket(peer, server_side=True) as secure:
                    secure.sendall(b"x")
            except OSError:
                peer.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(server.getsockname(), timeout=10) as plain,
                client.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            ):
                # With TLS 1.3 a client learns only here that its certificate was refused.
                if secure.recv(1) != b"x":
                    raise ConnectionResetError
                return secure.getpeercert(binary_form=True) or b""
        finally:
            thread.join()


def client(home: Path, name: str = "") -> ssl.SSLContext:
    found = ssl.create_default_context(cafile=str(home / "ca.pem"))
    if name:
        found.load_cert_chain(home / f"{name}.pem", home / f"{name}.key")
    return found


def shown(home: Path, name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((home / f"{name}.pem").read_text())


def server(home: Path, **names: str) -> Server:
    files = {"tls_cert": "server.pem", "tls_key": "server.key", **names}
    return Server(**{key: str(home / name) for key, name in files.items() if name})


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ({"tls_cert": "nowhere"}, "server.tls_cert"),
        ({"tls_cert": "empty"}, "server.tls_cert"),
        ({"tls_cert": "ca.key"}, "server.tls_cert"),
        ({"tls_key": "client.key"}, "server.tls_key"),
        ({"tls_key": "nowhere"}, "server.tls_key"),
        ({"tls_key": ""}, "server.tls_key"),
        ({"tls_key": "locked.key"}, "server.tls_key"),
        ({"tls_client_ca": "nowhere"}, "server.tls_client_ca"),
        ({"tls_client_ca": "empty"}, "server.tls_client_ca"),
        ({"tls_client_ca": "client.key"}, "server.tls_client_ca"),
    ],
)
def test_files_that_do_not_do_are_refused_by_name(
    home: Path, names: dict[str, str], key: str
) -> None:
    with pytest.raises(ConfigError, match=key):
        server_tls(server(home, **names))


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_tls(Server()) is None


def test_a_certificate_may_hold_its_key(home: Path) -> None:
    both = (home / "server.pem").read_text() + (home / "server.key").read_text()
    (home / "both.pem").write_text(both)
    assert met(ServerTls(str(home / "both.pem")), client(home)) == shown(home, "server")


def test_a_client_ca_lets_in_only_whom_it_signed(home: Path) -> None:
    tls = server_tls(server(home, tls_client_ca="ca.pem"))
    assert tls
    assert met(tls, client(home, "client")) == shown(home, "server")
    for name in ("", "stranger"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            met(tls, client(home, name))


def test_old_versions_of_tls_are_not_spoken(home: Path) -> None:
    tls = server_tls(server(home))
    assert tls and tls.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_new_certificate_is_shown_once_it_is_whole(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = ServerTls(str(home / "server.pem"), str(home / "server.key"))
    old, new = shown(home, "server"), shown(home, "renewed")
    (home / "renewed.pem").replace(home / "server.pem")
    tls.refresh()
    assert met(tls, client(home)) == old
    assert "a new certificate cannot be used; the last is kept" in caplog.text
    (home / "renewed.key").replace(home / "server.key")
    tls.refresh()
    assert met(tls, client(home)) == new
    (home / "server.pem").unlink()
    tls.refresh()
    assert met(tls, client(home)) == new


def test_what_holds_no_key_is_named_with_what_it_takes(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"/empty: .*a certificate and its key as PEM"):
        ServerTls(str(home / "empty"))
