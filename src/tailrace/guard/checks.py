"""Checks that tell a number that is something from one that only looks like it."""

from __future__ import annotations

_CHUNK = 4
# What two digits at an even place from the right add to the checksum, and what four do.
_PAIRS = {
    b"%02d" % number: (2 * tens) % 10 + (2 * tens) // 10 + ones
    for number in range(100)
    for tens, ones in [divmod(number, 10)]
}
_PARTS = {left + right: _PAIRS[left] + _PAIRS[right] for left in _PAIRS for right in _PAIRS}


def luhn(digits: bytes) -> bool:
    """The check digit of ISO/IEC 7812-1, over ASCII digits."""
    if len(digits) == 16:  # nearly all
        first = _PARTS[digits[:4]] + _PARTS[digits[4:8]]
        return (first + _PARTS[digits[8:12]] + _PARTS[digits[12:]]) % 10 == 0
    whole = digits.rjust(-(-len(digits) // _CHUNK) * _CHUNK, b"0")
    total = 0
    for at in range(0, len(whole), _CHUNK):
        total += _PARTS[whole[at : at + _CHUNK]]
    return total % 10 == 0


def _issued(*rows: tuple[str, str]) -> dict[bytes, frozenset[int]]:
    """Of rows such as ("51-55 2221-2720", "16"): the lengths by the first four digits."""
    found: dict[bytes, frozenset[int]] = {}
    for prefixes, lengths in rows:
        allowed = frozenset(map(int, lengths.split()))
        for prefix in prefixes.split():
            low, _, high = prefix.partition("-")
            for four in range(int(low.ljust(4, "0")), int((high or low).ljust(4, "9")) + 1):
                key = b"%d" % four
                found[key] = found.get(key, frozenset()) | allowed
    return found


# Issuers' identification numbers, and the lengths that they issue.
_ISSUERS = _issued(
    ("4", "13 16 18 19"),  # Visa
    ("51-55 2221-2720", "16"),  # Mastercard
    ("34 37", "15"),  # American Express
    ("6011 644-649 65", "16 17 18 19"),  # Discover
    ("3528-3589", "16 17 18 19"),  # JCB
    ("300-305 3095 36 38-39", "14 15 16 17 18 19"),  # Diners Club
    ("62", "16 17 18 19"),  # UnionPay
    ("50 56-69", "13 14 15 16 17 18 19"),  # Maestro
    ("8100-8171", "16 17 18 19"),  # UnionPay
    ("9792", "16"),  # Troy
    ("2200-2204", "16 17 18 19"),  # Mir
    ("60 6521-6522 508 81 82", "16"),  # RuPay
)


def card(digits: bytes) -> bool:
    """A number that an issuer of payment cards could have issued."""
    return len(digits) in _ISSUERS.get(digits[:4], ()) and luhn(digits)


def ssn(digits: bytes) -> bool:
    """Nine digits as the Social Security Administration assigns them."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in (b"000", b"666") and area < b"900" and group != b"00" and serial != b"0000"


def itin(digits: bytes) -> bool:
    """Nine digits as the IRS assigns them to those who have no SSN."""
    group = int(digits[3:5])
    assigned = 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return digits[:1] == b"9" and assigned


# Lengths of the IBAN registry (ISO 13616), by country.
_IBANS = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO",
            "16:BE",
            "18:DK FI FO GL NL SD FK",
            "19:MK SI",
            "20:AT BA EE KZ LT LU XK MN",
            "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA",
            "23:AE GI IL IQ TL SO OM",
            "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT ST",
            "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA",
            "30:JO KW MU YE",
            "31:MT SC",
            "32:LC",
            "33:RU",
        )
    )
    for country in countries.split()
}


def iban(text: bytes) -> bool:
    """Upper-case, without separators: a country's length, and 1 modulo 97."""
    if _IBANS.get(text[:2].decode("ascii", "replace")) != len(text):
        return False
    moved = (text[4:] + text[:4]).decode()
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def iban_length(country: bytes) -> int:
    """How long the IBANs of a country are, upper-case code; 0 when it has none."""
    return _IBANS.get(country.decode("ascii", "replace"), 0)


# Digits of a number after the country's code, as ITU-T E.164 and its national plans have them.
_NATIONAL = {
    "1": (10, 10),
    "7": (10, 10),
    "20": (8, 10),
    "27": (9, 9),
    "30": (10, 10),
    "31": (9, 9),
    "32": (8, 9),
    "33": (9, 9),
    "34": (9, 9),
    "36": (8, 9),
    "39": (6, 11),
    "40": (9, 9),
    "41": (9, 9),
    "43": (6, 13),
    "44": (9, 10),
    "45": (8, 8),
    "46": (7, 10),
    "47": (8, 8),
    "48": (9, 9),
    "49": (6, 13),
    "51": (8, 9),
    "52": (10, 11),
    "54": (10, 11),
    "55": (10, 11),
    "56": (9, 9),
    "57": (8, 10),
    "60": (7, 10),
    "61": (9, 9),
    "62": (7, 12),
    "63": (8, 10),
    "64": (8, 10),
    "65": (8, 8),
    "66": (8, 9),
    "81": (9, 10),
    "82": (8, 11),
    "84": (9, 10),
    "86": (10, 11),
    "90": (10, 10),
    "91": (10, 10),
    "92": (9, 10),
    "94": (9, 9),
    "98": (10, 10),
}
# Codes of three digits begin so; those numbers are 7 to 12 digits long without them.
_THREE = ("21", "22", "23", "24", "25", "26", "29", "35", "37", "38", "42", "50", "59", "67")
_THREE_MORE = ("68", "69", "80", "85", "87", "88", "96", "97", "99")


def international_phone(digits: bytes) -> bool:
    """Digits after the "+": a country's code and as many digits as its numbers have."""
    text = digits.decode()
    for width in (1, 2):
        if bounds := _NATIONAL.get(text[:width]):
            return bounds[0] <= len(text) - width <= bounds[1] and len(set(text[width:])) > 1
    return text[:2] in _THREE + _THREE_MORE and 7 <= len(text) - 3 <= 12


def american_phone(digits: bytes) -> bool:
    """Ten digits of the North American plan: area and exchange begin with 2 to 9 and are no N11."""
    area, exchange = digits[:3], digits[3:6]
    return area[:1] >= b"2" and exchange[:1] >= b"2" and area[1:] != b"11" and exchange[1:] != b"11"
