"""Delimited files as chunks: framing, encodings, compression, refusals, in single facts."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import random
import tracemalloc

import pytest
import zstandard

from penstock.adapters.files.chunk import Chunk, Rejected, shape
from penstock.adapters.files.dialect import Dialect, Layout, Limits
from penstock.adapters.files.locate import locate
from penstock.adapters.files.records import open_records, recheck, reject_at
from penstock.adapters.files.small import read_small
from penstock.errors import ContractBroken, DefinitionError, RefusedFile, StorageUnavailable, UsageError

COLUMNS = ("day", "branch", "total")
BARE = Dialect(header=False)
GOOD = b"1,leeds,5.2\n2,york,7\n3,bath,1\n"


def read(data: bytes, dialect: Dialect = BARE, *, limits: Limits | None = None, aliases=None, **options) -> list[Chunk]:
    layout = Layout(COLUMNS, dialect, aliases or {}, limits or Limits())
    return list(open_records(io.BytesIO(data), layout, **options))


def rows(chunk: Chunk) -> list[list[str]]:
    return list(csv.reader(io.StringIO(chunk.data.decode(), newline=""), delimiter=chunk.delimiter))


def faults(data: bytes, dialect: Dialect = BARE, **options) -> list[tuple[int, str]]:
    chunks = read(data, dialect, careful=True, **options)
    return [(bad.line, bad.reason) for chunk in chunks for bad in chunk.rejected]


# --- chunks ------------------------------------------------------------------------------------------------------


def test_a_plain_chunk_is_the_files_own_bytes():
    (chunk,) = read(GOOD)
    assert chunk == Chunk(GOOD, COLUMNS, numbered=False, first_line=1, lines=3, records=3, start=0, widest=len(GOOD))


def test_a_careful_chunk_begins_each_row_with_its_line():
    (chunk,) = read(b'1,leeds,5\n\n2,"a\nb",6\n3,york,7', careful=True, base=100)
    assert chunk.data == b'101,1,leeds,5\n103,2,"a\nb",6\n105,3,york,7\n'
    assert (chunk.numbered, chunk.records, chunk.lines) == (True, 3, 5)


@pytest.mark.parametrize(
    "data",
    [
        b'1,"a\nb",3\n',
        b"1,2,3\n\n4,5,6\n",
        b"1,2,3\r\n4,5,6\n",
        b"1,2,3\r4,5,6\r",
        b"1,2\0,3\n",
        b'1,a"b,3\n',
        b'1, "b",3\n',
        b'1,"b" ,3\n',
        b'5",2,"abc\n',
        b'1,"a"b,3\n',
    ],
)
def test_whatever_could_be_read_in_two_ways_goes_the_careful_way(data):
    assert [chunk.numbered for chunk in read(GOOD + data)] == [True]


@pytest.mark.parametrize(
    "data", [b'1,"a,b",""\n', b'1,"a""b",3\n', b'"""a""","",""""\n', b"1,2\n1,2,3,4\n", b"\xff,2,3\n"]
)
def test_well_formed_quotes_odd_widths_and_broken_bytes_stay_plain(data):
    assert [chunk.numbered for chunk in read(GOOD + data)] == [False]


def test_crlf_is_declared_and_kept():
    (chunk,) = read(b"1,2,3\r\n4,5,6\r\n")
    assert (chunk.newline, chunk.records, chunk.numbered) == ("\r\n", 2, False)


def test_two_kinds_of_line_end_in_one_chunk_go_the_careful_way():
    (chunk,) = read(b"1,2,3\n4,5,6\r\n", chunk_bytes=10)
    assert chunk.data == b"1,1,2,3\n2,4,5,6\n"


def test_other_signs_are_carried_by_the_chunk():
    (chunk,) = read(b"1;'a;b';3\n", Dialect(";", "'", header=False))
    assert (chunk.delimiter, chunk.quote, chunk.numbered) == (";", "'", False)


def test_without_a_quote_sign_quotes_are_text():
    (chunk,) = read(b'1\t"a\t3"\n', Dialect("\t", quote="", header=False))
    assert (chunk.numbered, chunk.quote) == (False, "")
    assert recheck(chunk).data == b'1\t1\t"""a"\t"3"""\n'


def test_an_escape_character_is_read_and_written_as_a_doubled_quote():
    (chunk,) = read(b'1,"a\\"b\\\\",3\n', Dialect(escape="\\", header=False))
    assert chunk.data == b'1,1,"a""b\\",3\n'


def test_chunks_have_about_the_size_asked_for():
    chunks = read(GOOD * 100, chunk_bytes=500)
    assert {400 < len(chunk.data) <= 1000 for chunk in chunks} == {True}
    assert b"".join(chunk.data for chunk in chunks) == GOOD * 100
    assert [chunk.first_line for chunk in chunks[:2]] == [1, 1 + chunks[0].records]


def test_a_record_across_the_edge_of_a_chunk_is_whole():
    chunks = read(GOOD + b'4,"' + b"x\n" * 50 + b'",9\n' + GOOD, chunk_bytes=20)
    assert ["4", "4", "x\n" * 50, "9"] in [row for chunk in chunks for row in rows(chunk)]
    assert sum(chunk.records for chunk in chunks) == 7


def test_no_row_is_wider_than_the_chunk_says():
    (chunk,) = read(GOOD + b'4,"' + b'""' * 900 + b'\n",9\n', careful=True)
    assert max(len(line) for line in chunk.data.splitlines()) <= chunk.widest


def test_a_bare_carriage_return_inside_quotes_is_never_written_bare():
    (chunk,) = read(b'1,"a\rb",3\n')
    assert chunk.data == b'1,1,"a\rb",3\n'


@pytest.mark.parametrize("careful", [False, True])
def test_memory_does_not_grow_with_the_file(careful):
    def peak(copies: int) -> int:
        stored = io.BytesIO(gzip.compress((b'1,"' + b"a, b" * 30 + b'",3\n') * copies, 1))
        chunks = open_records(stored, Layout(COLUMNS, BARE), chunk_bytes=200_000, careful=careful)
        tracemalloc.start()
        assert sum(chunk.records for chunk in chunks) == copies
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(40_000) < 1.2 * peak(10_000)


# --- torn and ill-fitting records --------------------------------------------------------------------------------


def test_a_torn_line_leaves_the_next_one_alone():
    data = GOOD + b'4,"lee\n5,york,7\n'
    (chunk,) = read(data)
    assert chunk.rejected == (Rejected(4, 30, 36, "torn", '9,"a'),)
    assert rows(chunk)[-1] == ["5", "5", "york", "7"]


def test_470_lines_torn_inside_quotes_lose_no_neighbour():
    rng = random.Random(7)  # noqa: S311 - a seed for a test
    good = [f'{n},"Large Latte - 2.45, Regular Mocha - 3.1{n % 10}",{n}.5' for n in range(20_000)]
    torn = set(rng.sample(range(20_000), 470))
    lines = [
        line[: rng.randrange(line.index('"') + 1, line.rindex('"'))] if n in torn else line
        for n, line in enumerate(good)
    ]
    chunks = read("\n".join(lines).encode(), chunk_bytes=100_000)
    assert [bad.line - 1 for chunk in chunks for bad in chunk.rejected] == sorted(torn)
    assert [int(row[1]) for chunk in chunks for row in rows(chunk)] == [n for n in range(20_000) if n not in torn]


def test_a_torn_last_line_is_rejected_at_the_end_of_the_file():
    assert faults(GOOD + b'4,"lee') == [(4, "torn")]


def test_text_after_a_closing_quote_is_torn():
    assert faults(GOOD + b'4,"lee"ds,5\n' + GOOD) == [(4, "torn")]


def test_an_open_quote_that_closes_with_another_number_of_columns_is_torn():
    assert faults(GOOD + b'4,"x\n5,6"\n' + GOOD) == [(4, "torn"), (5, "too_few_columns")]


def test_a_quote_is_not_followed_for_ever():
    data = GOOD + b'4,"x\n' + b"1,2,3\n" * 30 + b'",9\n'
    assert faults(data, limits=Limits(span_lines=20)) == [(4, "torn"), (35, "torn")]
    assert faults(data, limits=Limits(span_chars=100)) == [(4, "torn"), (35, "torn")]
    assert faults(data, limits=Limits(span_lines=40)) == []


def test_quotes_inside_an_unquoted_field_are_text():
    (chunk,) = read(GOOD + b'4,5" pipe,7" pipe\n')
    assert rows(chunk)[-1] == ["4", "4", '5" pipe', '7" pipe']


def test_wrong_numbers_of_columns_are_named():
    assert faults(GOOD + b"4,5\n4,5,6,7\n") == [(4, "too_few_columns"), (5, "too_many_columns")]


def test_surplus_delimiters_say_nothing():
    (chunk,) = read(GOOD + b"4,york,5,,\n", careful=True)
    assert (rows(chunk)[-1], chunk.rejected) == (["4", "4", "york", "5"], ())


def test_records_with_nul_or_broken_bytes_are_rejected_alone():
    assert faults(GOOD + b"4,a\0b,5\n4,\xff,5\n" + GOOD) == [(4, "null_byte"), (5, "encoding")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_record_over_the_limit_is_rejected_however_it_is_cut(end):
    data, tight = GOOD + b"4," + b"x" * 100 + b",5" + end + b"5,6\n", Limits(record_bytes=50)
    for size in (1, 10, 1 << 20):
        chunks = read(data, limits=tight, chunk_bytes=size, careful=size < 1 << 20)
        long, short = [bad for chunk in chunks for bad in chunk.rejected]
        assert long == Rejected(4, 30, 134, "too_long", "9,a,9" if size > 100 else "9,a")
        assert (short.line, short.start) == (5, 134 + len(end))


def test_a_line_without_an_end_refuses_the_file():
    with pytest.raises(RefusedFile, match="line without an end"):
        read(GOOD + b"x" * 5000, limits=Limits(record_bytes=50, skip_bytes=1000), chunk_bytes=100)


# --- what the engine rejects -------------------------------------------------------------------------------------


def test_ordinals_of_a_plain_chunk_become_locators():
    (chunk,) = read(GOOD + b"4,5\n5,\xff,7\n6,7,8,9\n")
    assert reject_at(chunk, [5, 3, 4]) == (
        Rejected(4, 30, 33, "too_few_columns", "9,9"),
        Rejected(5, 34, 39, "encoding", "9,?,9"),
        Rejected(6, 40, 47, "too_many_columns", "9,9,9,9"),
    )


def test_a_record_that_is_well_formed_has_no_locator_unless_a_reason_is_given():
    (chunk,) = read(GOOD)
    assert reject_at(chunk, [1]) == ()
    assert reject_at(chunk, [1], reason="cast") == (Rejected(2, 12, 20, "cast", "9,a,9"),)


def test_locators_of_crlf_and_transcoded_files_count_the_files_bytes():
    (chunk,) = read("1,é,3\r\n4,é\r\n".encode("utf-16"), Dialect(header=False, encoding="utf-16"))
    assert reject_at(chunk, [1]) == (Rejected(2, 16, 22, "too_few_columns", "9,a"),)


def test_rechecking_a_plain_chunk_is_the_careful_way():
    (chunk,) = read(GOOD + b"4,5\n\xff,5,6\n")
    assert recheck(chunk, base=10) == read(GOOD + b"4,5\n\xff,5,6\n", careful=True, base=10)[0]


# --- encodings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252", "cp037", "shift_jis"]
)
def test_files_in_any_encoding_become_utf8(encoding):
    text = "1,Leeds ß,5\n" if encoding not in ("cp037", "shift_jis") else "1,Leeds,5\n"
    (chunk,) = read((text * 3).encode(encoding), Dialect(header=False, encoding=encoding))
    assert chunk.data == text.encode() * 3


def test_a_byte_outside_the_encoding_rejects_its_record():
    data = b"1,\xe9,2\n1,\x81,2\n3,b,4\n5,6\n"
    (chunk,) = read(data, Dialect(header=False, encoding="cp1252"), careful=True)
    assert [(bad.reason, bad.start, bad.end) for bad in chunk.rejected] == [
        ("encoding", 6, 11),
        ("too_few_columns", 18, 21),
    ]


def test_half_a_character_at_the_end_rejects_the_last_record():
    assert faults("1,2,3\n4,5,6".encode("utf-16-le")[:-1], Dialect(header=False, encoding="utf-16-le")) == [
        (2, "encoding")
    ]


def test_utf16_declared_as_utf8_is_refused_with_the_setting_to_change():
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(RefusedFile, match="looks like UTF-16") as caught:
            read(GOOD.decode().encode(encoding))
        assert caught.value.fix == 'set encoding="utf-16"'


def test_utf8_declared_as_something_else_is_refused_by_its_mark():
    with pytest.raises(RefusedFile, match="looks like UTF-8"):
        read(b"\xef\xbb\xbf" + GOOD, Dialect(encoding="latin-1"))


def test_ascii_declared_as_utf16_is_refused():
    with pytest.raises(RefusedFile, match="wrong encoding"):
        read(GOOD, Dialect(header=False, encoding="utf-16"))


@pytest.mark.parametrize("encoding", ["utf-7", "idna", "iso2022_jp", "klingon", "base64"])
def test_encodings_that_lines_cannot_be_cut_in_are_refused(encoding):
    with pytest.raises(DefinitionError, match="not supported"):
        read(GOOD, Dialect(encoding=encoding))


# --- headers -----------------------------------------------------------------------------------------------------


def test_the_header_is_not_data():
    (chunk,) = read(b"day,branch,total\n" + GOOD, Dialect())
    assert (chunk.data, chunk.first_line, chunk.start) == (GOOD, 2, 17)


def test_columns_in_another_order_are_named_in_the_order_of_the_file():
    (chunk,) = read(b"total, day ,branch\n5,1,leeds\n", Dialect())
    assert (chunk.columns, chunk.data) == (("total", "day", "branch"), b"5,1,leeds\n")


def test_aliases_stand_for_declared_names():
    (chunk,) = read(b"Tag,branch,total\n1,2,3\n", Dialect(), aliases={"Tag": "day"})
    assert chunk.columns == COLUMNS


def test_a_renamed_column_is_recognised():
    with pytest.raises(ContractBroken, match="missing 'branch'; unexpected 'Branches'") as caught:
        read(b"day,Branches,total\n1,2,3\n", Dialect())
    assert "'Branches' instead of 'branch'" in caught.value.fix


def test_missing_new_and_doubled_columns_are_told_apart():
    with pytest.raises(ContractBroken, match="missing 'total'; unexpected 'city'; more than once 'day'"):
        read(b"day,day,branch,city\n1,2,3,4\n", Dialect())


def test_data_in_the_place_of_the_header_is_never_shown():
    with pytest.raises(ContractBroken, match="not the declared header") as caught:
        read(b"1,Karen Fox,5.2\n" + GOOD, Dialect())
    assert "Karen" not in str(caught.value.facts())


def test_a_header_over_two_lines_is_read():
    layout = Layout(("a\nb", "c"))
    (chunk,) = open_records(io.BytesIO(b'"a\nb",c\n1,2\n'), layout, chunk_bytes=1)
    assert (chunk.data, chunk.first_line) == (b"1,2\n", 3)


def test_a_header_alone_is_a_file_without_records():
    assert read(b"day,branch,total\n", Dialect()) == []


def test_without_a_header_mostly_wrong_columns_break_the_contract():
    with pytest.raises(ContractBroken, match="3 declared, 2 found"):
        read(b"1,leeds\n" * 30)


@pytest.mark.parametrize("header", [True, False])
def test_another_delimiter_is_recognised(header):
    with pytest.raises(ContractBroken) as caught:
        read(b"day;branch;total\n" + b"1;leeds;5\n" * 30, Dialect(header=header))
    assert caught.value.fix == "the file looks as if it had delimiter=';'"


def test_without_a_header_a_few_wrong_columns_are_rejected_rows():
    assert faults(GOOD + b"1,2\n") == [(4, "too_few_columns")]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\n\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", gzip.compress(b"")])
@pytest.mark.parametrize("header", [True, False])
def test_an_empty_file_is_refused(data, header):
    with pytest.raises(RefusedFile, match="the file is empty"):
        read(data, Dialect(header=header))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04....[Content_Types].xml", "an Excel workbook"),
        (b"PK\x03\x04....data.csv", "a zip archive"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"PAR1....", "a Parquet file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"\0" * 40, "binary"),
        (hashlib.shake_128(b"noise").digest(4096), "binary"),
    ],
)
def test_what_is_no_text_is_refused_by_its_name(data, kind):
    with pytest.raises(RefusedFile, match=kind):
        read(data)


def test_a_file_that_cannot_be_read_is_tried_again():
    class Broken(io.BytesIO):
        def read(self, _size=-1):
            raise OSError(5, "Input/output error")

    with pytest.raises(StorageUnavailable, match="cannot be read"):
        list(open_records(Broken(), Layout(COLUMNS)))


@pytest.mark.parametrize(
    "wrong", [{"delimiter": ""}, {"delimiter": ",,"}, {"quote": " "}, {"delimiter": '"'}, {"compression": "rar"}]
)
def test_a_dialect_that_cannot_be_is_refused(wrong):
    with pytest.raises(DefinitionError):
        Dialect(**wrong)


# --- compression -------------------------------------------------------------------------------------------------

PACKED = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_compressed_files_are_seen_by_their_first_bytes(pack):
    assert b"".join(chunk.data for chunk in read(pack(GOOD * 9), chunk_bytes=7)) == GOOD * 9


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_several_members_and_zeros_behind_them_are_one_file(pack):
    (chunk,) = read(pack(GOOD) + pack(b"") + pack(GOOD) + b"\0" * 600)
    assert chunk.data == GOOD * 2


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("cut", [-1, -9, 12])
def test_a_compressed_file_that_is_cut_off_is_refused(pack, cut):
    with pytest.raises(RefusedFile, match="cut off"):
        read(pack(hashlib.shake_128(b"noise").hexdigest(300).encode())[:cut])


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_damaged_compressed_file_is_refused(pack):
    with pytest.raises(RefusedFile, match="damaged"):
        read(pack(GOOD) + b"rubbish")


def test_compression_that_is_declared_and_not_there_is_refused():
    with pytest.raises(RefusedFile, match="not gzip"):
        read(GOOD, Dialect(header=False, compression="gzip"))
    with pytest.raises(RefusedFile, match="compressed with gzip"):
        read(gzip.compress(GOOD), Dialect(header=False, compression="none"))


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_a_zip_bomb_is_refused_before_it_unfolds(pack):
    bomb = pack(b"1,2,3\n" * 1_000_000)
    with pytest.raises(RefusedFile, match="zip bomb") as caught:
        read(bomb, limits=Limits(ratio_from=1 << 20))
    assert "200 times" in caught.value.why


def test_a_file_over_the_limit_is_refused():
    with pytest.raises(RefusedFile, match="too large"):
        read(GOOD * 100, limits=Limits(file_bytes=1000), chunk_bytes=100)


def test_the_digest_is_that_of_the_stored_bytes():
    stored, digest = gzip.compress(GOOD * 50), hashlib.sha256()
    read(stored, digest=digest, chunk_bytes=10)
    assert digest.digest() == hashlib.sha256(stored).digest()


# --- back to the text --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, *PACKED.values()], ids=["stored", *PACKED])
def test_a_locator_is_read_back_from_the_stored_file(tmp_path, pack):
    path = tmp_path / "till.csv"
    path.write_bytes(pack(GOOD + b'4,"York'))
    ((bad,),) = [chunk.rejected for chunk in read(path.read_bytes())]
    assert locate(path, BARE, bad.start, bad.end) == '4,"York'


def test_a_locator_behind_the_end_is_an_error():
    with pytest.raises(UsageError, match="behind the end"):
        locate(io.BytesIO(GOOD), BARE, 0, 1000)


def test_a_file_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(StorageUnavailable):
        locate(tmp_path / "gone.csv", BARE, 0, 1)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ('25/08/2021 09:00,Leeds,Zoë Müller,"Large', '99/99/9999 99:99,a,a a,"a'),
        ("card 5494173772652516", "a 9999"),
        ("a\tb\ud8ff€", "a?a?"),
        ("x," * 100, "a," * 29 + "a…"),
    ],
)
def test_a_shape_is_a_mask(text, mask):
    assert shape(text) == mask


# --- small files -------------------------------------------------------------------------------------------------


def test_a_small_file_without_a_fault_is_one_chunk_as_it_is():
    chunk = read_small(GOOD[:-1], Layout(COLUMNS, BARE), base=1 << 60)
    assert (chunk.data, chunk.numbered, chunk.first_line) == (GOOD, False, 1)
    assert (chunk.records, chunk.rejected) == (3, ())


def test_below_a_header_a_small_files_columns_stand_in_its_own_order():
    chunk = read_small("\ufeffbranch,day,total\r\né,1,3\r\n".encode(), Layout(COLUMNS, Dialect()))
    assert (chunk.data, chunk.columns) == ("é,1,3\r\n".encode(), ("branch", "day", "total"))
    assert (chunk.first_line, chunk.start, chunk.newline) == (2, 21, "\r\n")


def test_a_small_file_with_faults_is_numbered():
    chunk = read_small(GOOD + b'4,"x\n5,6,7\n', Layout(COLUMNS, BARE), base=50)
    assert chunk.data.endswith(b"53,3,bath,1\n55,5,6,7\n")
    assert [(bad.line, bad.reason) for bad in chunk.rejected] == [(4, "torn")]
    assert read_small(GOOD + b"4,5,6,7\n", Layout(COLUMNS, BARE)).rejected[0].reason == "too_many_columns"


def test_a_small_file_may_be_compressed_and_have_a_header_alone():
    layout = Layout(COLUMNS, Dialect())
    assert read_small(gzip.compress(b"day,branch,total\n1,2,3"), layout).data == b"2,1,2,3\n"
    assert read_small(b"day,branch,total", layout).records == 0


def test_a_small_file_is_refused_like_any_other():
    for data, error in ((b"", RefusedFile), (b"1;2;3\n" * 9, ContractBroken), (b"PAR1" * 9, RefusedFile)):
        with pytest.raises(error):
            read_small(data, Layout(COLUMNS, BARE))


# --- real files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("branch", "orders"), [("chesterfield", 268), ("leeds", 382)])
def test_the_cafes_own_files_are_read_whole(cafe_data, branch, orders):
    layout = Layout(("day", "branch", "name", "basket", "total", "payment", "card"), BARE)
    (path,) = cafe_data.glob(f"{branch}_*.csv")
    with path.open("rb") as stream:
        (chunk,) = open_records(stream, layout)
    assert (chunk.records, chunk.rejected, read_small(path.read_bytes(), layout).records) == (orders, (), orders)
