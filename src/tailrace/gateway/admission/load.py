"""What a request brings to each tenant, as limits count it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import xxhash

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.core.frame import Codec, Frame
from tailrace.core.payload import expand
from tailrace.gateway.admission.quota import Quota
from tailrace.wire.survey import Survey, survey

SERVICE = "service.name"


class Load(msgspec.Struct):
    """Of one tenant. `services`: bytes and rows by service; `label_sets`: hashes of them.

    Both are empty unless the rows were looked at.
    """

    bytes: int = 0
    rows: int = 0
    services: dict[str, tuple[float, float]] = {}
    label_sets: set[int] = set()


def weigh(frames: Iterable[Frame]) -> Load:
    """By the headers alone."""
    load = Load()
    for frame in frames:
        load.bytes += frame.header.bytes
        load.rows += frame.header.rows
    return load


def look_inside(frames: Sequence[Frame], quota: Quota) -> Load:
    """With services and label sets, after the limits of each row were checked.

    Expands payloads: run it in a thread. Raises TooLarge ("line_bytes", "attributes", "labels").
    """
    load = Load(services={}, label_sets=set())
    for frame in frames:
        header = frame.header
        load.bytes += header.bytes
        load.rows += header.rows
        _check_count("labels", len(header.resource), quota.labels)
        if header.codec is Codec.OTLP:
            continue
        data = expand(frame.payload, limits.GUARDED_BYTES)
        found = survey(data, header, quota.line_bytes, quota.attributes, quota.labels)
        _check(found, quota)
        _add(load, frame, found)
    return load


def hash_of(text: str) -> int:
    """As `label_sets` hold it."""
    return xxhash.xxh3_64_intdigest(text.encode(errors="replace"))


def _add(load: Load, frame: Frame, found: Survey) -> None:
    header = frame.header
    own = header.resource.get(SERVICE, "")
    for service, rows in found.rows.items():
        before = load.services.get(service or own, (0.0, 0.0))
        share = header.bytes * rows / header.rows
        load.services[service or own] = (before[0] + share, before[1] + rows)
    frame_hash = hash_of(repr(sorted(header.resource.items())))
    load.label_sets |= {frame_hash ^ item for item in found.label_sets}


def _check(found: Survey, quota: Quota) -> None:
    if found.long_line:
        raise TooLarge(
            f"a row is longer than the {quota.line_bytes} bytes that this tenant's lines may have; "
            "shorten it",
            "line_bytes",
        )
    _check_count("attributes", found.attributes, quota.attributes)
    _check_count("labels", found.labels, quota.labels)


def _check_count(name: str, count: int, limit: int) -> None:
    if limit and count > limit:
        raise TooLarge(
            f"a row has {count} {name}, more than the {limit} that this tenant may send; "
            "put data into values, not into keys",
            name,
        )
