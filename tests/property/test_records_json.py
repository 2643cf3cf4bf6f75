"""JSON objects as rows: what must hold for any objects and any cut."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from penstock.adapters.files.chunk import Chunk
from penstock.adapters.files.dialect import Layout
from penstock.adapters.files.jsonarray import open_json
from penstock.adapters.files.jsonlines import open_json_lines
from penstock.errors import DataError

LAYOUT = Layout(("id", "name"))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
scalars = st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none())
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
objects = st.lists(
    st.fixed_dictionaries({"id": values}, optional={"name": values, "more": values}), min_size=1, max_size=8
)
cuts = st.sampled_from([1, 3, 10, 200, 1 << 20])


def field(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def rows(chunks: list[Chunk]) -> list[list[str]]:
    return [row for chunk in chunks for row in csv.reader(io.StringIO(chunk.data.decode(), newline=""))]


@given(objects, cuts, st.booleans(), st.sampled_from([None, 2]))
def test_objects_become_rows_however_they_are_written_and_cut(found, size, plain, indent):
    expected = [[str(n), field(one["id"]), field(one.get("name"))] for n, one in enumerate(found, 1)]
    lines = "\n".join(json.dumps(one, ensure_ascii=plain) for one in found).encode()
    array = json.dumps(found, ensure_ascii=plain, indent=indent).encode()
    assert rows(list(open_json_lines(io.BytesIO(lines), LAYOUT, chunk_bytes=size))) == expected
    assert rows(list(open_json(io.BytesIO(array), LAYOUT, chunk_bytes=size))) == expected


def outcome(read, data: bytes, size: int) -> object:
    """Rows and locators, or why the file is refused."""
    try:
        chunks = list(read(io.BytesIO(data), LAYOUT, chunk_bytes=size))
    except DataError as error:
        return error.facts()
    assert sum(chunk.records for chunk in chunks) == len(rows(chunks)) + sum(len(chunk.rejected) for chunk in chunks)
    return rows(chunks), [bad for chunk in chunks for bad in chunk.rejected]


TOKENS = [
    b'{"id":1}',
    b'{"id":"\xc3\xa9"}',
    b'{"id":"\xff"}',
    b"{",
    b"}",
    b",",
    b"[",
    b"]",
    b'"',
    b"1",
    b"\n",
    b" ",
    b"nul",
    b"\r",
]
noise = st.lists(st.sampled_from(TOKENS), max_size=30).map(b"".join)


@given(noise, cuts)
def test_how_json_is_cut_changes_nothing(data, size):
    good = b'{"id": 7}\n' * 3
    assert outcome(open_json_lines, good + data, size) == outcome(open_json_lines, good + data, 1 << 20)
    array = b"[" + data.replace(b"}{", b"},{") + b"]"
    assert outcome(open_json, array, size) == outcome(open_json, array, 1 << 20)
