"""What a client sends to prove itself, in the form of its protocol.

    Authorization: Bearer TOKEN               OTLP, Loki, Prometheus, agents
    Authorization: Basic base64(USER:TOKEN)   browsers, Grafana, Elasticsearch; any user
    Authorization: Splunk TOKEN               Splunk HEC
    Authorization: ApiKey base64(ID:TOKEN)    Elasticsearch; any id
    Authorization: ApiKey TOKEN               Elasticsearch's `encoded` form, not decoded

All clients of these protocols can send one of them. A token in a URL is not taken: URLs end up in
logs.
"""

from __future__ import annotations

import base64
import binascii


def secrets_of(value: str) -> tuple[str, ...]:
    """What may be the token in the value of an Authorization header; nothing for other schemes."""
    scheme, _, rest = value.strip().partition(" ")
    given = rest.strip()
    match scheme.lower():
        case "bearer" | "splunk":
            found = [given]
        case "basic":
            found = [_after_colon(given)]
        case "apikey":
            found = [_after_colon(given), given]
        case _:
            found = []
    return tuple(secret for secret in found if secret)


def _after_colon(encoded: str) -> str:
    """The second part of `base64(first:second)`, "" when it is no such thing."""
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2].decode()
    except (binascii.Error, ValueError):
        return ""
