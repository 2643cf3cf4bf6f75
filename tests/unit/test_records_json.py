"""JSON Lines and JSON arrays as chunks of the same form as delimited files."""

from __future__ import annotations

import csv
import gzip
import io

import pytest

from penstock.adapters.files.chunk import Chunk, Rejected
from penstock.adapters.files.dialect import Dialect, Layout, Limits
from penstock.adapters.files.jsonarray import open_json
from penstock.adapters.files.jsonlines import open_json_lines
from penstock.adapters.files.locate import locate
from penstock.errors import ContractBroken, RefusedFile

LAYOUT = Layout(("id", "name"))


def lines(text: str | bytes, layout: Layout = LAYOUT, **options) -> list[Chunk]:
    data = text.encode() if isinstance(text, str) else text
    return list(open_json_lines(io.BytesIO(data), layout, **options))


def array(text: str | bytes, layout: Layout = LAYOUT, **options) -> list[Chunk]:
    data = text.encode() if isinstance(text, str) else text
    return list(open_json(io.BytesIO(data), layout, **options))


def rows(chunks: list[Chunk]) -> list[list[str]]:
    return [row for chunk in chunks for row in csv.reader(io.StringIO(chunk.data.decode(), newline=""))]


def faults(chunks: list[Chunk]) -> list[tuple[int, str]]:
    return [(bad.line, bad.reason) for chunk in chunks for bad in chunk.rejected]


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("1", "1"),
        ("1.10", "1.10"),
        ("12345678901234567890.123456789012345678901234567890", "12345678901234567890.123456789012345678901234567890"),
        ("1E+400", "1E+400"),
        ('"Zo\\u00eb, \\"x\\"\\n"', 'Zoë, "x"\n'),
        ("true", "true"),
        ("false", "false"),
        ("null", ""),
        ('""', ""),
        ('{"b": 1.50, "a": [true, null, "é\\""]}', '{"b":1.50,"a":[true,null,"é\\""]}'),
        ("[]", "[]"),
    ],
)
def test_values_become_the_text_of_a_field(value, field):
    text = f'{{"id": {value}, "name": "x"}}'
    assert rows(lines(text)) == rows(array(f"[{text}]")) == [["1", field, "x"]]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ('"b"', '"b"'),
        ('"-1"', '"-1"'),
        ('""', '""'),
        ("-1.50", "-1.50"),
        ("null", ""),
        ('["é"]', '["é"]'),
        ("true", "true"),
    ],
)
def test_a_column_of_json_keeps_texts_as_json(value, field):
    layout = Layout(("id", "name"), documents=frozenset(["id"]))
    text = f'{{"id": {value}, "name": "x"}}'
    assert rows(lines(text, layout)) == rows(array(f"[{text}]", layout)) == [["1", field, "x"]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "not_object"),
        ("7", "not_object"),
        ('{"id": NaN}', "not_json"),
        ('{"id": 1, "id": 2}', "duplicate_key"),
        ('{"id": {"a": 1, "a": 2}}', "duplicate_key"),
        ('{"id": "\\u0000"}', "null_byte"),
        ('{"id": "\\ud800"}', "encoding"),
        ('{"id": "' + "x" * 99 + '"}', "too_long"),
    ],
)
def test_an_object_that_cannot_be_a_row_is_rejected_alone(text, reason):
    layout = Layout(LAYOUT.columns, limits=Limits(record_bytes=90))
    good = '{"id": 1, "name": "x"}'
    assert faults(lines(f"{good}\n{text}\n{good}", layout)) == [(2, reason)]
    assert faults(array(f"[{good}, {text}, {good}]", layout)) == [(2, reason)]


def test_a_broken_byte_rejects_its_object():
    good, bad = b'{"id": 1}', b'{"id": "\xff"}'
    assert faults(lines(good + b"\n" + bad)) == faults(array(b"[" + good + b"," + bad + b"]")) == [(2, "encoding")]


def test_keys_that_are_not_declared_are_left_out_and_missing_ones_are_empty():
    assert rows(lines('{"other": 1, "name": "x"}')) == [["1", "", "x"]]


def test_aliases_stand_for_declared_names():
    layout = Layout(LAYOUT.columns, aliases={"ID": "id"})
    assert rows(lines('{"ID": 1}\n{"ID": 1, "id": 2}\n{"id": 3}', layout)) == [["1", "1", ""], ["3", "3", ""]]


def test_objects_without_any_declared_key_break_the_contract():
    for read, text in ((lines, '{"Id": 1}\n' * 30), (lines, '{"Id": 1}'), (array, '[{"Id": 1}]')):
        with pytest.raises(ContractBroken, match="no declared name is a key"):
            read(text)


# --- JSON Lines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["{", '{"id": 1', '{"id": 01}', "{'id': 1}", '{"id": 1} x', "[" * 100_000, '{"id": "\t"}']
)
def test_a_line_that_is_no_json_is_rejected_alone(bad):
    chunks = lines(f'{{"id": 1}}\n{bad}\n{{"id": 3}}\n')
    assert (faults(chunks), [row[:2] for row in rows(chunks)]) == ([(2, "not_json")], [["1", "1"], ["3", "3"]])


def test_blank_lines_are_no_records():
    chunks = lines('\n{"id": 1}\r\n  \n{"id": 4}', base=100)
    assert [row[:2] for row in rows(chunks)] == [["102", "1"], ["104", "4"]]
    assert sum(chunk.records for chunk in chunks) == 2


def test_a_locator_leads_to_the_line():
    data = '{"id": "é"}\n{"ïd\n'.encode()
    (chunk,) = lines(data)
    assert chunk.rejected == (Rejected(2, 13, 18, "not_json", '{"a'),)
    assert locate(io.BytesIO(data), Dialect(), 13, 18) == '{"ïd'


def test_compressed_and_utf16_files_are_read():
    text = '{"id": 1, "name": "é"}\n'
    assert rows(lines(gzip.compress(text.encode()))) == [["1", "1", "é"]]
    assert rows(lines(text.encode("utf-16"), Layout(LAYOUT.columns, Dialect(encoding="utf-16")))) == [["1", "1", "é"]]


def test_an_empty_file_is_refused():
    for data in (b"", b"\n \n"):
        with pytest.raises(RefusedFile, match="empty"):
            lines(data)


# --- arrays ------------------------------------------------------------------------------------------------------

OBJECTS = ", \n".join(f'{{"id": {n}, "name": "é{n}"}}' for n in range(500))


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_an_array_is_read_in_pieces(size):
    chunks = array(f"[{OBJECTS}]", chunk_bytes=size)
    assert rows(chunks) == [[str(n + 1), str(n), f"é{n}"] for n in range(500)]
    assert sum(chunk.records for chunk in chunks) == 500


def test_numbers_of_elements_go_on_over_chunks():
    chunks = array("[" + ",".join('{"id": 1}' for _ in range(5000)) + "]", chunk_bytes=100, base=10)
    assert len(chunks) > 1
    assert [int(row[0]) for row in rows(chunks)] == list(range(11, 5011))


def test_a_locator_leads_to_the_element():
    data = '\ufeff [{"id": "é"}, [1, "ü"]]'.encode()
    ((bad,),) = [chunk.rejected for chunk in array(data)]
    assert (bad.line, bad.reason) == (2, "not_object")
    assert locate(io.BytesIO(data), Dialect(), bad.start, bad.end) == '[1, "ü"]'


def test_a_number_is_read_to_its_end_however_it_is_cut():
    ((bad,),) = [chunk.rejected for chunk in array('[12345, {"id": 1}]', chunk_bytes=1) if chunk.rejected]
    assert (bad.reason, bad.start, bad.end) == ("not_object", 1, 6)


def test_an_array_without_elements_has_no_records():
    assert array(" [ ] \n") == []


@pytest.mark.parametrize(
    "text",
    [
        '{"id": 1}',
        '[{"id": 1}',
        '[{"id": 1},]',
        '[{"id": 1} {"id": 2}]',
        "[1] [2]",
        "[tru]",
        "x",
        "[12",
        "[{]",
        "[" * 10_000,
    ],
)
def test_what_is_no_array_is_refused(text):
    with pytest.raises(RefusedFile, match="not a JSON array") as caught:
        array(text)
    assert "json_lines" in caught.value.fix


def test_an_element_that_does_not_end_within_bounds_refuses_the_file():
    layout = Layout(LAYOUT.columns, limits=Limits(record_bytes=1000))
    with pytest.raises(RefusedFile, match="not a JSON array"):
        array('[{"id": "' + "x" * 5000 + '"}]', layout, chunk_bytes=100)


# --- an array in a document ------------------------------------------------------------------------------------------


def within(text: str, *path: str, **options) -> list[list[str]]:
    return rows(array(text, Layout(("id", "name"), path=path), **options))


ONE = [["1", "1", "a"]]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"rows": [{"id": 1, "name": "a"}]}', ["rows"]),
        ('{"type": "All", "n": 3, "x": {"rows": []}, "rows": [{"id": 1, "name": "a"}], "end": [1, {}]}', ["rows"]),
        (
            ' { "data" : { "n" : null , "rows" : [ {"id": 1, "name": "a"} ] , "m" : "]" } , "z" : {} } ',
            ["data", "rows"],
        ),
    ],
)
def test_an_array_is_found_in_a_document(text, path):
    assert within(text, *path) == ONE
    assert within(text, *path, chunk_bytes=1) == ONE


def test_an_element_in_a_document_is_located_in_the_file():
    text = '{"n": "é", "rows": [{"id": 1, "name": "a"}, 7]}'
    (bad,) = [found for chunk in array(text, Layout(("id", "name"), path=("rows",))) for found in chunk.rejected]
    assert text.encode()[bad.start : bad.end] == b"7"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"rows": {"id": 1}}', ["rows"]),
        ('{"lines": []}', ["rows"]),
        ("{}", ["rows"]),
        ('[{"id": 1}]', ["rows"]),
        ('{"data": {"lines": []}, "rows": []}', ["data", "rows"]),
        ('{"rows": []', ["rows"]),
        ('{"rows": []} x', ["rows"]),
        ('{"rows": [], }', ["rows"]),
        ('{"rows" []}', ["rows"]),
    ],
)
def test_a_document_without_its_array_is_refused(text, path):
    with pytest.raises(RefusedFile):
        within(text, *path)
