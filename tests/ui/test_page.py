"""The built page in a real browser, over canned answers: what a person sees and can do."""

from __future__ import annotations

from itertools import pairwise

import pytest

from .browser import Page


def test_lines_levels_services_and_counts_are_shown(page: Page, page_url: str) -> None:
    page.open(page_url)
    assert page.run("document.querySelectorAll('.row').length") == 200
    rows = page.run("[...document.querySelectorAll('.head')].map(h => h.textContent)")
    assert any("error" in row and "checkout" in row and "payment refused" in row for row in rows)
    assert rows == sorted(rows, key=lambda row: row[:18], reverse=True)
    assert page.run("document.querySelector('.summary').innerText").startswith("200+ lines · ")
    page.until("document.querySelector('[aria-label=Service]').textContent.includes('inventory')")
    page.until("!!document.querySelector('.plot canvas') && !!document.querySelector('.legend')")


def test_markup_in_lines_and_labels_is_text(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.run(
        "[...document.querySelectorAll('.head')].find(h => /<img/.test(h.textContent)).click()"
    )
    value = page.until("document.querySelector('.row.open pre')?.innerText")
    assert value.startswith("<script>")
    assert "<img src=x" in page.run("document.querySelector('.row.open table').innerText")
    assert page.run("document.querySelectorAll('.rows img, .rows script').length") == 0
    assert page.run("document.title") == "tailrace"


def test_a_closed_row_is_one_line_and_an_open_one_is_whole(page: Page, page_url: str) -> None:
    page.open(page_url)
    find = "[...document.querySelectorAll('.row')].find(r => /cron.hourly/.test(r.textContent))"
    assert page.run(f"{find}.querySelector('.text').textContent").endswith("hourly ↵ took 3 s")
    page.run(f"{find}.querySelector('.head').click()")
    page.until("document.querySelector('.row.open pre')?.innerText.endsWith('\\n  took 3 s')")


def test_older_pages_follow_without_gap_or_repeat(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?range=5m")
    times = "[...document.querySelectorAll('.row time')].map(t => Date.parse(t.dateTime))"
    assert len(page.run(times)) == 200
    page.click(".more")
    page.until("!document.querySelector('.more')")
    shown = page.run(times)
    assert len(shown) == 300
    assert {a - b for a, b in pairwise(shown)} == {1000}


def test_an_error_is_shown_as_text_under_the_box(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.search('{broken="1"} |')
    page.until("!document.querySelector('#problem').hidden")
    assert "parse error at line 1" in page.run("document.querySelector('#problem').innerText")
    assert "<b>unexpected</b>" in page.run("document.querySelector('#problem').innerText")


def test_plain_words_become_a_line_filter_and_a_link(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.search('card "issuer"')
    page.until("location.search.includes('q=')")
    runs = page.run("document.querySelector('.runs').innerText")
    assert runs == r'{service_name=~".+"} |= "card \"issuer\""'
    page.open(page_url + page.run("location.search"))
    assert page.run("document.querySelector('.box').value") == 'card "issuer"'


def test_a_field_becomes_a_filter_that_can_be_removed(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.click(".row .head")
    page.click("[aria-label='Filter by host_name']")
    page.until("document.querySelector('.chip')?.innerText.includes('host_name = mill-1')")
    assert 'host_name="mill-1"' in page.run("document.querySelector('.runs').innerText")
    page.click(".chip")
    page.until("!document.querySelector('.chip')")
    assert "host_name" not in page.run("location.search")


def test_a_label_that_logql_cannot_name_has_no_filter(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.click(".row .head")
    page.until("!!document.querySelector(\"[aria-label='Copy http.route']\")")
    assert page.run("document.querySelector(\"[aria-label='Filter by http.route']\")") is None


def test_no_match_says_what_to_do(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?q=nothing&range=5m")
    assert "Nothing matched" in page.run("document.querySelector('.empty').innerText")
    page.click(".empty button")
    page.until("location.search.includes('range=7d')")


def test_live_rows_arrive_on_top(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?live=1")
    page.until("document.querySelector('.live').dataset.connection === 'live'")
    page.until("document.querySelector('.head').innerText.includes('a line that arrived live')")
    page.click(".live")
    page.until("document.querySelector('.live').dataset.connection === 'off'")


def test_lines_that_the_server_left_out_are_counted(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?live=1")
    page.until("/1.?234 dropped/.test(document.querySelector('.summary').innerText)")
    page.click(".live")
    page.until("!document.querySelector('.summary').innerText.includes('dropped')")


def test_scrolling_down_pauses_the_live_rows(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?live=1")
    page.until("document.querySelector('.live').dataset.connection === 'live'")
    page.run("window.scrollTo(0, 900)")
    page.until("document.querySelector('.summary').innerText.includes('paused')")
    page.click(".held")
    page.until("window.scrollY === 0 && !document.querySelector('.held')")


def test_dragging_over_the_histogram_zooms(page: Page, page_url: str) -> None:
    page.open(page_url)
    page.until("!!document.querySelector('.u-over')")
    box = page.run(
        "(r => [r.x, r.y, r.width])(document.querySelector('.u-over').getBoundingClientRect())"
    )
    left, right, y = box[0] + box[2] * 0.25, box[0] + box[2] * 0.75, box[1] + 20
    mouse = {"button": "left", "clickCount": 1, "y": y}
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=left, y=y)
    page.call("Input.dispatchMouseEvent", type="mousePressed", x=left, **mouse)
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=right, buttons=1, **mouse)
    page.call("Input.dispatchMouseEvent", type="mouseReleased", x=right, **mouse)
    page.until("location.search.includes('from=')")
    script = "(p => Date.parse(p.get('to')) - Date.parse(p.get('from')))"
    span_ms = page.run(script + "(new URLSearchParams(location.search))")
    assert 25 * 60_000 < span_ms < 35 * 60_000


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(page: Page, page_url: str, width: int) -> None:
    page.open(f"{page_url}/?q=sku&f=host_name%3Dmill-1&live=1", width)
    page.click(".row .head")
    page.until("!!document.querySelector('.details')")
    assert page.run("document.documentElement.scrollWidth") <= width


def test_the_page_keeps_to_its_own_security_policy(page: Page, page_url: str) -> None:
    page.open(f"{page_url}/?live=1")
    page.until("document.querySelector('.live').dataset.connection === 'live'")
    page.until("!!document.querySelector('.plot canvas')")
    assert page.run("refused") == []
