"""The laws of a Detector, over all of the catalogue: it finds what it says it finds, and leaves
alone what it says it leaves alone."""

from __future__ import annotations

import pytest

from tailrace.guard.catalogue import CATALOGUE
from tailrace.guard.detectors.detector import Detector
from tailrace.guard.finder import Finder
from tailrace.guard.kinds import KINDS

from .cleaning import kinds
from .samples import AWS, CARD, GITHUB, JWT, STRIPE, grouped, issued

WHOLE = Finder(CATALOGUE)
ALONE = {one.name: Finder([one]) for one in CATALOGUE}
MATCHES = [(one, row) for one in CATALOGUE for row in one.matches]
TRAPS = [(one, row) for one in CATALOGUE for row in one.traps]


def found(finder: Finder, row: bytes) -> set[str]:
    return {hit.kind for hit in finder.find(row + b"\n")}


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.name)
def test_a_detector_has_at_least_two_examples_and_two_traps(one: Detector) -> None:
    assert len(one.matches) >= 2
    assert len(one.traps) >= 2


def test_every_kind_that_a_pattern_can_find_has_a_detector() -> None:
    assert {one.kind for one in CATALOGUE} == KINDS.keys() - {"name"}


def test_names_of_detectors_differ() -> None:
    names = [one.name for one in CATALOGUE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("one", "row"), MATCHES, ids=lambda it: getattr(it, "name", None))
def test_a_detector_finds_its_examples_alone_and_among_all(one: Detector, row: bytes) -> None:
    assert found(ALONE[one.name], row) == {one.kind}
    assert one.kind in found(WHOLE, row)


@pytest.mark.parametrize(("one", "row"), TRAPS, ids=lambda it: getattr(it, "name", None))
def test_a_detector_leaves_its_traps_alone_and_among_all(one: Detector, row: bytes) -> None:
    assert not found(ALONE[one.name], row)
    assert one.kind not in found(WHOLE, row)


# Of every range: first digits and length.
RANGES = (
    ("4", 13), ("4", 16), ("4", 18), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2500", 16),
    ("2720", 16), ("34", 15), ("37", 15), ("6011", 16), ("6011", 19), ("644", 16), ("649", 16),
    ("65", 16), ("3528", 16), ("3589", 16), ("3589", 19), ("300", 14), ("305", 14), ("3095", 14),
    ("36", 14), ("38", 14), ("39", 16), ("36", 19), ("62", 16), ("62", 17), ("62", 18), ("62", 19),
    ("50", 13), ("56", 16), ("58", 19), ("63", 13), ("67", 18), ("2200", 16), ("2204", 19),
    ("60", 16), ("508", 16), ("6521", 16),
)  # fmt: skip
NAMED = (
    b'{"card_number":"%b"}', b'{"cardNumber":%b}', b"declined card %b for", b"pan=%b x=1",
    b'{"body":"{\\"pan\\":\\"%b\\"}"}', b"card no. %b,", b"[PAN: %b]", b"credit card (%b)",
    b"card\t%b\tdeclined", b'{"body":"card:\\n%b\\n"}', b"GET /pay?card=%b&x=1 HTTP/1.1",
)  # fmt: skip


@pytest.mark.parametrize(("prefix", "length"), RANGES)
def test_cards_of_every_range_are_found_where_they_are_named(prefix: str, length: int) -> None:
    number = issued(prefix, length)
    missed = [row for row in NAMED if "pan" not in kinds(row % number)]
    missed += [
        row for row in (b"card %b.", b"pan: %b") if "pan" not in kinds(row % grouped(number))
    ]
    assert not missed


# Ranges in wide use are believed alone.
USUAL = (
    ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15),
    ("6011", 16), ("644", 16), ("65", 16), ("3528", 16), ("300", 14), ("36", 14), ("38", 14),
    ("62", 16), ("2200", 16),
)  # fmt: skip


@pytest.mark.parametrize(("prefix", "length"), USUAL)
def test_usual_cards_are_found_alone(prefix: str, length: int) -> None:
    number = issued(prefix, length)
    rows = (b"%b", b"declined %b for", b'{"m":"charge %b ok"}', b'{"m":%b}', b"(%b)", b"<%b>")
    assert not [row for row in rows if "pan" not in kinds(row % number)]


@pytest.mark.parametrize(
    "row",
    [
        b"x %b4", b"x 4%b", b"x%b", b"%bx", b"0.%b", b"%b.5", b"1-%b", b"%b-1", b"/%b/1/%b-0",
        b'{"trace_id":"%b"}', b'{"span_id":"%b"}', b"order_id=%b", b'{"orderId":%b}', b"seq %b",
        b"time=%b", b"imei=%b", b"offset: %b", b"invoice number %b", b'{"ids":[1,%b,2]}',
        b"transaction_id=%b", b"msg.id=%b", b"ptr=0x%b",
    ],
)  # fmt: skip
def test_numbers_that_say_they_are_something_else_are_no_cards(row: bytes) -> None:
    assert "pan" not in kinds(row.replace(b"%b", CARD))


@pytest.mark.parametrize(
    "number", ["4111111111111112", "4999999999999999", "1234567890123456", "411111111111111"]
)
def test_numbers_that_no_issuer_gave_are_no_cards(number: str) -> None:
    assert "pan" not in kinds(b"card %b" % number.encode())


FOUND = {
    "ssn": [
        b"ssn=123-45-6789", b"SSN: 123456789", b"ssn 123 45 6789", b"ssn=123.45.6789",
        b'{"user_ssn":"123-45-6789"}', b'{"b":"{\\"ssn\\":\\"123-45-6789\\"}"}',
        b"Social Security Number is 123-45-6789", b"social-security-no: 123456789",
        b"123-45-6789", b"got 123-45-6789, 219-09-9999", b"ss# 123456789", b"ssn 1 2 3 4 5 6 7 8 9",
        b'{"social_security_number":123456789}', b"SSN#123-45-6789", b"(123-45-6789)",
    ],
    "itin": [b"itin=912-70-1234", b"ITIN: 912701234", b"tax id 912-70-1234", b"900-88-1234"],
    "iban": [
        b"DE89370400440532013000", b"iban DE89 3704 0044 0532 0130 00",
        b"DE89-3704-0044-0532-0130-00",
        b"to=NO9386011117947", b'{"a":"MT84MALT011000012345MTLCAST001S"}', b"BE68 5390 0754 7034",
        b"iban: gb82west12345698765432", b"FR14 2004 1010 0505 0001 3M02 606.",
        b"CH9300762011623852957",
        b"iban=DE89370400440532013000&x=1", b'"\\nDE89370400440532013000\\n"',
    ],
    "email": [
        b"jane.doe@example.com", b"<jane+tag@example.co.uk>", b'"jane_doe@sub.example.org"',
        b"mailto:jane@example.com", b"o'brien@example.org", b"JANE@EXAMPLE.COM", b"j@x.io",
        "müller@example.de".encode(), "jane@bücher.example".encode(), b"jane@xn--bcher-kva.example",
        b"user=jane%40example.com&x", b'{"m":"to\\njane@example.com"}', b"1234@example.com",
        b"jane@example.photography", b"a,jane@example.com,b", b"jane@example.com.",
        b"(jane@example.com)",
        b"jane\\u0040example.com", b"first.last@mail-1.example.com", b"email=jane@example.com;x=1",
        b"_jane@example.com", b"jane-doe@example.com!",
        b"from jane@example.com to bob@example.com", b"GET /users/jane@example.com/orders HTTP/1.1",
        "jane@example.com\uff0c谢谢".encode(), "邮箱\uff1ajane@example.com。".encode(),
        "jane@example.comさん".encode(), "«jane@example.com»".encode(),
        b"/home/jane@example.com_2024/x",
    ],
    "phone": [
        b"+49 30 901820", b"+1 (415) 555-0132", b"+14155550132", b"tel:+442079460018",
        b"phone: 415-555-0132", b"(415) 555-0132", b"415-555-0132", b'{"mobile":"07700 900123"}',
        b"phone=4155550132", b'{"phoneNumber":"4155550132"}', b"msisdn=491701234567",
        b"called 030/901820", b"fax 030-901820", b"+86 138 0013 8000", b"+33 6 12 34 56 78",
        b"phone=%2B14155550132", b"WhatsApp +55 11 91234-5678",
    ],
    "jwt": [
        b"jwt=" + JWT, b"Bearer " + JWT, b'{"t":"' + JWT + b'"}', b"/cb?id_token=" + JWT + b"&x=1",
        b"cookie: session=" + JWT + b"; Path=/", JWT,
    ],
    "api_key": [
        AWS, b"key=" + AWS, b'{"k":"' + AWS + b'"}', GITHUB, b"using " + STRIPE + b".",
        b"glpat" + b"-abcdefghij0123456789", b"xoxb" + b"-1234567890-abcdefghij",
        b"AIza" + b"SyA0123456789abcdefghijklmnopqrstuv",
        b"hf_" + b"abcdefghijklmnopqrstuvwxyzABCDEFGH",
        b"npm_" + b"abcdefghijklmnopqrstuvwxyz0123456789",
        b"SG." + b"abcdefghijklmnop.qrstuvwxyz0123456789",
        b"sk-" + b"ant-abcdefghijklmnopqrst", b"hvs." + b"abcdefghijklmnopqrstuvwx",
        b"https://hooks.slack.com/services/" + b"T0123ABCD/B0123ABCD/abcdefghijklmnop",
    ],
    "private_key": [
        b"-----BEGIN " + b"PRIVATE KEY-----\x1eMIIEvQIBADAN\x1e-----END " + b"PRIVATE KEY-----",
        b'{"k":"-----BEGIN '
        + b'EC PRIVATE KEY-----\\nMHcCAQEE\\n-----END '
        + b'EC PRIVATE KEY-----"}',
        b"-----BEGIN " + b"ENCRYPTED PRIVATE KEY-----",
        b"-----BEGIN " + b"PGP PRIVATE KEY BLOCK-----",
    ],
    "dob": [
        b"dob=1980-02-03", b"DOB: 02/03/1980", b'{"dateOfBirth":"1980-02-03"}', b"born 3 Mar 1980",
        b'{"birth_date":"1980-02-03T00:00:00Z"}', b"birthday: March 3rd, 1980", b"dob 19800203",
        b'{"b":"{\\"dob\\":\\"1980-02-03\\"}"}', b"date of birth is 03.02.1980",
        b'{"dob":19800203}',
        b"d.o.b. 3/2/80",
    ],
    "cvv": [
        b"cvv=123", b'{"cvv":"1234"}', b'{"cvc":123}', b"CVV2: 999", b"security code 123",
        b'{"b":"{\\"cvv\\":\\"123\\"}"}', b"cvv is 123", b"card_code=123", b"csc:123", b"cvv 123,",
        b'{"securityCode":"123"}', b'{"card_verification_value":"123"}',
    ],
    "pin": [b"pin=1234", b'{"pin":"123456"}', b"PIN: 4321", b"card_pin=1234", b'{"userPin":1234}'],
    "track": [
        b"%B" + CARD + b"^DOE/JANE^27121010000000000000?", b";" + CARD + b"=27121010000000000?",
        b'{"track2":"' + CARD + b'=27121010000000000"}', b"t=" + CARD + b"D27121010000000000",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "row"), [(kind, row) for kind in FOUND for row in FOUND[kind]])
def test_what_real_rows_hold_is_found(kind: str, row: bytes) -> None:
    assert kind in kinds(row)


LEFT = {
    "ssn": [
        b"123456789", b"id=123456789", b"900-45-6789", b"1123-45-6789", b"123-45-67890",
        b"a123-45-6789", b"2024-12-45-6789", b"123-45-6789-1", b"00:123456789", b"ssn missing",
        b"lesson 123456789",
    ],
    "iban": [b"DE89370400440532013001", b"XX89370400440532013000", b"aDE89370400440532013000",
             b"DE89370400440532013000x", b"iban missing"],
    "email": [b"@", b"a@b", b"git@github.com:org/repo.git", b"img@2x.png", b"pkg@1.2.3", b"@media",
              b"root@host", b"user@service.service", b"jane@@example.com", b"@example.com"],
    "phone": [b"1700000000123456789", b"id 4155550132", b"+1", b"+12", b"2024-01-02", b"10:11:12",
              b"555-0132", b"v1+20240101", b"1.2.3-415-555-0132"],
    "jwt": [b"eyJhbGciOiJIUzI1NiJ9", b"a.b.c", b"eyJ.eyJ.x"],
    "api_key": [b"AKIA", b"AKIAEXAMPLE", b"sk-foo", b"ghp_abc", b"task-0123456789012345678901"],
    "private_key": [b"-----BEGIN PUBLIC KEY-----", b"-----BEGIN CERTIFICATE-----"],
    "dob": [b"dob", b"date=1980-02-03", b"started 1980-02-03", b"dob=unknown",
        b"reborn 1980-02-03"],
    "cvv": [b"cvv", b"cvv=12", b"cvv=12345", b"error code 404", b"cvv=***"],
    "pin": [b"pin", b"pin 18 high", b"pinned=1234", b"spin=1234", b"pin=12"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "row"), [(kind, row) for kind in LEFT for row in LEFT[kind]])
def test_what_only_looks_like_it_is_left(kind: str, row: bytes) -> None:
    assert kind not in kinds(row)
