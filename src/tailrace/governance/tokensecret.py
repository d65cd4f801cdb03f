"""The secret of a token: `tr_`, its id, `_`, and 32 random bytes.

    tr_1f0c9a7be233_6Z2m...        12 hexadecimal digits, then 43 characters of URL-safe base64

The id is no secret: a token is looked up and revoked by it. Tools that look for leaked secrets
find `tr_[0-9a-f]{12}_[A-Za-z0-9_-]{43}`. What is stored is the SHA-256 of the whole: with 256
random bits in it, it needs no salt and no slow hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from tailrace.core.access import PREFIX

_FORM = re.compile(rf"{PREFIX}([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}")


def make() -> tuple[str, str]:
    """A new id, and the secret that has it."""
    token_id = secrets.token_hex(6)
    return token_id, f"{PREFIX}{token_id}_{secrets.token_urlsafe(32)}"


def id_of(secret: str) -> str | None:
    """The id in a secret; None when the text is none of ours."""
    found = _FORM.fullmatch(secret)
    return found[1] if found else None


def digest(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
