"""Check digits and rules of issue, against their definitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.guard import checks
from tailrace.guard.testcards import TEST_CARDS

from .samples import issued, luhn

_digits = st.text("0123456789", min_size=1, max_size=25)


@settings(deadline=None)
@given(_digits)
def test_luhn_is_the_definition(digits: str) -> None:
    assert checks.luhn(digits.encode()) == luhn(digits)


@settings(deadline=None)
@given(_digits, st.integers(0, 24), st.integers(1, 9))
def test_luhn_sees_every_wrong_digit(digits: str, place: int, by: int) -> None:
    place %= len(digits)
    wrong = digits[:place] + str((int(digits[place]) + by) % 10) + digits[place + 1 :]
    assert not (checks.luhn(digits.encode()) and checks.luhn(wrong.encode()))


@pytest.mark.parametrize("number", TEST_CARDS)
def test_test_cards_are_cards(number: str) -> None:
    assert checks.card(number.encode())


@pytest.mark.parametrize(
    ("prefix", "length"),
    [("4", 12), ("4", 14), ("4", 15), ("4", 17), ("4", 20), ("51", 15), ("51", 17), ("2220", 16),
     ("2721", 16), ("34", 16), ("37", 14),  ("3527", 16), ("3590", 16), ("1", 16),
     ("0", 16), ("70", 16), ("80", 16), ("90", 16), ("2205", 16), ("36", 13), ("62", 12)],
)  # fmt: skip
def test_prefixes_and_lengths_that_nobody_issues_are_no_cards(prefix: str, length: int) -> None:
    assert not checks.card(issued(prefix, length))


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(0, 99), st.integers(0, 9999))
def test_ssn_is_as_the_administration_assigns_it(area: int, group: int, serial: int) -> None:
    assigned = area not in (0, 666) and area < 900 and group > 0 and serial > 0
    assert checks.ssn(f"{area:03}{group:02}{serial:04}".encode()) == assigned


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(0, 99), st.integers(1, 9999))
def test_itin_is_as_the_irs_assigns_it(area: int, group: int, serial: int) -> None:
    groups = {*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)}
    assigned = area >= 900 and group in groups
    assert checks.itin(f"{area:03}{group:02}{serial:04}".encode()) == assigned


def test_no_number_is_an_ssn_and_an_itin() -> None:
    for area in range(1000):
        number = f"{area:03}701234".encode()
        assert not (checks.ssn(number) and checks.itin(number))


# Examples of the IBAN registry's own form: one a country.
IBANS = (
    "AD1200012030200359100100", "AE070331234567890123456", "AL47212110090000000235698741",
    "AT611904300234573201", "AZ21NABZ00000000137010001944", "BA391290079401028494",
    "BE68539007547034", "BG80BNBG96611020345678", "BH67BMAG00001299123456",
    "BR1800360305000010009795493C1", "CH9300762011623852957", "CR05015202001026284066",
    "CY17002001280000001200527600", "CZ6508000000192000145399", "DE89370400440532013000",
    "DK5000400440116243", "DO28BAGR00000001212453611324", "EE382200221020145685",
    "ES9121000418450200051332", "FI2112345600000785", "FO6264600001631634",
    "FR1420041010050500013M02606", "GB29NWBK60161331926819", "GE29NB0000000101904917",
    "GI75NWBK000000007099453", "GL8964710001000206", "GR1601101250000000012300695",
    "GT82TRAJ01020000001210029690", "HR1210010051863000160", "HU42117730161111101800000000",
    "IE29AIBK93115212345678", "IL620108000000099999999", "IS140159260076545510730339",
    "IT60X0542811101000000123456", "JO94CBJO0010000000000131000302",
    "KW81CBKU0000000000001234560101", "KZ86125KZT5004100100", "LB62099900000001001901229114",
    "LC55HEMM000100010012001200023015", "LI21088100002324013AA", "LT121000011101001000",
    "LU280019400644750000", "LV80BANK0000435195001", "MC5811222000010123456789030",
    "MD24AG000225100013104168", "ME25505000012345678951", "MK07250120000058984",
    "MR1300020001010000123456753", "MT84MALT011000012345MTLCAST001S",
    "MU17BOMM0101101030300200000MUR", "NL91ABNA0417164300", "NO9386011117947",
    "PK36SCBL0000001123456702", "PL61109010140000071219812874",
    "PS92PALS000000000400123456702", "PT50000201231234567890154",
    "QA58DOHB00001234567890ABCDEFG", "RO49AAAA1B31007593840000", "RS35260005601001611379",
    "SA0380000000608010167519", "SE4550000000058398257466", "SI56263300012039086",
    "SK3112000000198742637541", "SM86U0322509800000000270100", "TN5910006035183598478831",
    "TR330006100519786457841326", "UA213223130000026007233566001", "VA59001123000012345678",
    "VG96VPVG0000012345678901", "XK051212012345678906",
)  # fmt: skip


@pytest.mark.parametrize("text", IBANS)
def test_ibans_of_the_registry_are_ibans_and_changed_ones_are_not(text: str) -> None:
    assert checks.iban(text.encode())
    for place in range(4, len(text)):
        changed = "1" if text[place] != "1" else "2"
        assert not checks.iban((text[:place] + changed + text[place + 1 :]).encode())
    assert not checks.iban(text.encode() + b"0")
    assert not checks.iban(text.encode()[:-1])


@pytest.mark.parametrize("digits", ["14155550132", "4930901820", "442079460018", "35312345678"])
def test_numbers_of_a_countrys_length_are_phones(digits: str) -> None:
    assert checks.international_phone(digits.encode())


@pytest.mark.parametrize("digits", ["1", "1415555013", "141555501321", "49", "0049301234", "210"])
def test_numbers_of_no_countrys_length_are_no_phones(digits: str) -> None:
    assert not checks.international_phone(digits.encode())
