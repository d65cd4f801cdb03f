"""One server as a client asks it, against answers that are made up."""

from __future__ import annotations

from io import BytesIO

import pytest

from tailrace.client.server import Server
from tailrace.core import limits
from tailrace.core.errors import StoreError


def test_an_answer_is_read_up_to_its_bound_and_a_longer_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CLIENT_ANSWER_BYTES", 5)
    server = Server("http://127.0.0.1:1")
    assert server.read(BytesIO(b"12345")) == b"12345"
    with pytest.raises(StoreError, match="more than 5 bytes"):
        server.read(BytesIO(b"123456"))
