"""A hidden value in a raw text line: spoken, under a key, in a request, in JSON within text."""

from __future__ import annotations

from bench.corpus import forms, hidden, jsontree, secrets, textlines
from bench.corpus.chance import Chance, Weighted
from bench.corpus.hidden import Pair, needle_of
from bench.corpus.jsontree import Number, Style, Tree
from bench.corpus.names import PATHS
from bench.corpus.sample import Fragment, Sample, joined, line

_INSIDE = "\"'<>{}[](),;&\\ \t\n"


def spoken(chance: Chance, kind: str) -> Sample:
    """A sentence in a line of some program."""
    name, around = chance.weighted(textlines.AROUND)
    return line(around(chance, hidden.sentence(chance, kind)), f"text {name}: {kind} in a sentence")


def keyed(chance: Chance, kind: str) -> Sample:
    """A key and its value in a line of some program, in one of many notations."""
    name, around = chance.weighted(textlines.AROUND)
    notation, found = noted(chance, hidden.pair(chance, kind))
    found = found.into(
        chance.pick(("request {} status=400", "{}", "order created {}", "{} took 12ms", "({})"))
    )
    return line(around(chance, found), f"text {name}: {kind} as {notation}")


def noted(chance: Chance, pair: Pair) -> tuple[str, Fragment]:
    """The notation's name and the pair in it. What a bare value could not hold is quoted."""
    key, value = pair.key, pair.value
    choices: list[tuple[str, str, str]] = [
        ("quotes", f'{key}="', '"'),
        ("python", f"{{'{key}': '", "'}"),
        ("ruby", f'{{"{key}"=>"', '"}'),
        ("json", f'{{"{key}": "', '"}'),
        ("colon quotes", f'{key}: "', '"'),
    ]
    if '"' in value.text or "'" in value.text or "\\" in value.text:
        choices = []
    if not any(letter in value.text for letter in _INSIDE):
        choices += [
            ("equals", f"{key}=", " "),
            ("equals", f"{key}=", " "),
            ("end", f"{key}=", ""),
            ("comma", f"{key}=", ", next=1"),
            ("spaced equals", f"{key} = ", " "),
            ("colon", f"{key}: ", " "),
            ("tight colon", f"{key}:", " "),
            ("option", f"--{key.lower()} ", " "),
            ("struct", f"Request{{{key}=", ", amount=12}"),
            ("go", f"&{{Id:7 {key}:", " Ok:true}"),
            ("xml", f"<{key}>", f"</{key}>"),
            ("header", f"{key.title()}: ", "; q=1"),
        ]
    if not choices:
        choices = [("colon", f"{key}: ", ""), ("angles", f"{key}=<", ">")]
    notation, before, after = chance.pick(choices)
    return notation, needle_of(value, before, after)


def requested(chance: Chance, kind: str) -> Sample:
    """In the query of a request, or in a form that was posted."""
    pair = hidden.pair(chance, kind)
    encode = chance.pick((forms.url_text, forms.form_text, forms.url_text))
    if kind in forms.DISGUISED and chance.odds(0.04):
        encode = forms.url_all
    start = chance.pick(("?", "?id=17&", "?lang=de&page=2&"))
    found = needle_of(pair.value.mapped(encode), f"{start}{pair.key}=")
    query = found.within("", chance.pick(("", "&next=%2Fcart", "&submit=1")))
    if chance.odds(0.6):
        target = query.within(chance.pick(PATHS))
        return line(textlines.access(chance, target), f"access log: {kind} in a query")
    name, around = chance.weighted(textlines.AROUND)
    body = joined(("POST /checkout form ", query))
    return line(around(chance, body), f"text {name}: {kind} in a form")


def in_path(chance: Chance, kind: str) -> Sample:
    """As a part of a path, encoded."""
    found = hidden.sentence(chance, kind) if kind not in _IN_PATH else _alone(chance, kind)
    target = found.mapped(forms.url_text).within(f"{chance.pick(PATHS)}/")
    return line(textlines.access(chance, target), f"access log: {kind} in a path")


_IN_PATH = ("pan", "ssn", "email", "iban")


def _alone(chance: Chance, kind: str) -> Fragment:
    return hidden.WRITERS[kind](chance, False)


def tree(chance: Chance, kind: str) -> Tree:
    """A request's body with a value of `kind` in it somewhere."""
    if kind == "secret" and chance.odds(0.3):
        # Whatever the quotes hold together.
        return {"user": "joe", "password": secrets.quoted(chance), "remember": True}
    if chance.odds(0.3):
        return {"ok": False, "message": hidden.sentence(chance, kind), "id": chance.below(10**6)}
    pair = hidden.pair(chance, kind)
    leaf: Tree = pair.value
    if pair.number and chance.odds(0.4):
        leaf = Number(pair.value)
    shape = chance.below(4)
    if shape == 0:
        return {"id": chance.below(10**6), pair.key: leaf, "amount": 12.9}
    if shape == 1:
        return {"order": {"id": chance.uuid(), "payer": {pair.key: leaf}}, "currency": "EUR"}
    if shape == 2:
        return {"items": [{pair.key: leaf, "n": 1}, {"n": 2}], "total": 2}
    return {"t": chance.below(2**40), "request": {"body": {"a": None, pair.key: leaf}, "ok": True}}


def in_json(chance: Chance, kind: str) -> Sample:
    """JSON within text: as it is, or escaped once or twice because somebody quoted it."""
    name, around = chance.weighted(textlines.AROUND)
    found = jsontree.written(tree(chance, kind), jsontree.style(chance))
    depth = chance.below(3)
    for _ in range(depth):
        found = found.mapped(forms.json_text)
    quote = '"' if depth else ""
    message = found.within(f"request body: {quote}", quote)
    return line(around(chance, message), f"text {name}: {kind} in JSON, escaped {depth} times")


def json_line(chance: Chance, kind: str) -> Sample:
    """A line of text that is JSON, with digits as codes at times."""
    how = jsontree.style(chance)
    if kind in forms.DISGUISED and chance.odds(0.05):
        how = Style(forms.json_digits, how.spaced)
    whole: Tree = {
        "ts": textlines.iso(chance),
        "level": textlines.level(chance),
        "msg": hidden.sentence(chance, kind),
        "data": tree(chance, kind),
    }
    return line(jsontree.written(whole, how), f"text json: {kind}")


def marked_up(chance: Chance, kind: str) -> Sample:
    """In HTML or XML that was logged."""
    encode = forms.html_at if kind == "email" and chance.odds(0.5) else forms.html_text
    found = hidden.sentence(chance, kind).mapped(encode).within("<td><b>", "</b></td>")
    name, around = chance.weighted(textlines.AROUND)
    return line(around(chance, found), f"text {name}: {kind} in markup")


def crowded(chance: Chance, kind: str) -> Sample:
    """Several values in one line, of this kind and of others, close together."""
    others = [chance.pick(("pan", "ssn", "email", "phone", "iban", kind)) for _ in range(2)]
    kinds = [kind, *others] if chance.odds(0.5) else [others[0], kind]
    name, around = chance.weighted(textlines.AROUND)
    if chance.odds(0.4) and all(one in _ROWS for one in kinds):
        row = joined([_alone(chance, one) for one in kinds], chance.pick((",", ";", "|", "\t")))
        return line(around(chance, row.within("row 17: ")), f"text {name}: a row of values")
    between = chance.pick((" ", ", ", "; ", " | ", " - "))
    found = joined([hidden.sentence(chance, one) for one in kinds], between)
    return line(around(chance, found), f"text {name}: several sentences")


def long(chance: Chance, kind: str) -> Sample:
    """A line of many kilobytes: a dump with a value somewhere in it."""
    before, after = chance.between(2_000, 30_000), chance.between(20, 30_000)
    words = " ".join(f"{chance.hex(8)}={chance.below(10**6)}" for _ in range(40))
    found = hidden.sentence(chance, kind)
    start, end = (words * (size // len(words) + 1) for size in (before, after))
    return line(found.within(f"dump: {start} ", f" {end}"), f"text long: {kind} in a sentence")


_ROWS = ("pan", "ssn", "email", "phone", "iban", "itin")
CARRIERS = Weighted(
    (
        (spoken, 34), (keyed, 24), (requested, 10), (in_path, 3), (in_json, 12), (json_line, 8),
        (marked_up, 3), (crowded, 6), (long, 0.1),
    )
)  # fmt: skip
