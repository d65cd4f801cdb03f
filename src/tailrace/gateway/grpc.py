"""OTLP over gRPC: the Export calls of logs, metrics and traces.

A call is taken as a stream of one message, so that its metadata is looked at before the message is
read, and messages that would not fit wait unread. Messages stay bytes: they are decoded by wire/,
in the door's threads, as those that come over HTTP. Source: the OTLP specification, "OTLP/gRPC".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc

from tailrace.core import limits
from tailrace.core.access import Principal, Scope, allow
from tailrace.core.budget import ByteBudget
from tailrace.core.errors import Busy, InputError
from tailrace.core.log import get
from tailrace.gateway.door import Door
from tailrace.gateway.otlp import Reading
from tailrace.wire.otlp import answers
from tailrace.wire.otlp.signals import KINDS

# Entrance.authorise, or its like: who the value of the metadata `authorization` stands for.
Authorise = Callable[[str | None], Principal]
Handler = Callable[[AsyncIterator[bytes], Any], Awaitable[bytes]]

METHODS = {
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
}
_DETAILS = "grpc-status-details-bin"
_CODES = {code.value[0]: code for code in grpc.StatusCode}

_log = get("gateway")


class GrpcDoor:
    """One listener for OTLP over gRPC, in the event loop that starts it."""

    def __init__(
        self, door: Door, authorise: Authorise, read_deadline_s: float = limits.BODY_S
    ) -> None:
        self._door = door
        self._authorise = authorise
        self._read_deadline_s = read_deadline_s
        self._reading = ByteBudget(limits.GRPC_READING_BYTES)
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """Listen on HOST:PORT, and return the port. Raises OSError when that cannot be."""
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.GRPC_MESSAGE_BYTES),
                ("grpc.max_concurrent_streams", limits.GRPC_STREAMS),
                ("grpc.max_metadata_size", limits.GRPC_METADATA_BYTES),
                # Two processes on one port would share its clients by chance.
                ("grpc.so_reuseport", 0),
                # Else a stream that waits may bring megabytes along.
                ("grpc.http2.bdp_probe", 0),
            ]
        )
        server.add_generic_rpc_handlers((_Calls(self._call),))
        try:
            if credentials:
                port = server.add_secure_port(address, credentials)
            else:
                port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(f"{address} cannot be used; set another address") from error
        await server.start()
        self._server = server
        return port

    async def close(self, deadline_s: float) -> None:
        """Take no more calls; those that run have `deadline_s` to end."""
        if self._server:
            await self._server.stop(deadline_s)

    async def _call(self, signal: str, messages: AsyncIterator[bytes], context: Any) -> bytes:
        """One Export call: its answer, or the end of it with a status."""
        metrics = self._door.metrics
        metrics.add("tailrace_ingest_requests_total", 1, "otlp_grpc")
        try:
            return await self._export(signal, messages, context)
        except InputError as error:
            metrics.add("tailrace_ingest_rejected_total", 1, error.reason)
            await _abort(context, error.status, str(error))
        except Busy as error:
            metrics.add("tailrace_ingest_rejected_total", 1, "busy")
            status = 503 if error.overload else 429
            await _abort(context, status, str(error), error.retry_after_s)
        except Exception:
            _log.exception("a call failed")
            metrics.add("tailrace_ingest_rejected_total", 1, "busy")
            await _abort(context, 503, "the gateway failed; try again", 5.0)
        raise AssertionError("an abort raises")

    async def _export(self, signal: str, messages: AsyncIterator[bytes], context: Any) -> bytes:
        principal = self._authorise(_authorization(context))
        allow(principal, Scope.INGEST)
        async with self._reading.hold(limits.GRPC_MESSAGE_BYTES):
            message = await self._message(messages)
        reading = Reading(KINDS[signal].protobuf, self._door.metrics)
        await self._door.take_bytes(message, principal.tenant, reading)
        return answers.encode_success(reading.rejected, reading.message)

    async def _message(self, messages: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._read_deadline_s):
                async for message in messages:
                    return message
        except TimeoutError as error:
            raise InputError(
                f"message did not arrive within {self._read_deadline_s:g} s; send smaller batches",
                "slow",
            ) from error
        # One that is too large is answered by the library, before this is.
        raise InputError("the call holds no message", "empty")


class _Calls(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Finds what handles a method."""

    def __init__(self, call: Callable[[str, AsyncIterator[bytes], Any], Awaitable[bytes]]) -> None:
        self._handlers = {
            method: grpc.stream_unary_rpc_method_handler(partial(call, signal))
            for method, signal in METHODS.items()
        }

    def service(self, details: Any) -> Any:
        return self._handlers.get(details.method)


def _authorization(context: Any) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return value if isinstance(value, str) else value.decode("latin-1")
    return None


async def _abort(
    context: Any, status: int, message: str, retry_after_s: float | None = None
) -> None:
    """End the call. Clients send RESOURCE_EXHAUSTED again only if it says when."""
    code = answers.status_code(status)
    details = answers.encode_status(code, message, retry_after_s)
    await context.abort(_CODES[code], message, ((_DETAILS, details),))
