"""Every error tailrace raises on purpose.

TailraceError
├── ConfigError        a setting is wrong; names the key
├── InputError         the sender's bytes are wrong; names the field, the limit, what to do (4xx)
│   ├── TooLarge        a size or count limit was passed (413)
│   ├── Unsupported     an encoding or media type we do not speak (415)
│   ├── Unauthenticated a credential that lets nobody in, or none (401)
│   └── Forbidden       the credential is known, and may not do this (403)
├── QueryError         a query is wrong; names the place in its text (400)
├── Busy               try again later; nothing was accepted (429 or 503 with Retry-After)
├── Poison             this frame can never be processed; it goes to the dead letters
├── Corrupt            stored bytes fail their checksum
└── StoreError         the engine refused or failed
"""

from __future__ import annotations


class TailraceError(Exception):
    """Base of the tree above."""


class ConfigError(TailraceError):
    """A setting is wrong. The message names the key and what it accepts."""


class InputError(TailraceError):
    """The sender's bytes are wrong.

    `reason` is a short constant for counters ("json", "utf8", "line_length"); it is never
    taken from the input.
    """

    status = 400

    def __init__(self, message: str, reason: str = "malformed") -> None:
        super().__init__(message)
        self.reason = reason


class TooLarge(InputError):
    """A size or count limit was passed; the message names the limit."""

    status = 413


class Unsupported(InputError):
    """An encoding or media type we do not speak."""

    status = 415


class Unauthenticated(InputError):
    """No credential, or one that lets nobody in; the message never says which part was wrong."""

    status = 401


class Forbidden(InputError):
    """The credential is known, but has not the scope."""

    status = 403


class QueryError(TailraceError):
    """A query is wrong. `position` is the 0-based character where, or -1."""

    def __init__(self, message: str, position: int = -1) -> None:
        super().__init__(message)
        self.position = position


class Busy(TailraceError):
    """Nothing was accepted; try again after `retry_after_s` seconds.

    `overload` separates 503 (the system cannot) from 429 (this sender may not, yet). `reason` is
    a short constant for counters.
    """

    def __init__(
        self,
        message: str,
        retry_after_s: float = 1.0,
        overload: bool = True,
        reason: str = "busy",
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.overload = overload


class Poison(TailraceError):
    """This frame can never be processed; it belongs in the dead letters."""


class Corrupt(TailraceError):
    """Stored bytes fail their checksum."""


class StoreError(TailraceError):
    """The engine refused or failed; the message holds no row data.

    `code` is the engine's own number of the error, 0 when it has none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code
