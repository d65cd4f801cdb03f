"""The page over canned Loki answers, on a port of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tailrace.ui.site import STATIC, routes

from .browser import CHROMIUM, Page, opened

SECOND = 1_000_000_000
MARKUP = '<script>document.title="owned"</script><img src=x onerror=\'document.title="owned"\'>'
LINES = [
    ("error", "checkout", "payment refused: card issuer timeout after 3000 ms order=48213"),
    ("info", "shop-frontend", '10.2.0.7 "GET /cart HTTP/1.1" 200 5120 12ms'),
    ("warn", "inventory", "stock for sku 9913 is low: 3 left, reorder point 10"),
    ("info", "shop-frontend", MARKUP),
    ("debug", "inventory", "cache miss key=sku:9913 ttl=30s \x1b[31mred\x1b[0m"),
    ("fatal", "ledger-writer", "cannot write segment 000042: no space left on device " + "x" * 300),
    ("", "cron", "run-parts /etc/cron.hourly\n  took 3 s"),
]


def _entry(at_s: int) -> dict[str, object]:
    level, service, line = LINES[at_s % len(LINES)]
    labels = {"service_name": service, "host_name": "mill-1", "trace_id": f"{at_s:032x}"}
    labels["http.route"] = MARKUP if line == MARKUP else "/cart"
    if level:
        labels |= {"level": level, "detected_level": level}
    return {"stream": labels, "values": [[str(at_s * SECOND), line]]}


def _streams(start_ns: int, end_ns: int, limit: int) -> list[dict[str, object]]:
    """One entry at each whole second of [start, end), newest first."""
    newest = (end_ns - 1) // SECOND
    times = range(newest, max(newest - limit, -(-start_ns // SECOND) - 1), -1)
    return [_entry(at_s) for at_s in times]


def _matrix(start_ns: int, end_ns: int, step_s: int) -> list[dict[str, object]]:
    times = range(start_ns // SECOND, end_ns // SECOND + 1, step_s)
    heights = {"error": 3, "info": 40, "warn": 9, "debug": 17}
    return [
        {
            "metric": {"level": level},
            "values": [[at, str(height + at // step_s * 7 % (height + 5))] for at in times],
        }
        for level, height in heights.items()
    ]


def query_range(request: Request) -> Response:
    asked = request.query_params
    if "broken" in asked["query"]:
        return PlainTextResponse("parse error at line 1, col 9: <b>unexpected</b> `|`", 400)
    start, end = int(asked["start"]), int(asked["end"])
    if asked["query"].startswith("sum"):
        result = _matrix(start, end, int(float(asked["step"])))
        data = {"resultType": "matrix", "result": result}
    else:
        limit = 0 if "nothing" in asked["query"] else int(asked["limit"])
        data = {"resultType": "streams", "result": _streams(start, end, limit)}
    return JSONResponse({"status": "success", "data": data})


def label_values(request: Request) -> Response:
    column = 0 if request.path_params["name"] == "level" else 1
    values = sorted({line[column] for line in LINES} - {""})
    return JSONResponse({"status": "success", "data": values})


async def tail(socket_: WebSocket) -> None:
    await socket_.accept()
    at = int(socket_.query_params["start"])
    stream = {"service_name": "live-service", "level": "info"}
    values = [[str(at + 5), "a line that arrived live"]]
    await socket_.send_json({"streams": [{"stream": stream, "values": values}]})
    await socket_.send_json({"streams": [], "dropped_entries": [], "dropped_lines": 1234})
    try:
        await socket_.receive_text()
    except WebSocketDisconnect:
        return


def app() -> Starlette:
    return Starlette(
        routes=[
            *routes(),
            Route("/loki/api/v1/query_range", query_range),
            Route("/loki/api/v1/label/{name}/values", label_values),
            WebSocketRoute("/loki/api/v1/tail", tail),
        ]
    )


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a browser."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed: see scripts/system-packages.sh")
    if not (STATIC / "index.html").is_file():
        pytest.skip("the page is not built: run `make setup`")
    with opened(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab


@pytest.fixture(scope="session")
def page_url() -> Iterator[str]:
    """The address of the page over canned answers, without a path."""
    with served(app()) as url:
        yield url


@contextmanager
def served(application: Starlette) -> Iterator[str]:
    """`application` on a port of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application, log_level="error", ws="websockets-sansio", ws_ping_interval=None
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
