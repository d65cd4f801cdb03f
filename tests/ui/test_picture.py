"""The picture of the page in the documentation: an hour of demo-shop, with an incident in it.

TAILRACE_PICTURES=1 writes docs/images/page.png; without it the page is only rendered.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tailrace.app.demo.shop import records
from tailrace.ui.site import routes

from .browser import Page
from .conftest import served

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "images" / "page.png"
LARGEST_BYTES = 200_000
SECOND = 1_000_000_000
START_NS = 1_790_000_000 * SECOND
HOUR_S = 3600
ROWS = 24_000
INCIDENT_S = range(2_250, 2_700)
NOW_MS = START_NS // 1_000_000 + HOUR_S * 1000


def shop() -> list[dict[str, Any]]:
    """Rows of an hour, newest first: quiet ones are left out now and then, errors in a while."""
    lines = b"".join(records(ROWS, 11, START_NS, HOUR_S * SECOND // ROWS)).splitlines()
    found = []
    for number, line in enumerate(lines):
        row = msgspec.json.decode(line)
        second = (row["time"] - START_NS) // SECOND
        wave = 60 + 30 * (second // 240 % 3) - 15 * (second // 90 % 2)
        kept = wave if row["severity"] == "INFO" else 70
        if row["severity"] in ("WARN", "ERROR"):
            kept = 100 if second in INCIDENT_S else 35
        if number * 37 % 100 < kept:
            found.append(row)
    return found[::-1]


def labels(row: dict[str, Any]) -> dict[str, str]:
    level = row["severity"].lower()
    fields = {**row["attributes"], **row["resource"]}
    own = {"service_name": row["service"], "level": level, "detected_level": level}
    if "trace_id" in row:
        own["trace_id"] = row["trace_id"]
    return own | {name.replace(".", "_"): value for name, value in fields.items()}


def answers(rows: list[dict[str, Any]]) -> Starlette:
    def query_range(request: Request) -> Response:
        asked = request.query_params
        found = re.search(r'\|= "(\w+)"', asked["query"])
        rows_found = [row for row in rows if not found or found[1] in row["body"]]
        if asked["query"].startswith("sum"):
            step = int(float(asked["step"]))
            counts = Counter(
                (row["severity"].lower(), -(-row["time"] // SECOND // step) * step)
                for row in rows_found
            )
            result = [
                {"metric": {"level": level}, "values": [[at, str(n)]]}
                for (level, at), n in counts.items()
            ]
        else:
            result = [
                {"stream": labels(row), "values": [[str(row["time"]), row["body"]]]}
                for row in rows_found[: int(asked["limit"])]
            ]
        return JSONResponse(
            {"status": "success", "data": {"resultType": "streams", "result": result}}
        )

    def values(request: Request) -> Response:
        return JSONResponse({"status": "success", "data": sorted({row["service"] for row in rows})})

    return Starlette(
        routes=[
            *routes(),
            Route("/loki/api/v1/query_range", query_range),
            Route("/loki/api/v1/label/{name}/values", values),
        ]
    )


@pytest.fixture(scope="module")
def shop_url() -> Iterator[str]:
    with served(answers(shop())) as url:
        yield url


@pytest.fixture
def still(page: Page) -> Iterator[Page]:
    """The page, for which it is always the same moment."""
    script = page.call(
        "Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {NOW_MS};"
    )
    yield page
    page.call("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_the_page_looks_as_in_the_documentation(still: Page, shop_url: str) -> None:
    still.open(f"{shop_url}/?q=sku&range=1h")
    still.click(".row.error .head")
    still.until("!!document.querySelector('.row.open .details')")
    still.until("!!document.querySelector('.plot canvas')")
    keys = still.run("[...document.querySelectorAll('.key')].map(k => k.textContent.split(' ')[0])")
    assert keys == ["error", "warn", "info", "debug"]
    assert still.run("document.querySelectorAll('mark').length") > 20
    picture = still.picture(1200, 720)
    assert len(picture) < LARGEST_BYTES
    if os.environ.get("TAILRACE_PICTURES"):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_bytes(picture)
