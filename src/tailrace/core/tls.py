"""What a client verifies a server with, and proves itself with."""

from __future__ import annotations

import ssl


def context(ca: str | None, cert: str | None) -> ssl.SSLContext | None:
    """From PEM files: authorities to trust, and a certificate to show, with its key. None without
    either, which means what the system trusts. Raises OSError for a file that cannot be used."""
    if not ca and not cert:
        return None
    try:
        made = ssl.create_default_context(cafile=ca)
        if cert:
            # A key with a passphrase would ask for it on the terminal.
            made.load_cert_chain(cert, password=lambda: b"")
    except OSError as error:
        raise OSError(f"{' '.join(filter(None, (ca, cert)))}: {error.strerror}") from None
    return made
