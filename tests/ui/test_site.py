"""The page's routes: headers, a missing build, paths that climb."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from tailrace.ui.site import routes


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-a1b2.js").write_text("export {}")
    (folder / "assets" / "index-a1b2.css").write_text("body {}")
    (folder / "assets" / "notes.txt").write_text("not a type the build makes")
    (tmp_path / "secret.js").write_text("outside")
    return folder


def get(static: Path, path: str, method: str = "GET") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=routes(static)))
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def test_the_page_is_asked_for_each_time(static: Path) -> None:
    answer = get(static, "/")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "built" in answer.text


@pytest.mark.parametrize(
    ("name", "media_type"), [("index-a1b2.js", "text/javascript"), ("index-a1b2.css", "text/css")]
)
def test_hashed_assets_are_kept_forever(static: Path, name: str, media_type: str) -> None:
    answer = get(static, f"/assets/{name}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith(media_type)


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/assets/index-a1b2.js", "/assets/none.js"])
def test_every_answer_carries_the_security_headers(static: Path, path: str) -> None:
    headers = get(static, path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_missing_build_says_what_to_do(tmp_path: Path) -> None:
    answer = get(tmp_path / "nothing", "/")
    assert answer.status_code == 503
    assert "make setup" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert get(tmp_path / "nothing", "/favicon.svg").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/assets/%2e%2e%2findex.html",
        "/assets/..%2f..%2fsecret.js",
        "/assets/%2e%2e/%2e%2e/secret.js",
        "/assets/..%5c..%5csecret.js",
        "/assets/%2e%2e",
        "/assets/%2e",
        "/assets/",
        "/assets/notes.txt",
        "/assets/none%00.js",
    ],
)
def test_only_built_files_are_served(static: Path, path: str) -> None:
    answer = get(static, path)
    assert answer.status_code == 404
    assert "outside" not in answer.text


def test_a_link_out_of_the_folder_is_not_followed(static: Path) -> None:
    (static / "assets" / "link.js").symlink_to(static.parent / "secret.js")
    assert get(static, "/assets/link.js").status_code == 404


def test_head_is_answered_and_post_is_not(static: Path) -> None:
    assert get(static, "/", "HEAD").status_code == 200
    assert get(static, "/", "POST").status_code == 405
