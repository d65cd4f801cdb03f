"""Answers to OTLP requests: partial success, and errors as google.rpc.Status.

    Export*ServiceResponse { 1: partial success { 1: number rejected, 2: message } }
    google.rpc.Status      { 1: code, 2: message, 3: details }
    details                { 1: type URL, 2: google.rpc.RetryInfo { 1: delay { 1: seconds } } }

Source: opentelemetry-proto, collector/*/v1, and google/rpc/{status,error_details}.proto.
"""

from __future__ import annotations

import math

import msgspec

from tailrace.core import limits
from tailrace.wire.otlp.walk import encode_varint

# google.rpc.Code of the statuses that an OTLP endpoint answers with.
STATUS_CODES = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 413: 8, 415: 3, 429: 8, 503: 14,
}  # fmt: skip
_UNKNOWN = 2
_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
# What of a signal's records the answer counts, in JSON.
_REJECTED = {
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
    "traces": "rejectedSpans",
}


def encode_success(rejected: int = 0, message: str = "") -> bytes:
    """An Export*ServiceResponse; empty when all was taken."""
    if not rejected:
        return b""
    return _field(1, b"\x08" + encode_varint(rejected) + _field(2, _text(message)))


def json_success(signal: str, rejected: int = 0, message: str = "") -> bytes:
    """The same in JSON, where a 64-bit number is a text."""
    if not rejected:
        return b"{}"
    partial = {_REJECTED[signal]: str(rejected), "errorMessage": message}
    return msgspec.json.encode({"partialSuccess": partial})


def status_code(status: int) -> int:
    """google.rpc.Code of an HTTP status."""
    return STATUS_CODES.get(status, _UNKNOWN)


def encode_status(code: int, message: str, retry_after_s: float | None = None) -> bytes:
    """A google.rpc.Status; with RetryInfo when the request may be sent again."""
    details = b""
    if retry_after_s is not None:
        delay = _field(1, b"\x08" + encode_varint(max(1, math.ceil(retry_after_s))))
        details = _field(3, _field(1, _RETRY_INFO) + _field(2, delay))
    return bytes((0x08, code)) + _field(2, _text(message)) + details


def _text(message: str) -> bytes:
    return message.encode(errors="replace")[: limits.LABEL_VALUE_BYTES]


def _field(number: int, value: bytes) -> bytes:
    """A field with a length."""
    return bytes((number << 3 | 2,)) + encode_varint(len(value)) + value
