"""What a series is called is there while a sample of it is, hot or archived."""

from __future__ import annotations

from tailrace.core.frame import Frame, Signal
from tailrace.wire import samples
from tailrace.wire.samples import Sample

from .building import frame
from .expiring import DAY_NS, TODAY, In, Server


def measured(name: str, age: int, seq: int) -> Frame:
    data = samples.encode([Sample(TODAY - age * DAY_NS, name, 0.5, attributes={"of": name})])
    return frame(data, seq, signal=Signal.METRICS, received_ns=TODAY)


async def series(server: Server) -> list[str]:
    while await server.engine.rows("SELECT 1 FROM system.mutations WHERE NOT is_done"):
        pass
    found = await server.engine.rows("SELECT DISTINCT MetricName FROM series ORDER BY 1")
    return [str(name) for (name,) in found]


async def filled(server: Server) -> None:
    """One series of nine days ago, one of now and one of both; the old samples are archived."""
    await server.insert(
        measured("old", 9, 1), measured("new", 0, 2), measured("both", 9, 3), measured("both", 0, 4)
    )
    for _ in range(2):
        await server.expiry.turn()
    assert len(await server.days(Signal.METRICS)) == 1


def test_a_series_goes_when_no_file_has_samples_of_it(server: In) -> None:
    async def body(server: Server) -> None:
        await filled(server)
        assert await series(server) == ["both", "new", "old"]
        # As after the archive's own expiry.
        server.expiry._series._oldest_ns = lambda _: TODAY
        await server.expiry.turn()
        assert await series(server) == ["both", "new"]
        rows = await server.engine.rows("SELECT Labels['of'] FROM series FINAL ORDER BY 1")
        assert rows == [("both",), ("new",)]
        [noted] = [one for one in server.noted.all.values() if "series" in one.subject]
        assert (noted.tenant, noted.rows) == ("default", 1)

    server(body)


def test_a_late_sample_keeps_its_series_until_it_is_archived_with_it(server: In) -> None:
    async def body(server: Server) -> None:
        await filled(server)
        server.expiry._series._oldest_ns = lambda _: TODAY
        await server.insert(measured("late", 9, 5))
        server.waiting, waiting = [], server.waiting
        assert await server.expiry._series.turn() == 0
        assert await series(server) == ["both", "late", "new", "old"]
        server.waiting = waiting
        await server.restart()
        await server.expiry.turn()
        assert await series(server) == ["both", "late", "new", "old"]
        path = server.archive.directory / server.archive.listing.files()[-1].path
        labels = await server.engine.rows(f"SELECT Labels['of'] FROM file('{path}', Parquet)")
        assert labels == [("late",)]

    server(body)


def test_with_rows_that_stay_for_ever_series_do(server: In) -> None:
    async def body(server: Server) -> None:
        await server.restart(keep_days=0)
        await server.insert(measured("old", 900, 1))
        server.expiry._series._oldest_ns = lambda _: None
        for _ in range(2):
            await server.expiry.turn()
        assert await series(server) == ["old"]

    server(body)
