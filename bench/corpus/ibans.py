"""International bank account numbers, with the national structures of the IBAN registry."""

from __future__ import annotations

from bench.corpus.chance import CAPITALS, DIGITS, Chance
from bench.corpus.sample import Value, windows

_PIECE = 12
# As the registry writes them: n digits, a capitals, c either.
STRUCTURES = {
    "AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BE": "12n",
    "BG": "4a6n8c", "BH": "4a14c", "BR": "23n1a1c", "CH": "5n12c", "CR": "18n", "CY": "8n16c",
    "CZ": "20n", "DE": "18n", "DK": "14n", "DO": "4c20n", "EE": "16n", "ES": "20n", "FI": "14n",
    "FO": "14n", "FR": "10n11c2n", "GB": "4a14n", "GE": "2a16n", "GI": "4a15c", "GR": "7n16c",
    "HR": "17n", "HU": "24n", "IE": "4a14n", "IL": "19n", "IS": "22n", "IT": "1a10n12c",
    "KW": "4a22c", "KZ": "3n13c", "LB": "4n20c", "LI": "5n12c", "LT": "16n", "LU": "3n13c",
    "LV": "4a13c", "MC": "10n11c2n", "MD": "20c", "ME": "18n", "MK": "3n10c2n", "MT": "4a5n18c",
    "NL": "4a10n", "NO": "11n", "PK": "4a16c", "PL": "24n", "PT": "21n", "QA": "4a21c",
    "RO": "4a16c", "RS": "18n", "SA": "2n18c", "SE": "20n", "SI": "15n", "SK": "20n",
    "SM": "1a10n12c", "TN": "20n", "TR": "6n16c", "UA": "6n19c", "VG": "4a16n", "XK": "16n",
}  # fmt: skip
_COMMON = ("DE", "FR", "GB", "NL", "ES", "IT", "AT", "BE", "CH", "PL", "SE", "NO", "IE", "PT")
_COUNTRIES = tuple(STRUCTURES)
_ALPHABETS = {"n": DIGITS, "a": CAPITALS, "c": DIGITS + CAPITALS}


def remainder(text: str) -> int:
    """Of a compact IBAN by 97; 1 when it is valid."""
    moved = text[4:] + text[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97


def iban(chance: Chance) -> Value:
    """Compact and in capitals."""
    country = chance.pick(_COMMON if chance.odds(0.5) else _COUNTRIES)
    account = _account(chance, STRUCTURES[country])
    text = f"{country}{98 - remainder(f'{country}00{account}'):02d}{account}"
    return Value("iban", text, text.lower(), windows(text.lower(), _PIECE))


def wrong(chance: Chance) -> str:
    """Looks like one, and its check digits are wrong."""
    text = iban(chance).text
    check = (int(text[2:4]) + chance.between(1, 96) - 2) % 97 + 2
    found = f"{text[:2]}{check:02d}{text[4:]}"
    return found if remainder(found) != 1 else wrong(chance)


def fours(text: str, between: str) -> str:
    return between.join(text[n : n + 4] for n in range(0, len(text), 4))


def _account(chance: Chance, structure: str) -> str:
    found, size = "", ""
    for letter in structure:
        if letter.isdigit():
            size += letter
        else:
            found += chance.text(int(size), _ALPHABETS[letter])
            size = ""
    return found
