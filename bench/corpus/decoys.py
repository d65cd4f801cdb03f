"""What looks like a personal value and is none: each maker returns a key and a value."""

from __future__ import annotations

from collections.abc import Callable

from bench.corpus import cards, ibans, ids, textlines
from bench.corpus.chance import ALNUM, CAPITALS, DIGITS, LETTERS, Chance
from bench.corpus.identities import ssn
from bench.corpus.names import HOSTS, SERVICES
from bench.corpus.recordlines import time_ns

Decoy = tuple[str, str]
Make = Callable[[Chance], Decoy]


def _times(chance: Chance) -> Decoy:
    divisor = chance.pick((1, 1, 10**3, 10**6, 10**9))
    key = chance.pick(("ts", "start_ns", "timestamp", "expires_at", "time_unix_nano", "deadline"))
    return key, str(time_ns(chance) // divisor)


def _luhn_order(chance: Chance) -> Decoy:
    """Passes every check of a card but that of being one."""
    key = chance.pick(
        ("order_id", "orderId", "order_number", "request_id", "transaction_id", "invoice_no",
         "shipment_id", "batch", "event_id", "message_id", "offset", "block_id", "sequence")
    )  # fmt: skip
    return key, cards.number(chance)


def _any_order(chance: Chance) -> Decoy:
    key = chance.pick(("order_id", "id", "object_id", "row_id", "uid", "correlation_id", "seq"))
    return key, str(chance.between(1, 9)) + chance.digits(chance.between(11, 18))


def _snowflake(chance: Chance) -> Decoy:
    value = (time_ns(chance) // 10**6 - 1288834974657) << 22 | chance.below(1 << 22)
    return chance.pick(("tweet_id", "snowflake", "guild_id", "message.id", "channel_id")), str(
        value
    )


def _parcel(chance: Chance) -> Decoy:
    number = chance.made(
        (
            lambda: "1Z" + chance.text(6, CAPITALS + DIGITS) + chance.digits(10),
            lambda: chance.digits(12),
            lambda: "96" + chance.digits(20),
            lambda: "9" + chance.pick(("400", "205", "361")) + chance.digits(18),
            lambda: "JD" + chance.digits(18),
            lambda: "RR" + chance.digits(9) + "DE",
            lambda: cards.numbered(chance, "6", 15),
        )
    )
    return chance.pick(("tracking_number", "trackingNo", "parcel_id", "awb", "waybill")), number


def _imei(chance: Chance) -> Decoy:
    """Passes Luhn by its construction."""
    key = chance.pick(("imei", "device.imei", "IMEI", "device_imei"))
    return key, cards.numbered(chance, chance.pick(("35", "86", "01", "37")), 15)


def _iccid(chance: Chance) -> Decoy:
    key = chance.pick(("iccid", "sim.iccid", "ICCID"))
    return key, cards.numbered(chance, "89", chance.pick((19, 20)))


def _product(chance: Chance) -> Decoy:
    """EAN-13, GTIN-14 and ISBN, with their own check digit; some pass Luhn as well."""
    digits = chance.pick(("4", "50", "978", "40", "6", "30")) + chance.digits(12)
    digits = digits[: chance.pick((12, 12, 13))]
    total = sum(int(d) * (3 if n % 2 == 0 else 1) for n, d in enumerate(reversed(digits)))
    number = digits + str(-total % 10)
    if number.startswith("978") and chance.odds(0.6):
        number = f"978-{number[3]}-{number[4:8]}-{number[8:12]}-{number[12]}"
    return chance.pick(("ean", "gtin", "isbn", "barcode", "upc", "product.gtin")), number


def _digit_hex(chance: Chance) -> Decoy:
    """Hexadecimal that happens to have only digits, or almost."""
    value = chance.made(
        (
            lambda: chance.digits(32),
            lambda: chance.digits(16),
            lambda: f"{chance.digits(15)}a{chance.digits(16)}",
            lambda: cards.number(chance) + chance.digits(16),
            lambda: chance.hex(40),
            lambda: chance.hex(7),
        )
    )
    key = chance.pick(("trace_id", "span_id", "traceparent", "sha", "commit", "digest", "etag"))
    return key, value


def _uuid(chance: Chance) -> Decoy:
    if chance.odds(0.5):
        return "request_id", chance.uuid()
    groups = [chance.digits(8), chance.digits(4), "4" + chance.digits(3), "8" + chance.digits(3)]
    tail = chance.digits(12)
    return chance.pick(("uuid", "request_id", "run", "id")), "-".join([*groups, tail])


def _hardware(chance: Chance) -> Decoy:
    return chance.made(
        (
            lambda: ("mac", ":".join(chance.hex(2) for _ in range(6))),
            lambda: ("mac", ":".join(chance.digits(2) for _ in range(6))),
            lambda: ("peer", ":".join(chance.hex(4) for _ in range(8))),
            lambda: ("addr", f"2001:db8:{chance.hex(4)}::{chance.digits(4)}"),
            lambda: ("ptr", f"0x{chance.digits(16)}"),
            lambda: ("pc", f"0x{chance.hex(12)}"),
            lambda: ("range", f"{chance.hex(16)}-{chance.hex(16)}"),
        )
    )


def _version(chance: Chance) -> Decoy:
    n = chance.below
    value = chance.pick(
        (
            f"{n(9)}.{n(40)}.{n(20)}",
            f"{n(9)}.{n(40)}.{n(20)}-rc.{n(9)}+build.{n(10**6)}",
            f"1{n(50)}.0.{n(9999)}.{n(250)}",
            f"v0.0.0-2026{n(12) + 1:02d}{n(28) + 1:02d}{n(240000):06d}-{chance.hex(12)}",
            f"2026.{n(12)}.{n(28)}.{n(10**4):04d}",
        )
    )
    return chance.pick(("version", "service.version", "build", "ua.version")), value


def _nine(chance: Chance) -> Decoy:
    """Nine digits that are no social security number: 89% of such would pass as one."""
    key = chance.pick(
        ("bytes", "size", "pid", "customer_id", "zip_code", "duration_ns", "account_id", "job",
         "routing", "thread", "row", "lsn", "block")
    )  # fmt: skip
    return key, str(ssn(chance).value)


def _dashed(chance: Chance) -> Decoy:
    """Dashes and digits, and no social security or taxpayer number."""
    d = chance.digits
    value = chance.made(
        (
            lambda: f"000-{d(2)}-{d(4)}",
            lambda: f"666-{d(2)}-{d(4)}",
            lambda: f"9{d(2)}-{chance.pick(('93', '89', '66', '12', '07', '49'))}-{d(4)}",
            lambda: f"{chance.between(1, 665):03d}-00-{d(4)}",
            lambda: f"{chance.between(1, 665):03d}-{chance.between(1, 99):02d}-0000",
            lambda: f"{d(3)}-{d(2)}-{d(4)}-{d(2)}",
            lambda: f"{d(2)}-{d(3)}-{d(2)}-{d(4)}",
            lambda: f"2024-{chance.between(1, 12):02d}-{chance.between(1, 28):02d}-{d(4)}",
            lambda: f"{d(5)}-{d(4)}",
            lambda: f"PN-{d(3)}-{d(2)}-{d(4)}-{chance.text(1, CAPITALS)}",
            lambda: f"{d(3)}-{d(2)}-{d(4)}{chance.text(2, LETTERS)}",
            lambda: f"{d(1)}{d(3)}-{d(2)}-{d(5)}",
            lambda: f"{d(4)}-{d(2)}-{d(4)}",
        )
    )
    return chance.pick(("part", "sku", "ref", "serial", "lot", "part_number", "model")), value


def _blob(chance: Chance) -> Decoy:
    return chance.pick(
        (
            ("sha256", chance.hex(64)),
            ("checksum", f"sha256={chance.hex(64)}"),
            ("digest", f"sha256:{chance.hex(64)}"),
            ("payload", chance.text(chance.between(40, 200), ALNUM + "+/") + "=="),
            ("data", "data:image/png;base64," + chance.text(120, ALNUM + "+/")),
            ("integrity", "sha512-" + chance.text(86, ALNUM + "+/") + "=="),
        )
    )


def _fraction(chance: Chance) -> Decoy:
    """A card behind a decimal point."""
    number = cards.number(chance)
    value = chance.pick(
        (
            f"0.{number}",
            f"{chance.below(90)}.{number}",
            f"-{chance.below(180)}.{chance.digits(14)}",
            f"{chance.below(9)}.{chance.digits(15)}e-{chance.below(20):02d}",
            f"1.{chance.digits(18)}",
        )
    )
    return chance.pick(("score", "ratio", "lat", "lon", "probability", "value", "p99")), value


def _list(chance: Chance) -> Decoy:
    """Numbers side by side."""
    between = chance.pick((", ", ",", "  ", "|"))
    count = chance.between(3, 12)
    values = between.join(str(chance.below(10 ** chance.between(3, 9))) for _ in range(count))
    return chance.pick(("ids", "rows", "offsets", "buckets", "histogram")), f"[{values}]"


def _in_fours(chance: Chance) -> str:
    """None whose groups read as a card, which nobody could tell from one."""
    text = ibans.wrong(chance)
    digits = "".join(letter if letter.isdigit() else " " for letter in text[2:])
    runs = [run for run in digits.split() if len(run) >= 13]
    return _in_fours(chance) if any(map(_holds_card, runs)) else ibans.fours(text, " ")


def _holds_card(digits: str) -> bool:
    """True when some 13 to 19 digits of it pass Luhn."""
    return any(
        cards.luhn_digit(digits[start : start + size - 1]) == digits[start + size - 1]
        for size in range(13, 20)
        for start in range(len(digits) - size + 1)
    )


def _iban_like(chance: Chance) -> Decoy:
    value = chance.made(
        (
            lambda: ibans.wrong(chance),
            lambda: _in_fours(chance),
            lambda: f"{chance.text(2, CAPITALS)}{chance.digits(2)}{chance.text(8, CAPITALS)}",
            lambda: f"SKU-{ibans.wrong(chance)[:18]}",
        )
    )
    return chance.pick(("product_code", "sku", "license_plate", "model", "reference")), value


def _at_sign(chance: Chance) -> Decoy:
    """An at sign, and no mail address."""
    host, n = chance.pick(HOSTS), chance.below
    value = chance.pick(
        (
            f"deploy@{host}",
            "root@localhost",
            f"git@github.com:example/shop-{n(99)}.git",
            f"app@1.{n(30)}.{n(9)}",
            f"lodash@4.17.{n(30)}",
            f"@types/node@20.{n(19)}.{n(9)}",
            f"react-dom@18.{n(9)}.0(react@18.{n(9)}.0)",
            f"getty@tty{n(9)}.service",
            f"user@{n(70000)}.service",
            f"jdbc:oracle:thin:@//{host}:1521/shop",
            f"img/logo@{n(3) + 2}x.png",
            f"icon-{n(99)}@2x.webp",
            "@app.route('/orders')",
            "@Override",
            f"actions/checkout@v{n(9)}",
            f"registry.example.com/shop/{chance.pick(SERVICES)}@sha256:{chance.hex(64)}",
            f"rev@{chance.hex(8)}",
            f"HEAD@{{{n(9)}}}",
            f"com.example.Order@{chance.hex(7)}",
            f"java.lang.Object@{chance.digits(7)}",
            f"{host}@{textlines.address(chance)}:{n(65536)}",
        )
    )
    return chance.pick(("unit", "dep", "remote", "target", "ref", "src", "package")), value


def _phone_like(chance: Chance) -> Decoy:
    """Plus signs, brackets and groups, and no telephone."""
    n = chance.below
    return chance.pick(
        (
            ("extensions", f"x{n(9000)}, x{n(9000)}, x{n(9000)}"),
            ("offset", f"+{n(12):02d}00"),
            ("zone", f"+0{n(9)}:30"),
            ("delta", f"+{n(10**5)} -{n(10**5)}"),
            ("hunk", f"@@ -{n(900)},{n(90)} +{n(900)},{n(90)} @@"),
            ("range", f"{n(50000)}-{n(90000) + 50000}"),
            ("ticket", f"OPS-{n(10**5)}"),
            ("status", f"({chance.pick((404, 500, 502))}) not found"),
            ("growth", f"+{n(99)}.{chance.digits(12)}"),
            ("cron", f"*/{n(59) + 1} 0-{n(23)} * * 1-5"),
            ("cells", f"A{n(99)}+B{n(99)}+{n(10**6)}"),
            ("score", f"{n(9)}-{n(9)}"),
        )
    )


def _dotted(chance: Chance) -> Decoy:
    name = chance.text(chance.between(4, 9), LETTERS)
    value = chance.pick(
        (
            f"com.example.{name}.Service$$EnhancerBySpring$${chance.hex(8)}",
            f"{chance.text(20, ALNUM)}.{chance.text(30, ALNUM)}.{chance.text(20, ALNUM)}",
            f"static/js/main.{chance.hex(8)}.chunk.js",
            f"{name}.{name}.svc.cluster.local",
            f"eyJ{name}.json",
        )
    )
    return chance.pick(("class", "bean", "file", "asset", "logger")), value


def _pseudonym(chance: Chance) -> Decoy:
    """What a guard made of a value before."""
    letters = LETTERS + DIGITS
    kind = chance.pick(("pan", "ssn", "email", "iban", "phone", "dob", "itin"))
    value = chance.pick(
        (
            f"#{kind}:{chance.text(16, letters)}",
            f"#{kind}:{chance.text(16, letters)}",
            f"[redacted:{chance.pick(('cvv', 'secret', 'jwt', 'api_key', 'track'))}]",
        )
    )
    return chance.pick(("ref", "who", "value", "subject", "item")), value


DECOYS: dict[str, Make] = {
    "times": _times, "luhn order": _luhn_order, "any order": _any_order, "snowflake": _snowflake,
    "parcel": _parcel, "imei": _imei, "iccid": _iccid, "product": _product,
    "digit hex": _digit_hex, "uuid": _uuid, "hardware": _hardware, "version": _version,
    "nine digits": _nine, "dashed": _dashed, "blob": _blob, "fraction": _fraction, "list": _list,
    "iban-like": _iban_like, "at sign": _at_sign, "dotted": _dotted, "phone-like": _phone_like,
    "systems": ids.of_systems, "thousands": ids.in_thousands, "companies": ids.of_companies,
    "pseudonym": _pseudonym,
}  # fmt: skip
