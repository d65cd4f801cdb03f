"""The envelope of answers that Loki's and Prometheus' APIs share."""

from __future__ import annotations

import msgspec


def encode(data: object) -> bytes:
    """`{"status":"success","data":...}`."""
    return msgspec.json.encode({"status": "success", "data": data})
