"""Rows to measure speed with: ordinary ones, some with a hit, and hostile ones.

Each is given as payloads of about 1 MB (10^6 bytes), the size of a frame. Values that hit are all
different, so that what a guard remembers of one does not help with the next; ordinary rows are
16 MB, more than a cache holds, over and over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle

from bench.corpus import cards, corpus, ibans, identities, ordinary, phones, textlines, tokens
from bench.corpus.chance import Chance
from bench.corpus.recordlines import time_ns
from bench.corpus.sample import Fragment, Sample
from tailrace.core.frame import CANONICAL, Codec, Signal

PAYLOAD_BYTES = 1_000_000
_DISTINCT_BYTES = 16_000_000
# Among how many rows one has a hit.
TENTH = 10
CANDIDATES = 1_000


def records(size: int, seed: str = "records") -> Iterator[bytes]:
    """Canonical records rich in long numbers, `size` bytes or little more."""
    chance = Chance(seed)
    return _payloads(lambda: ordinary.json_line(chance, ordinary.message(chance)).encode(), size)


def lines(size: int, seed: str = "lines") -> Iterator[bytes]:
    """Lines of many programs, rich in long numbers."""
    chance = Chance(seed)
    return _payloads(lambda: _line(chance).encode(), size)


def _line(chance: Chance) -> str:
    if chance.odds(0.25):
        path = f"/api/v1/orders/{chance.below(10**9)}?ts={time_ns(chance) // 10**6}"
        return textlines.access(chance, Fragment(path)).text
    _, around = chance.weighted(textlines.AROUND)
    return around(chance, Fragment(ordinary.message(chance))).text.replace("\n", " ")


def with_hits(size: int, codec: Codec, seed: str = "hits") -> Iterator[bytes]:
    """As `records` or `lines`, one row in TENTH labelled."""
    clean = records(size, seed) if codec is Codec.RECORDS else lines(size, seed)
    hits = _labelled(codec, seed)
    for payload in clean:
        rows = payload.removesuffix(b"\n").split(b"\n")
        rows[::TENTH] = [next(hits).data for _ in rows[::TENTH]]
        yield b"\n".join(rows) + b"\n"


def _labelled(codec: Codec, seed: str) -> Iterator[Sample]:
    chance = Chance(f"{seed} labelled")
    while True:
        one = corpus.labelled_line(chance)
        if one.codec is codec and one.signal is Signal.LOGS and one.hints == CANONICAL:
            yield one


def _payloads(make: Callable[[], bytes], size: int) -> Iterator[bytes]:
    """`size` bytes of rows, PAYLOAD_BYTES at a time; those that were made begin again."""
    made: list[bytes] = []
    distinct = min(size, _DISTINCT_BYTES)
    while sum(map(len, made)) < distinct:
        made.append(_payload(make, min(PAYLOAD_BYTES, size)))
    for payload in cycle(made):
        yield payload
        size -= len(payload)
        if size <= 0:
            return


def _payload(make: Callable[[], bytes], size: int) -> bytes:
    rows: list[bytes] = []
    held = 0
    while held < size:
        rows.append(make())
        held += len(rows[-1]) + 1
    return b"\n".join(rows) + b"\n"


_Piece = Callable[[Chance], str]
_MARK = "PRIVATE " + "KEY-----"


def _fixed(text: str) -> _Piece:
    return lambda chance: text


def _failing(chance: Chance) -> str:
    digits = chance.digits(15)
    wrong = (int(cards.luhn_digit(digits)) + 1) % 10
    return " ".join(cards.groups(f"{digits}{wrong}")) + ", "


# A thousand of them are a row.
HOSTILE: dict[str, _Piece] = {
    "cards": lambda c: f"card {' '.join(cards.groups(cards.number(c)))}, ",
    "compact cards": lambda c: f"{cards.number(c)} ",
    "cards that fail": _failing,
    "one run of digits": lambda c: c.digits(16),
    "digits apart": lambda c: " ".join(c.digits(8)) + " ",
    "digits and dashes": lambda c: f"{c.digits(4)}-",
    "digits of another script": lambda c: "".join(chr(0x660 + c.below(10)) for _ in range(8)),
    "security numbers": lambda c: f"ssn {identities.ssn(c).text}, ",
    "nine digits after a keyword": lambda c: f"ssn {c.digits(9)} ",
    "addresses": lambda c: f"{identities.email(c).text}, ",
    "at signs": _fixed("a@a."),
    "long names before no sign": _fixed("aaaaaaaa.bbbbbb-"),
    "telephones": lambda c: f"{phones.international(c).text}, ",
    "plus signs": _fixed("+1 +1-"),
    "ibans": lambda c: f"{ibans.iban(c).text} ",
    "ibans that fail": lambda c: f"{ibans.wrong(c)} ",
    "starts of tokens": _fixed("eyJhbGciOi.eyJ"),
    "starts of keys": _fixed("AK" + "IA" + "gh" + "p_" + "xo" + "xb-1-"),
    "keys": lambda c: f"{tokens.api_key(c).text} ",
    "passwords": lambda c: f"password={tokens.password(c)} ",
    "passwords without values": _fixed("password password: pwd="),
    "open quotes": _fixed('password="a '),
    "starts of private keys": _fixed(f"-----BEGIN {_MARK} "),
    "starts of tracks": lambda c: f"%B{cards.number(c)}^A/B^",
    "user and password in addresses": _fixed("http://a:b@"),
    "addresses without a sign": _fixed("http://a:b"),
    "dates of birth": lambda c: f"dob {identities.birth(c).text}; ",
    "codes": lambda c: f"cvv {c.digits(3)} ",
    "percent codes": _fixed("%34%31%31%31%20"),
    "percent signs": _fixed("%25%2%"),
    "escapes": lambda c: "".join(f"\\u{ord(d):04x}" for d in c.digits(4)),
    "backslashes": _fixed("\\\\\\\\"),
    "entities": _fixed("4&nbsp;1&#49;"),
    "brackets": _fixed('{"a":['),
    "names before open brackets": _fixed("ssn=["),
}


def hostile(name: str, size: int, codec: Codec) -> bytes:
    """About `size` bytes of rows with CANDIDATES of one sort each."""
    chance, make = Chance(f"hostile {name}"), HOSTILE[name]

    def row() -> bytes:
        text = "".join(make(chance) for _ in range(CANDIDATES))
        if codec is Codec.RECORDS:
            # Escapes are written as they are; what else JSON cannot hold is escaped.
            body = text if name == "escapes" else json.dumps(text, ensure_ascii=False)[1:-1]
            text = f'{{"time":1790000000000000000,"body":"{body}","service":"hostile"}}'
        return text.encode()

    return _payload(row, size)
