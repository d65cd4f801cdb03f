"""Telephone numbers of many countries, by their national patterns."""

from __future__ import annotations

from bench.corpus.chance import Chance
from bench.corpus.sample import Form, Value

# Country code, what stands before a national number, national patterns in their usual groups.
COUNTRIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "US": ("1", "", ("212 555 xxxx", "415 555 xxxx", "737 555 xxxx")),
    "CA": ("1", "", ("416 555 xxxx", "604 555 xxxx")),
    "MX": ("52", "", ("55 xxxx xxxx",)),
    "BR": ("55", "0", ("11 9xxxx xxxx",)),
    "AR": ("54", "0", ("11 4xxx xxxx",)),
    "CL": ("56", "", ("9 6xxx xxxx",)),
    "CO": ("57", "", ("310 xxx xxxx",)),
    "PE": ("51", "", ("9xx xxx xxx",)),
    "GB": ("44", "0", ("7700 900 xxx", "20 7946 0xxx")),
    "IE": ("353", "0", ("85 xxx xxxx",)),
    "DE": ("49", "0", ("151 xxxxxxxx", "30 xxxxxxxx", "89 xxxxxx")),
    "AT": ("43", "0", ("664 xxx xxxx",)),
    "CH": ("41", "0", ("79 xxx xx xx",)),
    "FR": ("33", "0", ("6 xx xx xx xx", "1 4x xx xx xx")),
    "BE": ("32", "0", ("470 xx xx xx",)),
    "NL": ("31", "0", ("6 xxxxxxxx",)),
    "LU": ("352", "", ("621 xxx xxx",)),
    "ES": ("34", "", ("6xx xx xx xx",)),
    "PT": ("351", "", ("91x xxx xxx",)),
    "IT": ("39", "", ("33x xxx xxxx",)),
    "GR": ("30", "", ("69x xxx xxxx",)),
    "SE": ("46", "0", ("70 xxx xx xx",)),
    "NO": ("47", "", ("4xx xx xxx",)),
    "DK": ("45", "", ("2x xx xx xx",)),
    "FI": ("358", "0", ("40 xxx xxxx",)),
    "PL": ("48", "", ("5xx xxx xxx",)),
    "CZ": ("420", "", ("60x xxx xxx",)),
    "SK": ("421", "0", ("90x xxx xxx",)),
    "HU": ("36", "06", ("20 xxx xxxx",)),
    "RO": ("40", "0", ("72x xxx xxx",)),
    "UA": ("380", "0", ("50 xxx xxxx",)),
    "TR": ("90", "0", ("53x xxx xxxx",)),
    "IL": ("972", "0", ("50 xxx xxxx",)),
    "AE": ("971", "0", ("50 xxx xxxx",)),
    "SA": ("966", "0", ("50 xxx xxxx",)),
    "ZA": ("27", "0", ("82 xxx xxxx",)),
    "NG": ("234", "0", ("803 xxx xxxx",)),
    "KE": ("254", "0", ("712 xxxxxx",)),
    "EG": ("20", "0", ("100 xxx xxxx",)),
    "IN": ("91", "0", ("98xxx xxxxx",)),
    "PK": ("92", "0", ("300 xxxxxxx",)),
    "CN": ("86", "", ("138 xxxx xxxx",)),
    "JP": ("81", "0", ("90 xxxx xxxx",)),
    "KR": ("82", "0", ("10 xxxx xxxx",)),
    "SG": ("65", "", ("8xxx xxxx",)),
    "AU": ("61", "0", ("4xx xxx xxx",)),
    "NZ": ("64", "0", ("21 xxx xxxx",)),
}
_ALL = tuple(COUNTRIES)
_NORTH_AMERICA = ("US", "CA")


def international(chance: Chance) -> Value:
    """With its plus: `+4915112345678`, or in groups."""
    code, _, national = _number(chance, chance.pick(_ALL))
    if chance.odds(0.55):
        return _value(f"+{code}{national.replace(' ', '')}")
    between = chance.pick((" ", " ", " ", "-", "\u00a0", "."))
    text = f"+{code}{between}{national.replace(' ', between)}"
    first, _, rest = national.partition(" ")
    if chance.odds(0.15):
        text = f"+{code} ({first}) {rest.replace(' ', '-')}"
    return _value(text)


def national(chance: Chance) -> Value:
    """As people of its country write it; only the words around tell it from other numbers."""
    country = chance.pick(_NORTH_AMERICA if chance.odds(0.4) else _ALL)
    code, trunk, found = _number(chance, country)
    if country in _NORTH_AMERICA:
        return _value(american(chance, found))
    text = chance.pick(
        (
            trunk + found,
            trunk + found.replace(" ", ""),
            trunk + found.replace(" ", "-"),
            f"00{code}{found.replace(' ', '')}",
            f"00{code} {found}",
        )
    )
    return _value(text)


def digits(chance: Chance) -> Value:
    """Only digits, with the code of the country, as an msisdn is kept."""
    code, _, found = _number(chance, chance.pick(_ALL))
    return _value(code + found.replace(" ", ""))


def american(chance: Chance, found: str = "") -> str:
    """Ten digits as they are written in North America."""
    found = found or _number(chance, chance.pick(_NORTH_AMERICA))[2]
    area, office, last = found.split(" ")
    return chance.pick(
        (
            f"({area}) {office}-{last}",
            f"{area}-{office}-{last}",
            f"{area}.{office}.{last}",
            f"{area} {office} {last}",
            f"1-{area}-{office}-{last}",
        )
    )


def bare(chance: Chance) -> tuple[Value, Form]:
    """Grouped as in North America and told by nothing else."""
    return _value(american(chance)), "bare"


def _number(chance: Chance, country: str) -> tuple[str, str, str]:
    code, trunk, patterns = COUNTRIES[country]
    pattern = chance.pick(patterns)
    found = "".join(str(chance.below(10)) if letter == "x" else letter for letter in pattern)
    return code, trunk, found


def _value(text: str) -> Value:
    found = "".join(letter for letter in text if letter.isdigit())
    return Value("phone", text, found, (found,))
