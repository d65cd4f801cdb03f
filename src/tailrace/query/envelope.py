"""The envelope of answers that Loki's and Prometheus' APIs share."""

from __future__ import annotations

import msgspec

# What clients ask to know the dialect: versions of Loki and Prometheus whose APIs are served.
BUILD_INFO = {
    "version": "3.5.0",
    "revision": "tailrace",
    "branch": "",
    "buildDate": "",
    "buildUser": "",
    "goVersion": "",
}


def encode(data: object) -> bytes:
    """`{"status":"success","data":...}`."""
    return msgspec.json.encode({"status": "success", "data": data})
