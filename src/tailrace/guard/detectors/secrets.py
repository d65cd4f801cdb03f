"""What lets somebody in: passwords, tokens, keys."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from tailrace.guard.detectors.detector import Detector, Found, Shape, Window
from tailrace.guard.values import after_separator, value_at

_WORDS = (
    rb"passwords?(?:\d|_?(?:confirm(?:ation)?|again|repeat|old|new|hash))?|passwd|passphrase|pwd|passwort|contrase\w{0,4}a|secrets?|secret.?key|client.?secret|"
    rb"api.?keys?|apikey|access.?key|auth.?token|access.?token|refresh.?token|id.?token|session.?token|"
    rb"bearer.?token|tokens?|credentials?|private.?key|encryption.?key|signing.?key|shared.?key|"
    rb"account.?key|master.?key|authorization|x-api-key|x-auth-token|secret.?access.?key|pass"
)
# The name ends with one of the words, whatever stands before it: db.password, X-Api-Key.
_NAME = re.compile(rb"(?P<name>" + _WORDS + rb")$", re.IGNORECASE)
_NAME_END = re.compile(rb"(?:\\*[\"'])?(?:[ \t]|\\+[nrt])*(?:=>|[:=]|%3[AaDd])?$")
# Values that are none: placeholders, what was taken out before, what says that there is one.
_NOTHING = re.compile(
    rb"(?:\*+|x{3,}|\.{3,}|-+|_+|<[^>]*>?|\[[^\]]*\]?|\{.*|\$\{?[A-Za-z_][\w.]*\}?|%[sdrv]|%\(\w+\)s|\?|"
    rb"#[a-z_]+:[0-9a-z]{16}|none|null|nil|undefined|empty|hidden|filtered|redacted|masked|removed|"
    rb"secret|n/?a|yes|no|ok|set|unset|true|false|present|missing|absent|required|optional|"
    rb"invalid|valid|incorrect|correct|wrong|expired|changed|updated|rotated|rejected|accepted|failed|"
    rb"must|is|was|not|too|for|from|and|or|the|a|an|to|in|has|have|does|do|did|should|cannot|can|"
    rb"could|will|user|length|reset|field|authentication|mismatch|error|denied|string|bytes?|"
    rb"basic|bearer|digest|negotiate|token|password|bool|int|str)",
    re.IGNORECASE,
)
_COUNT = re.compile(rb"\d{1,6}(?:\.\d+)?")
# Of a token or key: an object that is printed, a dotted name, a word.
_CODE = re.compile(
    rb"[\w.$]*[{(\[@]|[A-Za-z_]+(?:\.[A-Za-z_]+)+(?:[/:]|$)|[a-z]{1,6}$|[A-Z][a-z]+$"
)
_LENIENT = re.compile(rb"token|key|pass$|credential", re.IGNORECASE)
_SCHEME = re.compile(
    rb"(?:Basic|Bearer|Digest|Token|ApiKey|Negotiate|AWS4-HMAC-SHA256|GoogleLogin)\s+",
    re.IGNORECASE,
)


class Named:
    """The value of a name that says it is secret, in JSON, logfmt, URLs and headers."""

    name = "secret"
    kind = "secret"
    candidates = tuple(
        word + rest
        for word in (
            rb"password[a-z0-9_]{0,13}",
            rb"passwd",
            rb"passphrase",
            rb"pwd",
            rb"passwort",
            rb"secrets?",
            rb"[_\-]?key",
            rb"apikeys?",
            rb"tokens?",
            rb"credentials?",
            rb"authorization",
            rb"[^a-z]pass",
        )
        for rest in (rb"[\\\"' \t]{0,8}[:=]", rb"%3[ad]")
    )
    cased: tuple[bytes, ...] = ()
    matches = (
        b"password=hunter2",
        b'{"password":"hunter2"}',
        b'{"body":"{\\"db_password\\":\\"x\\\\\\"y\\"}"}',
        b"clientSecret: 'abc'",
        b"GET /login?user=a&password=p%40ss HTTP/1.1",
        b"Authorization: Bearer abcdefgh12345678",
        b"x-api-key: 0123456789abcdef",
        b'{"token":"zz9plural"}',
        b"access_token=qwertyuiop",
        b"pwd: letmein",
    )
    traps = (
        b"token_count=123",
        b"password_reset requested",
        b"password=***",
        b"password: [FILTERED]",
        b'{"password":null}',
        b"tokens: 128",
        b"password authentication failed",
        b"password=#secret:k3j9x2m4q8zt7vwa",
        b"bypass: true",
        b"max_tokens=4096",
        b"primary key: id",
        b"key=value",
        b"passwords do not match",
        b"compass=north",
    )

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        low = max(start, end - 64)
        seen = text[low:end]
        joint = _NAME_END.search(seen)
        name_stop = low + (joint.start() if joint else len(seen))
        name = _NAME.search(text[low:name_stop])
        at = after_separator(text, name_stop, stop)
        if name is None or at is None or not _own_word(text[low:name_stop], name):
            return
        value = value_at(text, at, stop)
        if value is None or value.shape in ("word", "nested"):
            return
        begin, until = value.start, value.stop
        if scheme := _SCHEME.match(text, begin, stop):
            begin = scheme.end()
            if value.shape == "plain":
                rest = value_at(text, begin, stop)
                until = rest.stop if rest else begin
        secret = text[begin:until]
        if secret and not _is_nothing(secret, name["name"], value.shape):
            yield Found(begin, until, secret)


def _own_word(seen: bytes, name: re.Match[bytes]) -> bool:
    """Whether the word begins a word: "compass" and "bypass" do not hold "pass"."""
    at = name.start("name")
    head = seen[at - 1 : at]
    if not head.isalpha():
        return head != b"#"  # a pseudonym
    escaped = seen[at - 2 : at - 1] == b"\\" and head in b"nrt"
    camel = seen[at : at + 1].isupper() and head.islower()
    return escaped or camel or len(name["name"]) > 6


def _is_nothing(value: bytes, name: bytes, shape: str) -> bool:
    if _NOTHING.fullmatch(value):
        return True
    if not _LENIENT.search(name):
        return False
    return bool(_COUNT.fullmatch(value) or (shape == "plain" and _CODE.match(value)))


def _credentials(match: re.Match[bytes]) -> bytes | None:
    value = match["value"]
    return None if _NOTHING.fullmatch(value) else value


def _basic(match: re.Match[bytes]) -> bytes | None:
    value = match["value"]
    try:
        plain = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return value if b":" in plain else None


def _bearer(match: re.Match[bytes]) -> bytes | None:
    value = match["value"]
    mixed = any(48 <= byte <= 57 for byte in value) or len(value) >= 24
    return value if mixed else None


def _as_it_is(match: re.Match[bytes]) -> bytes | None:
    return match["value"]


# Shapes that issuers of keys have given them so that they can be told: prefix and length.
_KEYS = (
    rb"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}",
    rb"gh[pousr]_[A-Za-z0-9]{36}",
    rb"github_pat_[A-Za-z0-9_]{22}",
    rb"gl(?:pat|ptt|rt|dt|soat|ft)-[A-Za-z0-9_\-]{20}",
    rb"xox[abeoprs]-[A-Za-z0-9\-]{10}",
    rb"xapp-[0-9]-[A-Za-z0-9\-]{10}",
    rb"[srp]k_(?:live|test)_[A-Za-z0-9]{16}",
    rb"whsec_[A-Za-z0-9+/]{16}",
    rb"AIza[0-9A-Za-z_\-]{35}",
    rb"ya29\.[0-9A-Za-z_\-]{20}",
    rb"SG\.[A-Za-z0-9_\-]{16}",
    rb"npm_[A-Za-z0-9]{36}",
    rb"pypi-AgE[A-Za-z0-9_\-]{20}",
    rb"sk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_\-]{20}",
    rb"dop_v1_[a-f0-9]{64}",
    rb"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    rb"hf_[A-Za-z0-9]{30}",
    rb"SK[0-9a-f]{32}",
    rb"key-[0-9a-f]{32}",
    rb"hvs\.[A-Za-z0-9_\-]{20}",
    rb"sq0(?:atp|csp)-[A-Za-z0-9_\-]{22}",
    rb"hooks\.slack\.com/services/T[A-Z0-9]{6}",
    rb"tr_[A-Za-z0-9_\-]{32}",
)
_KEY = re.compile(
    rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%3[Dd]))(?P<value>(?:" + b"|".join(_KEYS) + rb")"
    rb"(?:[A-Za-z0-9_\-/.+=]*[A-Za-z0-9_\-=])?)"
)
_RSA = rb"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY"


class PrivateKeys:
    """A private key in PEM, from its first line to its last, or as far as the row has it."""

    name = "private_key"
    kind = "private_key"
    candidates: tuple[bytes, ...] = ()
    cased = (rb"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY",)
    matches = (
        b"-----BEGIN " + b"RSA PRIVATE KEY-----\\nMIIEabc\\n-----END RSA " + b"PRIVATE KEY-----",
        b"key: -----BEGIN " + b"OPENSSH PRIVATE KEY-----\x1eb3BlbnNz",
    )
    traps = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN PUBLIC KEY-----")
    _end = re.compile(rb"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
    _body = re.compile(rb"(?:[A-Za-z0-9+/=:,\-. \t\x1e]|\\+[nrt/])*")

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        begin = text.rfind(b"-----BEGIN", start, end)
        ended = self._end.search(text, end, stop)
        if ended:
            until = ended.end()
        else:
            body = self._body.match(text, end, stop)
            until = body.end() if body else end
        yield Found(begin, until, text[begin:until])


SECRETS: tuple[Detector, ...] = (
    PrivateKeys(),
    Shape(
        "jwt",
        "jwt",
        candidates=(),
        cased=(rb"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4}",),
        pattern=re.compile(
            rb"(?P<value>eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4,}(?:\.[A-Za-z0-9_\-]*){1,3})"
        ),
        check=_as_it_is,
        before=8_192,
        after=16_384,
        matches=(b"auth eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok",),
        traps=(b"eyJhbGciOiJIUzI1NiJ9", b"key.java.lang.Object"),
    ),
    Shape(
        "api_key",
        "api_key",
        candidates=(),
        cased=_KEYS,
        pattern=_KEY,
        check=_as_it_is,
        before=100,
        after=200,
        matches=(
            b"using AKIA" + b"Z7Q2M4K8P6R3T5V9",
            b"token ghp" + b"_0123456789abcdefghijABCDEFGHIJ012345",
            b"sk_" + b"live_4eC39HqLyjWDarjtT1",
        ),
        traps=(b"AKIAexample", b"ghp_short", b"task-list-of-things-to-do-today-and-then"),
    ),
    Named(),
    Shape(
        "secret-in-url",
        "secret",
        candidates=(rb"://[^\s/:@\"'<>]{0,64}:[^\s/@\"'<>]{1,128}@",),
        pattern=re.compile(rb"://[^\s/:@\"'<>]{0,64}:(?P<value>[^\s/@\"'<>]{1,128})(?=@)"),
        check=_credentials,
        before=210,
        after=1,
        matches=(b"postgres://app:hunter2@db:5432/x", b"redis://:p4ss@cache"),
        traps=(b"http://host:8080/path@x", b"https://user@host/", b"amqp://user:***@host"),
    ),
    Shape(
        "secret-basic",
        "secret",
        candidates=(rb"basic [A-Za-z0-9+/]{6}",),
        pattern=re.compile(rb"(?<![a-z])basic (?P<value>[A-Za-z0-9+/]{6,}={0,2})", re.IGNORECASE),
        check=_basic,
        before=14,
        after=400,
        matches=(b"sent Basic amFuZTpodW50ZXIy to it",),
        traps=(b"basic authentication failed", b"Basic training"),
    ),
    Shape(
        "secret-bearer",
        "secret",
        candidates=(rb"bearer [A-Za-z0-9_.~+/\-]{8}",),
        pattern=re.compile(
            rb"(?<![a-z])bearer (?P<value>[A-Za-z0-9_.~+/\-]{8,}={0,2})", re.IGNORECASE
        ),
        check=_bearer,
        before=16,
        after=4_096,
        matches=(b"header Bearer abcd1234efgh",),
        traps=(b"bearer authentication", b"Bearer realm="),
    ),
    Shape(
        "secret-option",
        "secret",
        candidates=(rb"-(?:password|passwd|pass|secret|token|api-key)[ ]+[^ \-]",),
        pattern=re.compile(
            rb"(?<!\w)--?(?:[a-z]+-)?(?:password|passwd|pass|secret|token|api-key) +"
            rb"[\"']?(?P<value>[^\s\-\"'\\][^\s\"'\\]*)",
            re.IGNORECASE,
        ),
        check=_credentials,
        before=40,
        after=200,
        matches=(b"mysql --password hunter2 -h db", b"run --api-key abc123"),
        traps=(b"use --password to log in", b"--token --verbose", b"user-password changed"),
    ),
)
