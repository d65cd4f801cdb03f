"""Payment cards of every issuer, with expiry, code and tracks."""

from __future__ import annotations

from bench.corpus.chance import Chance, Weighted
from bench.corpus.names import FIRST, LAST
from bench.corpus.sample import Value, windows

# More of a card than its first six and last four digits in one piece was left in the line.
_PIECE = 10
# Issuer, first and last prefix, lengths.
_Range = tuple[str, int, int, tuple[int, ...]]
_RANGES: tuple[tuple[_Range, float], ...] = (
    (("visa", 4, 4, (16,)), 30),
    (("visa", 4, 4, (13, 19)), 3),
    (("mastercard", 51, 55, (16,)), 15),
    (("mastercard", 2221, 2720, (16,)), 8),
    (("amex", 34, 34, (15,)), 4),
    (("amex", 37, 37, (15,)), 6),
    (("discover", 6011, 6011, (16, 19)), 3),
    (("discover", 644, 649, (16,)), 3),
    (("discover", 65, 65, (16, 19)), 3),
    (("jcb", 3528, 3589, (16, 16, 17, 18, 19)), 4),
    (("diners", 300, 305, (14, 16)), 2),
    (("diners", 36, 36, (14, 16, 19)), 2),
    (("diners", 38, 39, (14, 16)), 2),
    (("unionpay", 62, 62, (16, 17, 18, 19, 19)), 6),
    (("maestro", 50, 50, (13, 15, 16, 18, 19)), 2),
    (("maestro", 56, 58, (14, 16, 18, 19)), 2),
    (("maestro", 60, 69, (13, 16, 17, 18, 19)), 3),
)
_ISSUERS = Weighted(_RANGES)
# National schemes outside of the ranges that every detector is expected to know.
_NATIONAL: tuple[_Range, ...] = (
    ("mir", 2200, 2204, (16,)),
    ("rupay", 81, 82, (16,)),
    ("troy", 9792, 9792, (16,)),
)


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` + it pass Luhn."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        if place % 2 == 0:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return str(-total % 10)


def numbered(chance: Chance, prefix: str, length: int) -> str:
    """`length` digits that begin with `prefix` and pass Luhn."""
    found = prefix + chance.digits(length - len(prefix) - 1)
    return found + luhn_digit(found)


def number(chance: Chance) -> str:
    """A card number of some issuer."""
    return _of(chance, chance.weighted(_ISSUERS))


def _of(chance: Chance, found: _Range) -> str:
    _, first, last, lengths = found
    return numbered(chance, str(chance.between(first, last)), chance.pick(lengths))


def card(chance: Chance) -> Value:
    """Its usual writing is the compact one."""
    return of_number(number(chance))


def national(chance: Chance) -> Value:
    """A card of a scheme that only one country knows."""
    return of_number(_of(chance, chance.pick(_NATIONAL)))


def of_number(digits: str) -> Value:
    return Value("pan", digits, digits, windows(digits, _PIECE))


def groups(digits: str) -> list[str]:
    """The groups that its issuer prints it in."""
    sizes = {
        13: (4, 3, 3, 3),
        14: (4, 6, 4),
        15: (4, 6, 5),
        16: (4, 4, 4, 4),
        17: (4, 4, 4, 5),
        18: (4, 4, 4, 6),
        19: (4, 4, 4, 4, 3),
    }[len(digits)]
    found, start = [], 0
    for size in sizes:
        found.append(digits[start : start + size])
        start += size
    return found


def code(chance: Chance) -> str:
    """Three digits, or the four of American Express."""
    return chance.digits(4 if chance.odds(0.1) else 3)


def expiry(chance: Chance) -> str:
    month, year = chance.between(1, 12), chance.between(27, 34)
    return chance.pick((f"{month:02d}/{year}", f"{month:02d}/20{year}", f"{month:02d}-{year}"))


def track(chance: Chance) -> Value:
    """Track 1 or track 2, as a reader gives it."""
    digits = number(chance)
    tail = f"{chance.between(27, 34)}{chance.between(1, 12):02d}{chance.pick(('101', '201'))}"
    tail += chance.digits(chance.between(8, 11))
    if chance.odds(0.5):
        name = f"{chance.pick(LAST).upper()}/{chance.pick(FIRST).upper()}"
        text = f"%B{digits}^{name}^{tail}?"
    else:
        text = f";{digits}={tail}?"
    return Value("track", text, digits + tail, (*windows(digits, _PIECE), tail))


def chip_track(chance: Chance) -> Value:
    """Track 2 as a chip gives it: `D` between number and expiry, `F` for padding."""
    digits = number(chance)
    tail = f"{chance.between(27, 34)}{chance.between(1, 12):02d}201{chance.digits(9)}"
    pad = "F" if (len(digits) + len(tail)) % 2 == 0 else ""
    text = f"{digits}D{tail}{pad}"
    return Value("track", text, digits + tail, (*windows(digits, _PIECE), tail))
