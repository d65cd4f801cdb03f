"""Filters are cut out of a file that others still read; what is no such file is left as it is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import StoreError
from tailrace.store import blooms, thrift
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.thrift import BINARY, DOUBLE, FALSE, I16, I32, I64, LIST, STRUCT, TRUE, Items

from .conftest import Use


def test_only_the_filters_of_some_columns_stay(use: Use, tmp_path: Path) -> None:
    async def body(_table: LogTable, engine: Engine) -> None:
        path = tmp_path / "some.parquet"
        await engine.rewrite(
            f"INSERT INTO FUNCTION file('{path}', Parquet) SELECT number AS n, "
            "toString(number) AS a, ['x', toString(number)] AS b, hex(number) AS c "
            "FROM numbers(3000)",
            "max_threads=1, output_format_parquet_row_group_size=1000, max_block_size=1000, "
            f"output_format_parquet_write_page_index=0, {blooms.SETTINGS}",
        )
        before, size = pq.read_table(path), path.stat().st_size
        assert lengths(path, "n")[0]
        blooms.keep(path, {"a", "b.list.element"})
        assert pq.read_table(path).equals(before)
        assert path.stat().st_size < size
        assert len(lengths(path, "a")) == 3
        assert all(lengths(path, "a"))
        assert not any(lengths(path, "n") + lengths(path, "c"))
        for value, count in (("2999", 1), ("3000", 0)):
            found = await engine.rows(f"SELECT count() FROM file('{path}') WHERE a = '{value}'")
            assert found == [(count,)]
        blooms.keep(path, set())
        assert not any(lengths(path, "a"))
        assert pq.read_table(path).equals(before)

    use(body)


def lengths(path: Path, column: str) -> list[int | None]:
    """Of the filters of a column, by row group."""
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    columns = [g.column(n) for g in groups for n in range(g.num_columns)]
    return [one.bloom_filter_length for one in columns if one.path_in_schema == column]


def test_another_file_is_refused_and_left(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path, write_page_index=True)
    whole = path.read_bytes()
    for data in (whole, whole[:-3], b"PAR1" * 10, whole[:20] + whole[-8:]):
        path.write_bytes(data)
        with pytest.raises(StoreError, match=r"other\.parquet (is no|has no)"):
            blooms.keep(path, {"a"})
        assert path.read_bytes() == data


def test_a_file_is_too_short_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "short.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises((StoreError, OSError)):
        blooms.keep(path, {"a"})


_integers = st.integers(-(2**63), 2**63 - 1)
_scalars = st.one_of(
    st.tuples(st.sampled_from([I16, I32, I64]), _integers),
    st.tuples(st.just(BINARY), st.binary(max_size=200)),
    st.tuples(st.just(DOUBLE), st.binary(min_size=8, max_size=8)),
    st.tuples(st.sampled_from([TRUE, FALSE]), st.none()),
)


def _structs(inner: st.SearchStrategy[thrift.Fields]) -> st.SearchStrategy[thrift.Fields]:
    lists = st.one_of(
        st.lists(_integers, max_size=20).map(lambda found: (LIST, Items(I64, found))),
        st.lists(inner, max_size=20).map(lambda found: (LIST, Items(STRUCT, found))),
    )
    values = st.one_of(_scalars, lists, inner.map(lambda found: (STRUCT, found)))
    fields = values.map(lambda one: thrift.Field(*one))
    return st.dictionaries(st.integers(1, 300), fields, max_size=6)


@given(st.recursive(st.just({}), _structs, max_leaves=10))
def test_what_was_read_is_written_as_it_was(fields: thrift.Fields) -> None:
    data = thrift.encode(fields)
    assert thrift.decode(data) == fields
    assert thrift.encode(thrift.decode(data)) == data


@given(st.binary(max_size=60))
def test_what_is_no_struct_is_an_error(data: bytes) -> None:
    try:
        thrift.decode(data)
    except ValueError:
        return
    assert data.endswith(b"\0")
