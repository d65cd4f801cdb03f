"""What a receiver says of a notice that it did not take."""

from __future__ import annotations


class NotTaken(Exception):
    """The message holds no secret. `lasting`: a person has to change something before it can
    succeed. `retry_after_s`: what the receiver asked for. `over`: it has taken what it will ever
    take of it, so that nothing is gained by another attempt."""

    def __init__(
        self,
        message: str,
        lasting: bool = False,
        retry_after_s: float | None = None,
        over: bool = False,
    ) -> None:
        super().__init__(message)
        self.lasting = lasting
        self.retry_after_s = retry_after_s
        self.over = over
