"""Reading delimited files: what must hold for every dialect, every cut and every damage."""

from __future__ import annotations

import csv
import io
import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.adapters.files.chunk import Chunk, Rejected, shape
from penstock.adapters.files.dialect import Dialect, Layout, Limits
from penstock.adapters.files.framing import Grammar, frame, lines_of
from penstock.adapters.files.locate import locate
from penstock.adapters.files.plain import plain
from penstock.adapters.files.records import open_records, recheck, reject_at
from penstock.adapters.files.small import read_small
from penstock.adapters.files.writing import numbered
from penstock.errors import DataError

WIDTH = 3
COLUMNS = ("one", "two", "three")
SIGNS = "ab ,;\"'|\\\t\r\néß€🍰Ω\x85\u2028\x0b0"
fields = st.text(alphabet=SIGNS, max_size=8)
rows = st.lists(st.lists(fields, min_size=WIDTH, max_size=WIDTH).filter(any), min_size=1, max_size=12)
dialects = st.builds(
    Dialect,
    delimiter=st.sampled_from(",;|\t^:é"),
    quote=st.sampled_from("\"'ß"),
    escape=st.sampled_from([None, "\\"]),
    header=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "gb18030"]),
)
cuts = st.sampled_from([1, 2, 3, 7, 64, 1000, 1 << 20])


def write(table: list[list[str]], dialect: Dialect, newline: str, quoted: bool) -> str:
    above = [list(COLUMNS)] if dialect.header else []
    return "".join(
        dialect.delimiter.join(write_field(field, dialect, quoted) for field in row) + newline for row in above + table
    )


def write_field(text: str, dialect: Dialect, quoted: bool) -> str:
    signs = {dialect.delimiter, dialect.quote, dialect.escape, "\r", "\n"}
    if not quoted and not signs & set(text):
        return text
    escape, quote = dialect.escape, dialect.quote
    inner = (
        text.replace(escape, escape * 2).replace(quote, escape + quote) if escape else text.replace(quote, quote * 2)
    )
    return quote + inner + quote


def chunks_of(data: bytes, dialect: Dialect, size: int = 1 << 20, **options) -> list[Chunk]:
    return list(open_records(io.BytesIO(data), Layout(COLUMNS, dialect), chunk_bytes=size, **options))


def rows_of(chunk: Chunk) -> list[tuple[int, list[str]]]:
    """Line numbers and fields of a chunk's rows, read as the engine would."""
    reader = csv.reader(
        io.StringIO(chunk.data.decode(), newline=""),
        delimiter=chunk.delimiter,
        quotechar=chunk.quote or None,
        strict=True,
    )
    if chunk.numbered:
        return [(int(number), row) for number, *row in reader]
    return [(chunk.first_line + at, row) for at, row in enumerate(reader)]


def all_rows(chunks: list[Chunk]) -> list[list[str]]:
    return [row for chunk in chunks for _, row in rows_of(chunk)]


@given(rows, dialects, cuts, st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.booleans())
def test_a_well_formed_file_reads_as_pythons_csv_reads_it(table, dialect, size, newline, quoted, ended):
    text = write(table, dialect, newline, quoted)
    text = text if ended else text.removesuffix(newline)
    expected = list(csv.reader(io.StringIO(text, newline=""), **dialect.options()))[dialect.header :]
    assert expected == table
    assert all_rows(chunks_of(text.encode(dialect.encoding), dialect, size)) == expected


# Anything at all, after enough good lines that the columns are not in question.
GOOD = b"k,l,m\n" * 12
TOKENS = [
    b"a",
    b"b",
    b" ",
    b",",
    b",",
    b'"',
    b'"',
    b"\n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\xc3\xa9",
    b"\\",
    b"x,y,z\n",
    b'p,"q",r\n',
]
noise = (
    st.lists(st.sampled_from([*TOKENS, b"\xff", b"\0", b"\xed\xb2\x80"]), max_size=60)
    .map(b"".join)
    .filter(lambda data: data.count(0) < 8)  # with more, the file is refused as binary
)
NOISY = Dialect(header=False)
TIGHT = Limits(record_bytes=40, span_lines=4, span_chars=30)


def settled(chunks: list[Chunk], limits: Limits) -> tuple[list[tuple[int, list[str]]], list[Rejected]]:
    """Good rows and rejected records of chunks, the plain ones read the careful way."""
    careful = [chunk if chunk.numbered else recheck(chunk, limits=limits) for chunk in chunks]
    return [row for chunk in careful for row in rows_of(chunk)], [bad for chunk in careful for bad in chunk.rejected]


def outcome(data: bytes, size: int, limits: Limits, *, careful: bool = False) -> object:
    layout = Layout(COLUMNS, NOISY, limits=limits)
    try:
        return settled(list(open_records(io.BytesIO(data), layout, chunk_bytes=size, careful=careful)), limits)
    except DataError as error:
        return error.facts()


@given(noise, cuts, st.sampled_from([Limits(), TIGHT]), st.booleans())
def test_how_a_file_is_cut_changes_nothing(data, size, limits, careful):
    data = GOOD + data
    assert outcome(data, size, limits, careful=careful) == outcome(data, 1 << 20, limits, careful=True)


@given(noise, cuts)
def test_every_line_belongs_to_exactly_one_record(data, size):
    data = GOOD + data
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    chunks = [
        chunk if chunk.numbered else recheck(chunk)
        for chunk in open_records(io.BytesIO(data), Layout(COLUMNS, NOISY), chunk_bytes=size)
    ]
    good, bad = settled(chunks, Limits())
    taken = [(number, "".join(row)) for number, row in good]
    taken += [(one.line, data[one.start : one.end].decode("latin-1")) for one in bad]
    covered = [number + more for number, text in taken for more in range(1 + len(re.findall("\r\n|\r|\n", text)))]
    assert sorted(covered) == [number for number, line in enumerate(lines, 1) if line or number in covered]
    assert sum(chunk.records for chunk in chunks) == len(good) + len(bad)


@given(noise.filter(lambda data: b"\0" not in data), st.sampled_from([None, "\\"]), st.integers(1, 40))
def test_lines_settled_at_once_are_framed_as_one_by_one(data, escape, times):
    dialect = Dialect(escape=escape, header=False)
    lines = lines_of((data * times).decode("ascii", "ignore"))
    grammar = Grammar.of(dialect, WIDTH, Limits())
    slow, fast = (frame(grammar, lines, 1, final=True, doubtful=doubtful) for doubtful in (True, False))
    written = [b"".join(numbered(run, dialect) for run in frames.runs).decode() for frames in (slow, fast)]
    assert len({str(list(csv.reader(io.StringIO(text, newline="")))) for text in written}) == 1
    assert (slow.faults, slow.taken) == (fast.faults, fast.taken)


class Engine:
    """DuckDB, as the engine adapter reads chunks."""

    def __init__(self, path) -> None:
        self.path = path
        self.con = duckdb.connect(config={"threads": 1})

    def read(self, chunk: Chunk) -> tuple[list[tuple[str | None, ...]], list[int]]:
        """Rows, and the ordinals of rejected lines."""
        self.path.write_bytes(chunk.data)
        self.con.execute("DROP TABLE IF EXISTS reject_errors; DROP TABLE IF EXISTS reject_scans")
        names = ["_line"] * chunk.numbered + list(chunk.columns)
        sql = """FROM read_csv(?, auto_detect = false, header = false, strict_mode = true, ignore_errors = true,
            store_rejects = true, rejects_limit = 0, delim = ?, quote = ?, escape = ?, columns = ?)"""
        kinds = dict.fromkeys(names, "VARCHAR")
        found = self.con.execute(sql, [str(self.path), chunk.delimiter, chunk.quote, chunk.quote, kinds]).fetchall()
        return found, [line - 1 for (line,) in self.con.execute("SELECT DISTINCT line FROM reject_errors").fetchall()]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return Engine(tmp_path_factory.mktemp("engine") / "chunk.csv")


@settings(max_examples=150)
@given(
    noise, st.sampled_from([',"', ";'", '\t"', "|", ",", ' "', 'a"']), st.sampled_from([b"\n", b"\r\n"]), st.booleans()
)
def test_the_engine_and_the_reference_agree_on_plain_chunks(engine, data, signs, newline, ended):
    dialect = Dialect(signs[0], signs[1:], header=False)
    data = (GOOD + data).translate(bytes.maketrans(b',"', signs.ljust(2, '"').encode()))
    lines = [line for line in data.splitlines() if line and plain(line, dialect)]
    (chunk,) = chunks_of(newline.join(lines) + newline * ended, dialect)
    assert not chunk.numbered
    rows_read, ordinals = engine.read(chunk)
    good, bad = settled([chunk], Limits())
    assert [[field or "" for field in row] for row in rows_read] == [row for _, row in good]
    assert list(reject_at(chunk, ordinals)) == bad
    assert len(rows_read) + len(ordinals) == chunk.records


@settings(max_examples=150)
@given(noise)
def test_the_engine_reads_numbered_chunks_without_a_reject(engine, data):
    for chunk in chunks_of(GOOD + data, NOISY, careful=True, base=7000):
        rows_read, ordinals = engine.read(chunk)
        assert [(int(number), [field or "" for field in row]) for number, *row in rows_read] == rows_of(chunk)
        assert ordinals == []


@given(noise, st.booleans())
def test_a_small_file_is_read_as_any_other(data, header):
    dialect = Dialect(header=header)
    data = b"one,two,three\n" * header + GOOD + data
    small = read_small(data, Layout(COLUMNS, dialect))
    assert settled([small], Limits()) == settled(chunks_of(data, dialect), Limits())


@given(noise, st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32-be"]))
def test_a_locator_leads_back_to_the_text(data, encoding):
    text = (GOOD + data).decode("ascii", "replace").replace("\ufffd", "é")
    dialect = Dialect(header=False, encoding=encoding)
    stored = text.encode(encoding)
    for bad in chunks_of(stored, dialect, careful=True)[0].rejected:
        found = locate(io.BytesIO(stored), dialect, bad.start, bad.end)
        assert "".join(io.StringIO(text, newline="").readlines()[bad.line - 1 :]).startswith(found)
        assert shape(found) == bad.shape


lines = st.lists(st.tuples(*[st.text("abc xyz019.é", min_size=1, max_size=6)] * WIDTH), min_size=12, max_size=30)


@given(lines, st.data())
def test_damage_to_one_line_costs_no_other(table, data):
    """Quoted fields here hold no delimiter or quote at their edge: then no reading of the damage can take them in."""
    good = [",".join(f'"{field}, more"' for field in row).encode() for row in table]
    at = data.draw(st.integers(0, len(good) - 1))
    cut, end = sorted(data.draw(st.tuples(*[st.integers(0, len(good[at]))] * 2)))
    inserted = data.draw(st.lists(st.sampled_from([b",", b'"', b"a", b"\xff", b"\0"]), max_size=4).map(b"".join))
    damaged = [*good[:at], good[at][:cut] + inserted + good[at][end:], *good[at + 1 :]]
    (chunk,) = chunks_of(b"\n".join(damaged), NOISY, careful=True)
    found = dict(rows_of(chunk))
    del table[at]
    found.pop(at + 1, None)
    assert list(found.values()) == [[f"{field}, more" for field in row] for row in table]


@given(st.text(max_size=300))
def test_a_shape_shows_no_letter_and_no_digit_of_the_data(text):
    mask = shape(text)
    assert not re.search(r"[^\W\d_a]|[^\D9]", mask)
    assert len(mask) <= 60
