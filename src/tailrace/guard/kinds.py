"""What kinds of values the guard knows, and what may be done with each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tailrace.core.finding import Action
from tailrace.guard.settings import Custom


class Kind(NamedTuple):
    """`title`: the kind in a sentence. `action`: without a rule. `refused`: what no rule may ask
    for. `mask`: shows as much as may be shown, None where nothing may. `alert_per_hour`: so many
    hits at one place in an hour are worth a warning."""

    title: str
    action: Action
    alert_per_hour: int
    refused: frozenset[Action] = frozenset()
    mask: Callable[[bytes], bytes] | None = None


def _ends(first: int, last: int) -> Callable[[bytes], bytes]:
    """Shows the first and the last characters of a value that is long enough to hide the rest."""

    def mask(value: bytes) -> bytes:
        hidden = len(value) - first - last
        if hidden < 4:
            return b"*" * len(value)
        return value[:first] + b"*" * hidden + value[len(value) - last :]

    return mask


def _mailbox(value: bytes) -> bytes:
    return b"***@" + value.rpartition(b"@")[2]


def _network(value: bytes) -> bytes:
    head, dot, _last = value.rpartition(b"." if b"." in value else b":")
    return head + dot + b"*"


# PCI DSS 4: sensitive authentication data is never kept after authorisation, in whatever form.
_NEVER: frozenset[Action] = frozenset({"pseudonymise", "mask", "alert_only"})
# What lets somebody in is of no use in a search, and its pseudonym invites trying.
_SECRET: frozenset[Action] = frozenset({"mask"})


def all_kinds(custom: Iterable[Custom]) -> dict[str, Kind]:
    """Those of tailrace and those of a configuration."""
    return {**KINDS, **{one.name: Kind(one.title or one.name, one.action, 1) for one in custom}}


KINDS: Mapping[str, Kind] = {
    "pan": Kind("card numbers", "pseudonymise", 1, mask=_ends(6, 4)),
    "track": Kind("magnetic stripes", "redact", 1, _NEVER),
    "cvv": Kind("card security codes", "redact", 1, _NEVER),
    "pin": Kind("PINs", "redact", 1, _NEVER),
    "ssn": Kind("social security numbers", "pseudonymise", 1, mask=_ends(0, 4)),
    "itin": Kind("taxpayer numbers", "pseudonymise", 1, mask=_ends(0, 4)),
    "iban": Kind("bank accounts", "pseudonymise", 10, mask=_ends(4, 4)),
    "email": Kind("e-mail addresses", "pseudonymise", 100, mask=_mailbox),
    "phone": Kind("phone numbers", "pseudonymise", 100, mask=_ends(0, 2)),
    "ip": Kind("IP addresses", "pseudonymise", 1_000, mask=_network),
    "dob": Kind("dates of birth", "pseudonymise", 10),
    "name": Kind("names", "pseudonymise", 100),
    "jwt": Kind("session tokens", "redact", 1, _SECRET),
    "api_key": Kind("API keys", "redact", 1, _SECRET),
    "private_key": Kind("private keys", "redact", 1, _SECRET),
    "secret": Kind("passwords and secrets", "redact", 1, _SECRET),
}
