"""Certificates for tests, by openssl: a CA, and what it signed."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def authority(home: Path, name: str = "ca") -> None:
    """NAME.pem and NAME.key."""
    files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
    _openssl(home, "req", "-x509", *_KEY, *files, "-subj", f"/CN=test {name}", "-days", "2")


def signed(home: Path, name: str, ca: str = "ca") -> None:
    """NAME.pem and NAME.key for 127.0.0.1, signed by the CA of that name."""
    (home / "names").write_text("subjectAltName=IP:127.0.0.1")
    files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
    _openssl(home, "req", *_KEY, *files, "-subj", f"/CN={name}")
    by = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2")
    made = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "names")
    _openssl(home, "x509", "-req", *made, *by)


def served(home: Path, name: str = "server") -> ssl.SSLContext:
    """What a server shows that has NAME.pem and NAME.key."""
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(home / f"{name}.pem", home / f"{name}.key")
    return found


def _openssl(home: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)
