"""Keys and tokens of well-known shapes, and private keys. Prefixes are put together from pieces, so
that a scanner of this source finds none; the rest is random and opens nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from bench.corpus.chance import ALNUM, CAPITALS, DIGITS, LETTERS, Chance
from bench.corpus.folding import compact
from bench.corpus.sample import Value, ends

_BASE32 = CAPITALS + "234567"
_URL_SAFE = ALNUM + "-_"
_PIECE = 12
_Shape = Callable[[Chance], str]


def _shape(prefix: str, length: int, alphabet: str = ALNUM) -> _Shape:
    return lambda chance: prefix + chance.text(length, alphabet)


# What every scanner of secrets knows.
WELL_KNOWN: dict[str, _Shape] = {
    "aws": _shape("AK" + "IA", 16, _BASE32),
    "aws session": _shape("AS" + "IA", 16, _BASE32),
    "github": _shape("gh" + "p_", 36),
    "github oauth": _shape("gh" + "o_", 36),
    "github server": _shape("gh" + "s_", 36),
    "github fine": lambda chance: (
        "github" + f"_pat_{chance.text(22, ALNUM)}_{chance.text(59, ALNUM)}"
    ),
    "gitlab": _shape("gl" + "pat-", 20, _URL_SAFE),
    "slack bot": lambda chance: (
        "xo" + f"xb-{chance.digits(12)}-{chance.digits(13)}-{chance.text(24, ALNUM)}"
    ),
    "slack user": lambda chance: (
        "xo" + f"xp-{chance.digits(12)}-{chance.digits(12)}-{chance.digits(13)}-{chance.hex(32)}"
    ),
    "stripe": _shape("sk" + "_live_", 24),
    "stripe long": _shape("sk" + "_live_", 99),
    "stripe restricted": _shape("rk" + "_live_", 24),
    "google": _shape("AI" + "za", 35, _URL_SAFE),
    "sendgrid": lambda chance: "S" + f"G.{chance.text(22, _URL_SAFE)}.{chance.text(43, _URL_SAFE)}",
    "npm": _shape("np" + "m_", 36),
    "pypi": _shape("py" + "pi-AgEIcHlwaS5vcmc", 80, _URL_SAFE),
    "twilio": lambda chance: "S" + f"K{chance.hex(32)}",
}
# Known to fewer; told, not held against anybody.
OTHERS: dict[str, _Shape] = {
    "slack hook": lambda chance: (
        "https://hooks.sl" + f"ack.com/services/T{chance.text(8, _BASE32)}/B"
        f"{chance.text(8, _BASE32)}/{chance.text(24, ALNUM)}"
    ),
    "google oauth": _shape("GOC" + "SPX-", 28, _URL_SAFE),
    "anthropic": lambda chance: "sk-" + f"ant-api03-{chance.text(93, _URL_SAFE)}AA",
    "openai": lambda chance: "sk-" + f"proj-{chance.text(48, _URL_SAFE)}",
    "hugging face": _shape("h" + "f_", 34),
    "digital ocean": lambda chance: "dop" + f"_v1_{chance.hex(64)}",
    "docker": _shape("dckr" + "_pat_", 27, _URL_SAFE),
    "vault": _shape("hv" + "s.", 90, _URL_SAFE),
    "grafana": lambda chance: "gl" + f"sa_{chance.text(32, ALNUM)}_{chance.hex(8)}",
    "shopify": lambda chance: "shp" + f"at_{chance.hex(32)}",
    "databricks": lambda chance: "da" + f"pi{chance.hex(32)}",
    "mailgun": lambda chance: "ke" + f"y-{chance.hex(32)}",
    "telegram": lambda chance: f"{chance.digits(10)}:AA{chance.text(33, _URL_SAFE)}",
}
_KNOWN = tuple(WELL_KNOWN.values())
_OTHERS = tuple(OTHERS.values())


def api_key(chance: Chance) -> Value:
    return _key(chance.pick(_KNOWN)(chance))


def other_key(chance: Chance) -> Value:
    return _key(chance.pick(_OTHERS)(chance))


def _key(text: str) -> Value:
    # The prefix says whose it is and may stay; the end of it may not.
    whole = compact(text)
    return Value("api_key", text, whole, (whole[-_PIECE:],))


def jwt(chance: Chance) -> Value:
    """Three parts; the last is what signs the others."""
    head = {"alg": chance.pick(("HS256", "RS256", "ES256")), "typ": "JWT"}
    if chance.odds(0.3):
        head["kid"] = chance.hex(8)
    claims = {
        "sub": chance.digits(10),
        "iat": 1790000000 + chance.below(10**6),
        "jti": chance.uuid(),
    }
    signature = chance.text(chance.pick((43, 86, 342)), _URL_SAFE)
    text = f"{_segment(head)}.{_segment(claims)}.{signature}"
    claimed = compact(text.split(".")[1])
    return Value("jwt", text, compact(text), (claimed[-_PIECE:], compact(signature)[-_PIECE:]))


def _segment(content: dict[str, object] | dict[str, str]) -> str:
    text = json.dumps(content, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def private_key(chance: Chance) -> Value:
    """A PEM block over several lines."""
    kind = chance.pick(("RSA ", "EC ", "", "OPENSSH ", "ENCRYPTED "))
    body = chance.text(64 * chance.between(3, 14) + chance.between(8, 60), ALNUM + "+/")
    lines = [body[n : n + 64] for n in range(0, len(body), 64)]
    mark = "PRIVATE " + "KEY-----"
    text = "\n".join([f"-----BEGIN {kind}{mark}", *lines, f"-----END {kind}{mark}"])
    middle = compact(lines[len(lines) // 2])
    return Value("private_key", text, compact(body), (*ends(body, 24), middle[:24]))


_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
_MARKS = "!*#.-_@$%&+?"


def password(chance: Chance, marks: str = "!*.-_") -> str:
    """What somebody might choose: no word, some digits, at times a mark."""
    start = "".join(chance.pick(_SYLLABLES) for _ in range(3)).capitalize()
    mark = chance.pick(marks) if marks and chance.odds(0.4) else ""
    return f"{start}{chance.digits(3)}{mark}{chance.text(4, LETTERS + DIGITS)}"


def secret(text: str) -> Value:
    return Value("secret", text, compact(text), ends(text, 6))


def opaque(chance: Chance) -> str:
    """A token or key without a shape."""
    return chance.made(
        (
            lambda: chance.hex(32),
            lambda: chance.text(40, ALNUM),
            lambda: chance.text(27, _URL_SAFE) + "a",
            lambda: chance.hex(64),
        )
    )
