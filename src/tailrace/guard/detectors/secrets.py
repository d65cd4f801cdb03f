"""What lets somebody in: passwords, tokens, keys."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

from tailrace.guard.detectors.detector import NAME_BYTES, Detector, Found, Shape, Window, as_it_is
from tailrace.guard.values import after_separator, value_at

# How names end that are secret, without case, `_`, `-`, `.` and digits at the end.
_SUFFIXES = tuple(
    b"""
    password passwords passwd passphrase passwort contrasena passwordconfirm passwordconfirmation
    passwordagain passwordrepeat passwordold passwordnew passwordhash secret secrets token tokens
    apikey apikeys accesskey secretkey privatekey encryptionkey signingkey sharedkey accountkey
    masterkey secretaccesskey credential credentials authorization
    """.split()
)
# Those that are found within other words: bypass, compass.
_SHORT = (b"pass", b"pwd")
_OBJECT_BYTES = 256
_CODE_BEHIND = re.compile(rb"[0-9a-z]{16}(?![0-9A-Za-z])")
_NEWLINE = re.compile(rb"\x1e|\\[nr]")
_NEXT = re.compile(rb"[A-Za-z_][\w.\-]*=|\(")
# Values that are none: placeholders, what was taken out before, what says that there is one.
_NOTHING = re.compile(
    rb"(?:\*+|x{3,}|\.{3,}|-+|_+|<[A-Za-z_ \-]{0,20}>|\[[A-Za-z_: ]{0,24}\]|\{\w*\}|\{\{[^}]*\}\}|"
    rb"\$\{[A-Za-z_][\w.]*\}|\$[A-Z_]+|%[sdrv]|%\(\w+\)s|\?|"
    rb"#[a-z_]+:[0-9a-z]{16}|none|null|nil|undefined|empty|hidden|filtered|redacted|masked|removed|"
    rb"secret|n/?a|yes|no|ok|set|unset|true|false|present|missing|absent|required|optional|"
    rb"invalid|valid|incorrect|correct|wrong|expired|changed|updated|rotated|rejected|"
    rb"accepted|failed|"
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
_CREDENTIAL = re.compile(rb"[A-Za-z0-9+/._~%\-]{4,}=*(?![\w=])")
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
            rb"(?:^|[^a-z]|db|user)pass",
        )
        for rest in (rb"[\\\"' \t]{0,20}[:=]", rb"%3[ad]", rb">")
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
        b"<user>joe</user><password>Pameka698ius5</password>",
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
        text, start, stop, end, memo = window
        done = memo.get(self)
        if isinstance(done, int) and end <= done:
            return  # within a value that is taken out
        seen = text[max(start, end - 80) : end]
        head = _before_separator(seen)
        name = head[len(head.rstrip(NAME_BYTES)) :]
        outer = head[: len(head) - len(name)]
        if not _is_secret(name, outer):
            return
        if outer.endswith(b"#") and _CODE_BEHIND.match(text, end, stop):
            return  # a pseudonym
        if seen[len(head) :] == b">" and not outer.endswith(b"<"):
            return  # no tag of XML that opens
        at = after_separator(text, end - len(seen) + len(head), stop)
        if at is None:
            return
        value = value_at(text, at, stop, memo)
        if value is None or value.shape == "word":
            return
        if value.shape == "nested" and not _is_whole(text[value.start : value.stop], name):
            return  # an object has names of its own
        between = text[end - len(seen) + len(head) : at]
        if _NEWLINE.search(between) or (between[-1:] == b" " and _NEXT.match(text, at)):
            return  # nothing, and the next line or name
        begin = value.start
        if scheme := _SCHEME.match(text, begin, stop):
            begin = scheme.end()
            if scheme[0][:6].lower() != b"digest" and not _CREDENTIAL.match(text, begin, stop):
                return
            if value.shape == "plain" and (rest := value_at(text, begin, stop, memo)):
                value = rest
        if begin < value.stop and not _is_nothing(text[begin : value.stop], name, value.shape):
            memo[self] = value.last
            yield Found(begin, value.last, text[begin : value.last])


def _is_whole(value: bytes, name: bytes) -> bool:
    """Whether an array or object is a secret as a whole: any list, and a small object of a
    password."""
    if value[:1] == b"[":
        return True
    small = len(value) <= _OBJECT_BYTES and b'"' in value
    return small and name.lower().endswith((b"password", b"passwd", b"pwd", b"passphrase"))


def _before_separator(seen: bytes) -> bytes:
    """Up to the end of the name, without `"`, `=` and what else stands between it and a value."""
    head = seen.rstrip(b"=:>")
    if len(head) == len(seen):
        head = seen[:-3]  # %3D
    return head.rstrip(b" \t").rstrip(b"\"'\\").rstrip(b" \t")


def _is_secret(name: bytes, before: bytes) -> bool:
    if before.endswith(b"\\") and name[:1] in (b"n", b"r", b"t") and len(name) > 1:
        name = name[1:]
    plain = name.lower().translate(None, b"_-.").rstrip(b"0123456789")
    if plain.endswith(_SUFFIXES):
        return True
    if not plain.endswith(_SHORT):
        return False
    size = 4 if plain.endswith(b"pass") else 3
    head, tail = name[: len(name) - size], name[len(name) - size :]
    if head.lower().endswith((b"db", b"user")):
        return True
    return not head[-1:].isalpha() or (tail[:1].isupper() and head[-1:].islower())


def _is_nothing(value: bytes, name: bytes, shape: str) -> bool:
    if _NOTHING.fullmatch(value) or (name.lower() == b"pwd" and value[:1] in b"/~"):
        return True
    if not _LENIENT.search(name):
        return False
    return bool(_COUNT.fullmatch(value) or (shape == "plain" and _CODE.match(value)))


def _credentials(match: re.Match[bytes]) -> bytes | None:
    value = match["value"]
    return None if _NOTHING.fullmatch(value) else value


def _is_option(text: bytes, end: int) -> bool:
    """Whether the word before the blanks begins like an option of a command."""
    head = text[max(0, end - 90) : end - 1].rstrip(b" ")
    return head[len(head.rstrip(NAME_BYTES)) :].startswith(b"-")


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
    rb"dapi[a-f0-9]{32}",
    rb"glsa_[A-Za-z0-9]{32}",
    rb"dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20}",
    rb"GOCSPX-[A-Za-z0-9_\-]{20}",
    rb"[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}",
)
_KEY = re.compile(
    rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%3[Dd]))(?P<value>(?:" + b"|".join(_KEYS) + rb")"
    rb"(?:[A-Za-z0-9_\-/.+=]*[A-Za-z0-9_\-=])?)"
)


class PrivateKeys:
    """A private key in PEM, from its first line to its last, or as far as the row has it."""

    name = "private_key"
    kind = "private_key"
    candidates: tuple[bytes, ...] = ()
    cased = (
        rb"-----BEGIN[ +][A-Z0-9 +]{0,32}PRIVATE[ +]KEY",
        rb"-----END[ +][A-Z0-9 +]{0,32}PRIVATE[ +]KEY",
    )
    matches = (
        b"-----BEGIN " + b"RSA PRIVATE KEY-----\\nMIIEabc\\n-----END RSA " + b"PRIVATE KEY-----",
        b"key: -----BEGIN " + b"OPENSSH PRIVATE KEY-----\x1eb3BlbnNz",
    )
    traps = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN PUBLIC KEY-----")
    _end = re.compile(rb"-----END[ +][A-Z0-9 +]{0,32}PRIVATE[ +]KEY(?: BLOCK)?-----")
    _body = re.compile(rb"(?:[A-Za-z0-9+/=:,\-. \t\x1e]|\\+[nrt/])*")

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, memo = window
        begin = text.rfind(b"-----BEGIN", start, end)
        if begin < 0:  # the end of a key that began in another row or frame
            if closing := self._end.search(text, max(start, end - 64), stop):
                yield Found(*closing.span(), closing[0])
            return
        ended = None if self in memo else self._end.search(text, end, stop)
        if ended is None:
            memo[self] = True  # none follows for the next either
        if ended:
            until = ended.end()
        else:
            body = self._body.match(text, end, stop)
            until = body.end() if body else end
        yield Found(begin, until, text[begin:until])


class Tokens:
    """JSON Web Tokens and their kin: a header in base64url that begins with {", and more parts."""

    name = "jwt"
    kind = "jwt"
    candidates: tuple[bytes, ...] = ()
    cased = (rb"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{4}",)
    matches = (
        b"auth eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl ok",
        b'{"t":"eyJhbGciOiJSU0EtT0FFUCJ9.OKOawDo13gRp.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZ"}',
    )
    traps = (b"eyJhbGciOiJIUzI1NiJ9", b"key.java.lang.Object", b"eyJhbGciOiJIUzI1NiJ9.json ok")
    _header_bytes = 4_096
    _token = re.compile(rb"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*){1,3}")

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        dot = text.rfind(b".", start, end)
        begin = text.rfind(b"eyJ", max(start, dot - self._header_bytes), dot)
        match = self._token.match(text, begin, stop) if begin >= 0 else None
        if match and match.end() >= end:
            yield Found(begin, match.end(), match[0])


SECRETS: tuple[Detector, ...] = (
    PrivateKeys(),
    Tokens(),
    Shape(
        "api_key",
        "api_key",
        candidates=(),
        cased=_KEYS,
        pattern=_KEY,
        check=as_it_is,
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
        matches=(b"sent Basic amFuZTpodW50ZXIy to it", b"basic am9lOnB3"),
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
        matches=(b"header Bearer abcd1234efgh", b"bearer 0a1b2c3d4e"),
        traps=(b"bearer authentication", b"Bearer realm="),
    ),
    Shape(
        "secret-quoted",
        "secret",
        candidates=(rb"(?:password|passwd|passphrase|passcode) [\\]{0,15}[\"'`]",),
        pattern=re.compile(
            rb"(?:password|passwd|passphrase|passcode) \\*[\"'`]"
            rb"(?P<value>[^\s\"'`\\<]{3,128})(?=\\*[\"'`])",
            re.IGNORECASE,
        ),
        check=_credentials,
        before=48,
        after=140,
        matches=(b'passphrase "Nepali010-kq8x" is wrong', b"with password 'hunter2'"),
        traps=(
            b'password "" is empty',
            b"password 'missing'",
            b"password 'x",
            b'secret "shop-tls" not found',
        ),
    ),
    Shape(
        "secret-option",
        "secret",
        candidates=(
            rb"(?:password|passwd|passphrase|[_.\-]pass|pwd|secret|token|[_.\-]key|apikey)"
            rb"[ ]+[^ \-]",
        ),
        pattern=re.compile(
            rb"(?<!\w)--?(?:[a-z0-9_.\-]{0,60}(?:password|passwd|passphrase|pwd)|"
            rb"(?:[a-z0-9_.\-]{0,60}[_.\-])?(?:pass|secret|token|api[_\-]?key|(?:access|secret)[_\-]?key))"
            rb" +[\"']?(?P<value>[^\s\-\"'\\][^\s\"'\\]*)",
            re.IGNORECASE,
        ),
        check=_credentials,
        quick=_is_option,
        before=90,
        after=200,
        matches=(b"mysql --password hunter2 -h db", b"run --api-key abc123"),
        traps=(b"use --password to log in", b"--token --verbose", b"user-password changed"),
    ),
)
