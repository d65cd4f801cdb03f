"""What a request says."""

from __future__ import annotations

import asyncio

import pytest
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.types import Message

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.asked import form_of


def form(body: bytes) -> QueryParams | None:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    kind = (b"content-type", b"application/x-www-form-urlencoded")
    headers = [kind, (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return asyncio.run(form_of(Request(scope, receive)))


def test_a_form_has_as_many_fields_as_it_may_and_no_more() -> None:
    fields = [b"a=%d" % number for number in range(limits.QUERY_FORM_FIELDS + 1)]
    found = form(b"&".join(fields[1:]))
    assert found is not None
    assert len(found.getlist("a")) == limits.QUERY_FORM_FIELDS
    with pytest.raises(QueryError, match="more than 64 fields"):
        form(b"&".join(fields))
