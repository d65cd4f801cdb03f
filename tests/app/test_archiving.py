"""When the archive is looked after, and how long rows stay in it."""

from __future__ import annotations

import tomllib

import msgspec
import pytest

from tailrace.app.archivekeep import ArchiveSettings, retention
from tailrace.app.archiving import busy
from tailrace.core import limits, units
from tailrace.core.errors import ConfigError
from tailrace.store.retention import Retention


class Queue:
    """Holds so much."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes


def test_with_much_in_the_queue_nothing_is_packed() -> None:
    assert not busy(Queue(limits.ARCHIVE_PACKING_QUEUE_BYTES))
    assert busy(Queue(limits.ARCHIVE_PACKING_QUEUE_BYTES + 1))


def kept(text: str) -> Retention:
    raw = tomllib.loads(text)
    return retention(msgspec.convert(raw, ArchiveSettings, dec_hook=units.decode))


def test_rows_stay_a_year_or_as_long_as_is_said() -> None:
    assert kept("").age_s("any") == 365 * 86_400
    found = kept(
        'keep = "0s"\nservices.web.keep = "2d"\n'
        '[[tenants]]\nname = "acme"\nkeep = "3d"\nservices.web.keep = "4d"\n'
        '[[tenants]]\nname = "other"\nservices.x.keep = "5d"\n'
    )
    asked = [("t", None), ("t", "web"), ("acme", None), ("acme", "web"), ("other", "x")]
    assert [found.age_s(*one) / 86_400 for one in asked] == [0, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('keep = "1h"', 'archive.keep: at least "1d", or "0s" for ever'),
        ('services.web.keep = "1h"', "archive.services.web.keep: at least"),
        ('[[tenants]]\nname = "../x"', "archive.tenants[0].name: '../x' is no name of a tenant"),
        (
            '[[tenants]]\nname = "a"\nkeep = "2d"\n[[tenants]]\nname = "a"\nkeep = "3d"',
            "archive.tenants[1].keep: a is there already",
        ),
        (
            "\n".join(f'services.s{n}.keep = "2d"' for n in range(limits.ARCHIVE_KEPT_APART)),
            "archive: 1001 tenants and services with a keep of their own, at most 1000",
        ),
    ],
)
def test_a_keep_that_cannot_be_is_refused_by_its_key(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as error:
        kept(text)
    assert wrong in str(error.value)
