"""The doors before a durable queue, and nothing behind it: what an acknowledgement costs.

    python -m bench.doorserver DIRECTORY

Prints the ports of its HTTP doors, of syslog over UDP and over TCP, then serves. `GET /rows`
answers the rows that are durable.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tailrace.app.serving import SWITCH_S, settle
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.gateway.listening.syslogtcp import SyslogStreams
from tailrace.gateway.listening.syslogudp import SyslogDatagrams
from tailrace.gateway.routes import routes
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog


async def serve(directory: Path) -> None:
    """Until the process is told to end."""
    clock, metrics = SystemClock(), Metrics()
    queue = SegmentLog(directory, OsFileSystem(), clock, metrics, frozenset({"nobody"}))
    await queue.open()
    door = Door(queue, clock, metrics, ready=queue.ready)

    async def rows(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(int(metrics.get("tailrace_ingest_rows_total"))))

    application = Starlette(routes=[*routes(door), Route("/rows", rows)])
    config = uvicorn.Config(
        application, port=0, http="httptools", access_log=False, log_level="warning"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    datagrams = SyslogDatagrams(door, "default", "127.0.0.1", 0)
    streams = SyslogStreams(door, "default", "127.0.0.1", 0)
    for listener in (datagrams, streams):
        await listener.start()
    settle()  # as the real server does, whose switch interval is below
    http_port = server.servers[0].sockets[0].getsockname()[1]
    print(http_port, datagrams.address[1], streams.address[1], flush=True)
    await serving
    for listener in (datagrams, streams):
        await listener.close(5.0)
    await queue.close(5.0)


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_S)
    uvloop.run(serve(Path(sys.argv[1])))
