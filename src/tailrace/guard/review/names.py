"""What names of variables, attributes and keys say of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\W]+")
# Names whose last words are these hold it. A phrase is words with blanks between them.
_PHRASES: Mapping[str, frozenset[str]] = {
    "TR001": frozenset(
        [
            "secret",
            "secrets",
            "token",
            "tokens",
            "api key",
            "apikey",
            "access key",
            "secret key",
            "private key",
            "auth key",
            "signing key",
            "encryption key",
            "credential",
            "credentials",
            "authorization",
            "bearer",
            "jwt",
            "session key",
            "client secret",
            "auth token",
            "access token",
            "refresh token",
            "id token",
            "csrf token",
            "cookie",
        ]
    ),
    "TR002": frozenset(["password", "passwd", "passwords", "passphrase", "pwd", "passcode"]),
    "TR003": frozenset(
        [
            "card number",
            "card no",
            "cardnumber",
            "pan",
            "ccn",
            "cc number",
            "ccnum",
            "credit card",
            "cvv",
            "cvc",
            "cvv2",
            "card",
            "security code",
            "track data",
            "track1",
            "track2",
            "pin",
            "pin code",
            "pin block",
            "card data",
        ]
    ),
    "TR004": frozenset(
        [
            "ssn",
            "social security number",
            "tax id",
            "itin",
            "iban",
            "dob",
            "date of birth",
            "birth date",
            "birthdate",
            "birthday",
            "passport number",
            "drivers license",
            "bank account",
        ]
    ),
    "TR005": frozenset(
        [
            "request",
            "req",
            "response",
            "resp",
            "user",
            "customer",
            "headers",
            "cookies",
            "environ",
            "session",
            "form",
            "params",
            "current user",
            "user data",
            "user info",
            "profile",
            "patient",
            "post data",
            "kwargs",
            "locals",
            "globals",
        ]
    ),
    "TR006": frozenset(
        [
            "body",
            "payload",
            "raw body",
            "content",
            "raw",
            "response text",
            "response body",
            "request body",
            "html",
            "xml",
            "file content",
            "blob",
        ]
    ),
}
_LONGEST = 3
# Words after which the value is something about it: token_count, is_secret, user_id.
_ABOUT = frozenset(
    [
        "count",
        "counts",
        "id",
        "ids",
        "name",
        "names",
        "type",
        "length",
        "len",
        "size",
        "hash",
        "hashed",
        "digest",
        "masked",
        "redacted",
        "fingerprint",
        "last4",
        "last",
        "four",
        "expiry",
        "expires",
        "expired",
        "at",
        "on",
        "ttl",
        "age",
        "url",
        "uri",
        "path",
        "file",
        "field",
        "fields",
        "policy",
        "reset",
        "changed",
        "required",
        "valid",
        "status",
        "state",
        "brand",
        "network",
        "present",
        "missing",
        "set",
        "enabled",
        "version",
        "kind",
        "index",
        "number of",
        "prefix",
        "suffix",
        "hint",
        "error",
        "errors",
        "limit",
        "limits",
        "timeout",
    ]
)
_ASKING = frozenset(
    {"is", "has", "have", "needs", "no", "num", "n", "should", "can", "was", "without"}
)


def words(name: str) -> list[str]:
    """Of an identifier in any style, in lower case."""
    return [word.lower() for word in _CAMEL.split(name) if word]


def rule_of(name: str) -> str:
    """The rule that a value of this name breaks, "" for none."""
    parts = words(name)
    if not parts or parts[0] in _ASKING or (len(parts) > 1 and parts[-1] in _ABOUT):
        return ""
    for size in range(min(_LONGEST, len(parts)), 0, -1):
        phrase = " ".join(parts[-size:])
        for rule, phrases in _PHRASES.items():
            if phrase in phrases:
                return rule
    return ""
