"""What many tenants share of a queue: its next write, and its room."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tailrace.core.errors import Busy
from tailrace.core.frame import Frame
from tailrace.queue.log import SegmentLog

from .building import ALL, frame, log, seqs
from .disk import FaultyFileSystem


def of(tenant: str, number: int, size: int) -> Frame:
    one = frame(number, size=size)
    return Frame(msgspec.structs.replace(one.header, tenant=tenant), one.payload)


def test_a_tenant_waits_for_one_batch_of_another_however_many_wait() -> None:
    async def main() -> None:
        # Two batches fill a segment, which is the most that is written at once.
        queue = log()
        await queue.open()
        noisy = [queue.accept([of("noisy", number, 300)]) for number in range(10)]
        await asyncio.gather(*noisy, queue.accept([of("quiet", 100, 300)]))
        order = await seqs(queue.consumer("hot", ALL))
        assert order.index(100) == 1
        assert [number for number in order if number < 100] == list(range(10))
        await queue.close(1.0)

    asyncio.run(main())


def test_a_full_disk_is_said_once_and_once_that_it_has_room(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        disk = FaultyFileSystem(free=2000)
        queue = log(disk, disk_reserve_bytes=1000)
        await queue.open()
        for free in (2000, 1000, 0, 1000, 2000, 3000):
            disk.free = free
            assert queue.ready() is (queue.pressure() < 1) is (free > 1000)
        await queue.close(1.0)

    with caplog.at_level("INFO"):
        asyncio.run(main())
    full, room = caplog.records
    assert full.getMessage() == "the disk is full: nothing is taken until more is free"
    assert full.__dict__["free_bytes"] == full.__dict__["queue.disk_reserve"] == 1000
    assert room.getMessage() == "the disk has room again"


def test_pressure_is_what_is_used_of_the_room_that_bounds_and_disk_leave() -> None:
    class Disk(FaultyFileSystem):
        free = 1 << 40

        def free_bytes(self, directory: object) -> int:
            return self.free

    async def main() -> None:
        disk = Disk()
        queue: SegmentLog = log(disk, disk_reserve_bytes=1000)
        await queue.open()
        found = [queue.pressure()]
        for number in range(1000):
            try:
                await queue.accept([frame(number, size=500)])
            except Busy:
                break
            found.append(queue.pressure())
        assert found[0] < 0.01
        assert found == sorted(found)
        assert 0.98 < found[-1] <= 1
        disk.free = 1000 + queue.size_bytes * 9
        assert queue.pressure() > 0.98  # the bound is nearer than the disk
        disk.free = 1000
        assert queue.pressure() == 1
        await queue.close(1.0)

    asyncio.run(main())
