"""Clean sentences that speak of personal things and hold none."""

from __future__ import annotations

from collections.abc import Callable

from bench.corpus import cards
from bench.corpus.chance import ALNUM, Chance
from bench.corpus.names import HOSTS, SERVICES

Say = Callable[[Chance], str]


def _fixed(*said: str) -> tuple[Say, ...]:
    return tuple((lambda chance, text=text: text) for text in said)


_SECRETS = _fixed(
    "password_reset requested",
    "password reset mail queued",
    "passwords do not match",
    'password authentication failed for user "app"',
    'FATAL: password authentication failed for user "app"',
    "Failed password for root from 10.1.2.3 port 50122 ssh2",
    "Accepted publickey for deploy from 10.1.2.3 port 50122 ssh2",
    "password must have at least 12 characters",
    "user changed password",
    "Authorization: [FILTERED]",
    "Authorization: Bearer [REDACTED]",
    "Authorization: Bearer ***",
    "password=***",
    "password=********",
    "password=[FILTERED]",
    '"password":"[redacted:secret]"',
    '{"user":"joe","password":"***"}',
    "password=<redacted> user=joe",
    "password=",
    "password: null",
    '"password": null, "user": 7',
    "password= user=joe",
    "password=${DB_PASSWORD}",
    "password={{ vault_password }}",
    "password=$DB_PASSWORD",
    "api_key=%s",
    "secret=None",
    "passphrase for key requested",
    "no password given",
    "basic auth is off",
    "Bearer token missing",
    "Authorization header missing",
    "Authorization: Negotiate",
    "invalid token",
    'secret "shop-tls" not found in namespace "shop"',
    "mounted secret shop/db-credentials at /run/secrets/db",
    "tokenizer loaded",
    "client_secret is required",
    "missing api_key in query",
    "csrf cookie not set",
    "Set-Cookie names: sessionid, csrftoken, locale",
    "https://user@git.example.com/shop.git cloned",
    "https://shop.example.com:8443/login",
    "postgres://db-01:5432/shop",
    "password policy: min=12 max=64",
    "password_hash column is missing",
    "is_password=false has_secret=true",
    "password expired: true",
    "forgot-password page rendered",
    "passing through, passed 12 of 12",
)
_COUNTED: tuple[Say, ...] = (
    lambda c: f"token_count={c.below(10**5)} prompt_tokens={c.below(10**4)} max_tokens=4096",
    lambda c: f"tokens: {c.below(10**5)} used, {c.below(10**5)} left",
    lambda c: f"password_length={c.between(8, 40)}",
    lambda c: f"password_attempts={c.below(9)} user_id={c.below(10**6)}",
    lambda c: f"token expires in {c.below(3600)} s",
    lambda c: f"secret_version={c.below(90)} rotated",
    lambda c: f"token_type=bearer expires_in={c.below(86400)}",
    lambda c: f"password_changed_at=2026-11-{c.between(10, 28)}T08:00:00Z",
    lambda c: f"next token at position {c.below(10**6)}",
    lambda c: f"key=product:{c.below(10**7)} hit",
    lambda c: f"primary key {c.below(10**9)} violates constraint",
    lambda c: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{c.text(43, ALNUM)} deploy@{c.pick(HOSTS)}",
    lambda c: f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ{c.text(300, ALNUM)} ci",
    lambda c: "-----BEGIN CERTIFICATE-----\n" + _block(c) + "\n-----END CERTIFICATE-----",
    lambda c: "-----BEGIN PUBLIC KEY-----\n" + _block(c) + "\n-----END PUBLIC KEY-----",
    lambda c: f"SHA256:{c.text(43, ALNUM)} host key of {c.pick(HOSTS)}",
)
_CARDS: tuple[Say, ...] = (
    *_fixed(
        "cvv missing",
        "cvv is required",
        "CVV check failed",
        "cvv=***",
        "cvv: [redacted:cvv]",
        "cvc_check=pass avs=fail",
        "card declined",
        "card expired",
        "no card on file",
        "pin is wrong, 2 tries left",
        "pinned message",
        "pinned version kept",
        "spinning up worker",
        "PIN entry cancelled",
        "iban missing",
        "ssn is required",
        "ssn_verified=true",
        "ssn: null",
        "social security office closed",
        "email sent",
        "email is not verified",
        "email=null",
        "phone number missing",
        "phone_verified=false",
        "pan: zoom in",
        "panic: runtime error: index out of range [3] with length 3",
    ),
    lambda c: f"expiry {c.between(1, 12):02d}/27",
    lambda c: f"card expires {c.between(1, 12):02d}/20{c.between(27, 33)}",
    lambda c: f"card ending in {c.digits(4)} charged",
    lambda c: f"card **** **** **** {c.digits(4)} charged",
    lambda c: f"card {c.pick(('411111', '550000'))}******{c.digits(4)} charged",
    lambda c: f"BIN {c.digits(6)} belongs to an issuer in DE",
    lambda c: f"GPIO pin {c.between(1, 40)} high",
    lambda c: f"pin={c.between(1, 40)} mode=out",
    lambda c: f"pin {c.between(1, 40)} of header J{c.between(1, 9)}",
    lambda c: f"card_count={c.below(9)} amount={c.below(10**6)}",
    lambda c: f"amount {c.below(10**5)}.{c.digits(2)} EUR, card accepted",
    lambda c: f"card game {c.below(10**6)} started",
    lambda c: f"network card eth{c.below(9)} has {c.below(10**9)} bytes",
    lambda c: f"credit note {c.digits(8)} for order {c.below(10**7)}",
    lambda c: f"card {_failing(c)} fails the check digit",
    lambda c: f"SIM card slot {c.below(3)} empty",
    lambda c: f"memory card {c.below(512)} GB",
    lambda c: f"dashboard card {c.below(900)} rendered in {c.below(900)} ms",
    lambda c: f"ssn_count={c.below(9999)}",
    lambda c: f"phone book of {c.below(10**5)} entries loaded",
    lambda c: f"phone_model=X{c.below(99)} os=15.{c.below(9)}",
    lambda c: f"email queue {c.below(10**6)} waiting, oldest {c.below(900)} s",
    lambda c: f"mobile_app_version=4.{c.below(99)}.{c.below(9)}",
    lambda c: f"iban check took {c.below(900)} ms",
)
_DATES: tuple[Say, ...] = (
    *_fixed(
        "birthday mails queued",
        "date of birth missing",
        "dob is required",
        "birth date must be in the past",
        "dob=null",
        "born to run",
    ),
    lambda c: f"invoice date {c.between(2019, 2026)}-{c.between(1, 12):02d}-{c.between(1, 28):02d}",
    lambda c: f"due {c.between(1, 28):02d}.{c.between(1, 12):02d}.2026",
    lambda c: f"Last-Modified: Tue, {c.between(1, 28):02d} Nov 2025 08:{c.digits(1)}1:07 GMT",
    lambda c: f"not valid before 20{c.between(10, 26)}-{c.between(10, 12)}-0{c.between(1, 9)}",
    lambda c: (
        f"backup_{c.between(2019, 2026)}{c.between(10, 12)}{c.between(10, 28)}.tar.gz written"
    ),
    lambda c: f"price {c.below(10**4)}.{c.digits(2)} at {c.between(10, 23)}:{c.between(10, 59)}",
    lambda c: f"{c.pick(SERVICES)}-2026.{c.between(10, 12)}.{c.between(10, 28)} index rolled over",
    lambda c: f"{c.below(900)} birthdays found, {c.below(90)} mails",
)
# Where a table is printed, four-digit columns stand side by side.
_TABLES: tuple[Say, ...] = (
    lambda c: "   ".join(f"{c.below(10**4):>6}" for _ in range(8)),
    lambda c: f"r {c.below(9)} b {c.below(9)} swpd {c.below(10**6)} free {c.below(10**7)}",
    lambda c: f"SELECT * FROM orders WHERE id IN ({', '.join(c.digits(9) for _ in range(6))})",
    lambda c: f"VALUES ({c.below(10**9)}, {c.below(10**9)}, '2026-11-{c.between(10, 28)}')",
    lambda c: (
        f'{{"type":"Point","coordinates":[{c.below(179)}.{c.digits(15)},'
        f"{c.below(89)}.{c.digits(15)}]}}"
    ),
    lambda c: f"0x{c.hex(8)}: " + " ".join(c.hex(3) + "c" for _ in range(8)),
    lambda c: f"cpu  {' '.join(str(c.below(10**8)) for _ in range(4))} 0 0",
    lambda c: f"bytes {c.below(10**9)}-{c.below(10**9)}/{c.below(10**10)}",
)
REMARKS = {"of secrets": _SECRETS, "of tokens": _COUNTED, "of cards": _CARDS, "of dates": _DATES,
           "tables": _TABLES}  # fmt: skip


def _block(chance: Chance) -> str:
    return "\n".join("MII" + chance.text(61, ALNUM + "+/") for _ in range(chance.between(3, 9)))


def _failing(chance: Chance) -> str:
    """A card number with a wrong check digit."""
    number = cards.number(chance)
    return number[:-1] + str((int(number[-1]) + chance.between(1, 9)) % 10)
