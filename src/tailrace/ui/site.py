"""Serves the built page: `/`, its icon and its hashed assets.

The page is built from `web/` into `static/` beside this file (scripts/build-web.sh).
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

STATIC = Path(__file__).parent / "static"

# Only what the build makes; the types do not depend on the machine's mime table.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# The names Vite gives; anything else, such as a dot first or a NUL, never reaches the disk.
ASSET_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

# 'self' in connect-src covers the live tail's websocket on the same host and port.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# A hashed name never changes its content; the page that names the hashes is asked for each time.
FOREVER = "public, max-age=31536000, immutable"
EACH_TIME = "no-cache"

NOT_BUILT = "The page is not built. Run `make setup`, then reload. The HTTP APIs work without it.\n"


def _headers(cache: str) -> dict[str, str]:
    return {**SECURITY_HEADERS, "Cache-Control": cache}


def _file(folder: Path, name: str, cache: str) -> Response:
    """The file `name` directly in `folder`, of a type the build makes, else 404."""
    path = folder / name if ASSET_NAME.fullmatch(name) else folder
    media_type = MEDIA_TYPES.get(path.suffix)
    inside = path.resolve().parent == folder.resolve()
    if media_type is None or not inside or not path.is_file():
        return PlainTextResponse("Not found.\n", 404, headers=_headers(EACH_TIME))
    return FileResponse(path, media_type=media_type, headers=_headers(cache))


def routes(static: Path = STATIC) -> list[BaseRoute]:
    """Routes of the page, for the app that also serves the query APIs.

    While `static` holds no build, `/` answers 503 with what to do.
    """

    def page(_: Request) -> Response:
        if not (static / "index.html").is_file():
            return PlainTextResponse(NOT_BUILT, 503, headers=_headers(EACH_TIME))
        return _file(static, "index.html", EACH_TIME)

    def icon(_: Request) -> Response:
        return _file(static, "favicon.svg", EACH_TIME)

    def asset(request: Request) -> Response:
        return _file(static / "assets", request.path_params["name"], FOREVER)

    return [
        Route("/", page),
        Route("/favicon.svg", icon),
        Route("/assets/{name}", asset),
    ]
