"""One value of a kind in one of its forms: in a sentence, or under a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.corpus import cards, forms, ibans, identities, phones, secrets, tokens
from bench.corpus.chance import Chance
from bench.corpus.folding import compact, decoded
from bench.corpus.phrases import CONTEXT, CVV_SENTENCES, FREE, KEYS, PIN_SENTENCES
from bench.corpus.sample import Fragment, Label, joined


class Pair(NamedTuple):
    """A key and its value. `number`: JSON may write the value without quotes."""

    key: str
    value: Fragment
    number: bool = False


Write = Callable[[Chance, bool], Fragment]


def _card(chance: Chance, context: bool) -> Fragment:
    point = chance.random()
    if point < 0.015:
        return forms.rare(chance, cards.card(chance))
    if point < 0.025:
        value = cards.national(chance)
        return value.fragment("exotic", " ".join(cards.groups(value.text)))
    card = cards.card(chance)
    if not context:
        return forms.grouped(chance, card) if point < 0.8 else card.fragment("bare")
    if point < 0.5:
        return forms.grouped(chance, card)
    if point < 0.54:
        return forms.spaced(chance, card)
    if point < 0.58:
        return card.fragment("contextual", forms.foreign(chance, card.text))
    if point < 0.61:
        return card.fragment("formatted", forms.foreign(chance, " ".join(cards.groups(card.text))))
    return card.fragment("contextual")


def _ssn(chance: Chance, context: bool) -> Fragment:
    return forms.nine(chance, identities.ssn(chance), context)


def _itin(chance: Chance, context: bool) -> Fragment:
    return forms.nine(chance, identities.itin(chance), context)


def _iban(chance: Chance, context: bool) -> Fragment:
    value = ibans.iban(chance)
    point = chance.random()
    if point < 0.4:
        between = " " if chance.odds(0.7) else chance.pick((forms.NBSP, "-", forms.NARROW))
        return value.fragment("formatted", ibans.fours(value.text, between))
    if context and point < 0.5:
        return value.fragment("contextual", value.text.lower())
    if context and point < 0.53:
        return value.fragment("contextual", ibans.fours(value.text.lower(), " "))
    return value.fragment("formatted")


def _email(chance: Chance, context: bool) -> Fragment:
    if chance.odds(0.01):
        return identities.foreign_email(chance).fragment("exotic")
    return identities.email(chance).fragment("formatted")


def _phone(chance: Chance, context: bool) -> Fragment:
    if not context:
        if chance.odds(0.85):
            return phones.international(chance).fragment("formatted")
        value, form = phones.bare(chance)
        return value.fragment(form)
    point = chance.random()
    if point < 0.5:
        return phones.international(chance).fragment("formatted")
    value = phones.national(chance) if point < 0.9 else phones.digits(chance)
    return value.fragment("contextual")


def _birth(chance: Chance, context: bool) -> Fragment:
    return identities.birth(chance).fragment("contextual")


def _jwt(chance: Chance, context: bool) -> Fragment:
    return tokens.jwt(chance).fragment("formatted")


def _api_key(chance: Chance, context: bool) -> Fragment:
    if chance.odds(0.1):
        return tokens.other_key(chance).fragment("exotic")
    return tokens.api_key(chance).fragment("formatted")


def _private_key(chance: Chance, context: bool) -> Fragment:
    found = tokens.private_key(chance).fragment("formatted")
    if chance.odds(0.25):
        return found.mapped(lambda text: text.replace("\n", "\\n"))
    return found


def _track(chance: Chance, context: bool) -> Fragment:
    return cards.track(chance).fragment("formatted")


WRITERS: dict[str, Write] = {
    "pan": _card, "ssn": _ssn, "itin": _itin, "iban": _iban, "email": _email, "phone": _phone,
    "dob": _birth, "jwt": _jwt, "api_key": _api_key, "private_key": _private_key, "track": _track,
}  # fmt: skip


def sentence(chance: Chance, kind: str) -> Fragment:
    """Something that an application says, with a value of `kind` in it."""
    if kind == "cvv":
        return _card_and_code(chance) if chance.odds(0.5) else short(chance, "cvv", CVV_SENTENCES)
    if kind == "pin":
        return short(chance, "pin", PIN_SENTENCES)
    if kind == "secret":
        return secrets.spoken(chance)
    context = kind not in FREE or chance.odds(0.7)
    template = chance.pick(CONTEXT[kind] if context else FREE[kind])
    return WRITERS[kind](chance, context).into(template)


def pair(chance: Chance, kind: str) -> Pair:
    """A key that tells, and a value of `kind`."""
    key = chance.pick(KEYS[kind])
    if kind in ("cvv", "pin"):
        code = _coded(chance, kind)
        return Pair(key, code, code.text[0] != "0")
    if kind == "secret":
        return Pair(key, secrets.kept(chance))
    if kind == "track" and key != "raw" and chance.odds(0.3):
        return Pair(key, cards.chip_track(chance).fragment("contextual"))
    found = WRITERS[kind](chance, True)
    plain = found.text.isascii() and found.text.isdigit() and found.text[0] != "0"
    return Pair(key, found, plain)


def _coded(chance: Chance, kind: str) -> Fragment:
    """Digits whose needle the writer of the pair completes with its key."""
    digits = cards.code(chance) if kind == "cvv" else chance.digits(4)
    return Fragment(digits, (Label(kind, digits, "contextual", (digits,), ()),))


def short(chance: Chance, kind: str, templates: tuple[str, ...]) -> Fragment:
    """A code too short to be looked for alone: its needle is all that is said."""
    digits = cards.code(chance) if kind == "cvv" else chance.digits(4)
    text = chance.pick(templates).replace("{}", digits)
    found = Fragment(text, (Label(kind, digits, "contextual", (text,), ()),))
    return found.into(chance.pick(("{} refused", "{}, try 2", "[{}]", "{}", "payment: {} wrong")))


def _card_and_code(chance: Chance) -> Fragment:
    """A card with its expiry and code, as people paste them."""
    card = cards.card(chance)
    number = forms.grouped(chance, card) if chance.odds(0.7) else card.fragment("contextual")
    digits = cards.code(chance)
    tail = f" {cards.expiry(chance)} {digits}"
    code = Fragment(tail, (Label("cvv", digits, "adjacent", (tail,), ()),))
    return joined((number.within(chance.pick(("card ", "pay with card: ", "Visa card "))), code))


def needle_of(found: Fragment, before: str, after: str = "") -> Fragment:
    """`found` between texts. A needle that is nothing but a short code includes them."""
    text = f"{before}{found.text}{after}"
    if not found.labels:
        return Fragment(text)
    return Fragment(
        text,
        tuple(
            one._replace(needles=(text,)) if not one.parts and _is_code(one) else one
            for one in found.labels
        ),
    )


def _is_code(label: Label) -> bool:
    """True when its needle is the code alone, in whatever code it is written."""
    return compact(decoded(label.needles[0])) == label.value


def named(chance: Chance) -> Pair:
    """A name under a key that a field rule covers."""
    return Pair("customer.name", identities.person(chance).fragment("keyed"))
