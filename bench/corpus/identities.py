"""What names one person: social security and taxpayer numbers, mail addresses, dates of birth."""

from __future__ import annotations

from bench.corpus.chance import LETTERS, Chance, Weighted
from bench.corpus.folding import compact
from bench.corpus.names import FIRST, LAST
from bench.corpus.sample import Value

_ITIN_GROUPS = [*range(50, 66), *range(70, 89), *range(90, 93), *range(95, 100), 94]
_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
]  # fmt: skip
_TOP = [
    "com", "com", "com", "org", "net", "de", "fr", "co.uk", "io", "es", "it", "nl", "pl",
    "com.br", "co.jp", "in", "ca", "com.au", "se", "info", "biz", "dev", "technology", "museum",
    "travel",
]  # fmt: skip
_HOSTS = ("example", "example", "mail.example", "post.example", "eu.mail.example", "x-1.example")
_LOCALS = Weighted(
    (("dotted", 5), ("joined", 3), ("initial", 3), ("tagged", 2), ("under", 2), ("quote", 0.3))
)


def ssn(chance: Chance) -> Value:
    """Its usual writing is the dashed one."""
    area = chance.between(1, 899 - 1)
    area += area >= 666
    return _nine("ssn", f"{area:03d}{chance.between(1, 99):02d}{chance.between(1, 9999):04d}")


def itin(chance: Chance) -> Value:
    group = chance.pick(_ITIN_GROUPS)
    return _nine("itin", f"9{chance.digits(2)}{group:02d}{chance.digits(4)}")


def _nine(kind: str, digits: str) -> Value:
    return Value(kind, f"{digits[:3]}-{digits[3:5]}-{digits[5:]}", digits, (digits,))


def email(chance: Chance) -> Value:
    """An address at a host that is kept for examples."""
    first, last = chance.pick(FIRST).lower(), chance.pick(LAST).lower()
    some = chance.text(2, LETTERS) + chance.digits(2)
    local = {
        "dotted": f"{first}.{last}{some}",
        "joined": f"{first}{last}{some}",
        "initial": f"{first[0]}-{last}{some}",
        "tagged": f"{first}.{last}+{some}",
        "under": f"{first}_{last}_{some}",
        "quote": f"{first}.o'{last}{some}",
    }[chance.weighted(_LOCALS)]
    if chance.odds(0.1):
        local = local.title()
    host = f"{chance.pick(_HOSTS)}.{chance.pick(_TOP)}"
    text = f"{local}@{host}"
    # A host may stay; the name before it may not, nor its greater half.
    name = compact(local)
    return Value("email", text, compact(text), (name[-(len(name) * 2 // 3) :],))


def foreign_email(chance: Chance) -> Value:
    """One with letters that are not ASCII, in its name or its host."""
    name = f"{chance.pick(('jürgen', 'søren', 'łukasz', 'zoë', 'андрей'))}{chance.digits(4)}"
    host = chance.pick(("bücher.example.de", "example.рф", "xn--bcher-kva.example.de"))
    return Value("email", f"{name}@{host}", compact(f"{name}@{host}"), (compact(name),))


def birth(chance: Chance) -> Value:
    """A date of birth, as forms and databases write them."""
    year, month, day = chance.between(1931, 2009), chance.between(1, 12), chance.between(1, 28)
    name = _MONTHS[month - 1]
    text = chance.pick(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{year}-{month:02d}-{day:02d}",
            f"{month:02d}/{day:02d}/{year}",
            f"{day:02d}/{month:02d}/{year}",
            f"{day:02d}.{month:02d}.{year}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{day}-{name[:3]}-{year}",
            f"{year}/{month:02d}/{day:02d}",
            f"{year}{month:02d}{day:02d}",
        )
    )
    return Value("dob", text, compact(text), (compact(text),))


def person(chance: Chance) -> Value:
    """A name, which only a rule for its field can find."""
    text = f"{chance.pick(FIRST)} {chance.pick(LAST)}"
    return Value("name", text, compact(text), (compact(text),))
