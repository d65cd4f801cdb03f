"""Identifiers of infrastructure: long, full of digits, and nobody's."""

from __future__ import annotations

from collections.abc import Callable

from bench.corpus import textlines
from bench.corpus.chance import CAPITALS, DIGITS, LETTERS, Chance
from bench.corpus.names import HOSTS, SERVICES
from bench.corpus.recordlines import time_ns

_NBSP = "\u00a0"


def of_systems(chance: Chance) -> tuple[str, str]:
    """Of file systems, clusters, clouds and operating systems."""
    return chance.pick(_SYSTEMS)(chance)


def in_thousands(chance: Chance) -> tuple[str, str]:
    """A large number in groups of three."""
    between = chance.pick((" ", _NBSP, ",", ".", "_", "'", "\u202f"))
    number = chance.between(1, 10 ** chance.between(7, 16))
    key = chance.pick(("bytes", "total", "rows", "balance_cents", "elapsed_ns", "population"))
    return key, f"{number:,}".replace(",", between)


def of_companies(chance: Chance) -> tuple[str, str]:
    """Tax and register numbers of companies, routes of banks, papers."""
    d = chance.digits
    return chance.made(
        (
            lambda: ("vat_id", f"DE{d(9)}"),
            lambda: ("ein", f"{chance.between(10, 99)}-{d(7)}"),
            lambda: ("duns", f"{d(2)}-{d(3)}-{d(4)}"),
            lambda: ("issn", f"{d(4)}-{d(3)}X"),
            lambda: ("doi", f"10.{d(4)}/{d(6)}.{d(7)}"),
            lambda: ("lei", f"{d(4)}00{chance.text(12, CAPITALS + DIGITS)}{d(2)}"),
            lambda: ("bic", f"{chance.text(4, CAPITALS)}DE{d(2)}XXX"),
            lambda: ("flight", f"LH{d(4)}-2026{d(4)}"),
            lambda: ("zip", f"{d(5)}-{d(4)}"),
            lambda: ("ean_printed", f"4 {d(6)} {d(6)}"),
        )
    )


_Make = Callable[[Chance], tuple[str, str]]
_SYSTEMS: tuple[_Make, ...] = (
    lambda c: ("block", f"blk_{c.pick(('', '-'))}{c.between(1, 9)}{c.digits(18)}"),
    lambda c: ("attempt", f"attempt_{_ms(c)}_{c.digits(4)}_m_{c.digits(6)}_{c.below(4)}"),
    lambda c: ("application", f"application_{_ms(c)}_{c.digits(4)}"),
    lambda c: ("package", f"Package_for_KB{c.digits(7)}~{c.hex(16)}~amd64~~6.1.{c.below(9)}.0"),
    lambda c: ("node", f"R{c.digits(2)}-M{c.below(2)}-N{c.below(9)}-C:J{c.digits(2)}-U11"),
    lambda c: ("sid", f"S-1-5-21-{c.digits(10)}-{c.digits(9)}-{c.digits(10)}-{c.digits(4)}"),
    lambda c: ("arn", f"arn:aws:iam::{c.digits(12)}:role/{c.pick(SERVICES)}"),
    lambda c: ("account", f"{c.digits(12)}.dkr.ecr.eu-west-1.amazonaws.com/shop"),
    lambda c: ("trace", f"Root=1-{c.hex(8)}-{c.hex(24)}"),
    lambda c: ("trace", f"1-{c.digits(8)}-{c.digits(24)}"),
    lambda c: ("traceparent", f"00-{c.hex(32)}-{c.hex(16)}-01"),
    lambda c: ("traceparent", f"00-{c.digits(32)}-{c.digits(16)}-01"),
    lambda c: ("b3", f"{c.digits(16)}-{c.digits(16)}-1"),
    lambda c: ("oid", f"1.3.6.1.4.1.{c.digits(4)}.{c.below(99)}.{c.digits(8)}.{c.digits(5)}"),
    lambda c: ("stamp", f"2026{c.between(10, 12)}{c.between(10, 28)}{c.digits(9)}"),
    lambda c: ("stamp", f"2026{c.between(10, 12)}{c.between(10, 28)}-{c.digits(6)}-{c.digits(6)}"),
    lambda c: ("lsn", f"{c.digits(8)}:{c.digits(8)}:{c.digits(4)}"),
    lambda c: ("wal", f"0000000{c.below(9)}0000{c.digits(4)}000000{c.digits(2)}"),
    lambda c: ("gtid", f"{c.uuid()}:1-{c.digits(9)}"),
    lambda c: ("serial", ":".join(c.digits(2) for _ in range(16))),
    lambda c: ("serial", c.digits(38)),
    lambda c: ("file", f"part-{c.digits(5)}-{c.uuid()}.c000.snappy.parquet"),
    lambda c: ("file", f"IMG_2026{c.digits(4)}_{c.digits(6)}.jpg"),
    lambda c: ("zxid", f"0x{c.digits(16)}"),
    lambda c: ("worker", f"SendWorker:{c.digits(12)}"),
    lambda c: ("from", f"local@{c.pick(HOSTS)}/{c.pick(HOSTS)}"),
    lambda c: ("port", f"{textlines.address(c)}.{c.below(65536)}"),
    lambda c: ("uptime", f"{c.below(400)}-{c.below(24):02d}:{c.below(60):02d}:{c.below(60):02d}"),
    lambda c: ("job", f"{c.text(5, LETTERS)}-{c.digits(8)}-{c.text(5, LETTERS)}"),
    lambda c: ("index", f"logs-2026.{c.between(10, 12)}.{c.between(10, 28)}-{c.digits(6)}"),
    lambda c: ("job_id", f"urn:job:{c.digits(9)}:{c.digits(4)}"),
    lambda c: ("version_id", f"{c.digits(16)}~{c.digits(4)}"),
    lambda c: ("cursor", f"s={c.hex(32)};i={c.hex(5)};b={c.hex(32)};m={c.hex(9)};t={c.hex(13)}"),
)


def _ms(chance: Chance) -> int:
    return time_ns(chance) // 10**6
