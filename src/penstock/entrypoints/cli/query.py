"""`query`: SQL over the published tables."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.authoring.charts import KINDS
from penstock.entrypoints.cli import catalog
from penstock.entrypoints.cli.chart import draw, picture_options
from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import PenstockError, UsageError

if TYPE_CHECKING:
    from penstock.adapters.duckdb.inspect import Reading
    from penstock.wiring.local import Project

SHOWN_ROWS = 200


def arguments_query(parser: ArgumentParser) -> None:
    """The arguments of `query`."""
    parser.add_argument("sql", nargs="?", help="one SELECT; - reads it from standard input")
    parser.add_argument("--file", metavar="FILE", help="read the SQL from a file")
    parser.add_argument("--in", dest="destination", metavar="NAME", help="which destination (default: the lake)")
    parser.add_argument(
        "--decrypt",
        metavar="COLUMN",
        action="append",
        default=[],
        help="read a column of the result back that is marked ps.encrypt(); may be said again for another",
    )
    parser.add_argument("--tables", action="store_true", help="list all tables, raw and curated, in place of a query")
    parser.add_argument("--schema", metavar="TABLE", help="print a table's columns, partitions and drifts")
    parser.add_argument("--version", metavar="PIPELINE@NUMBER", help="read its tables as they were in that version")
    parser.add_argument("--explain", action="store_true", help="print what the query reads, in place of its rows")
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument(
        "--limit", type=int, default=SHOWN_ROWS, help=f"rows of the table that is shown (default {SHOWN_ROWS}, 0: all)"
    )
    parser.add_argument("--chart", metavar="KIND", help=f"draw the result to --out: {', '.join(KINDS)}")
    parser.add_argument("--title", default="", help="the chart's title")
    picture_options(parser)


def query(options: Namespace, out: Output) -> int:
    """Print what a query finds: a table, CSV, or one JSON object a row."""
    if options.tables or options.schema:
        return _catalog(options, out)
    sql = _text(options)
    with project_of(options) as project:
        version = project.version_named(options.version) if options.version else None
        if options.explain:
            _explained(project.explain(sql, version=version), out)
            return 0
        columns, rows = project.query(sql, _destination(project, options.destination), version=version)
        for name, number in project.brought_back().items():
            out.note(f"{name}@{number} is published in place of the newest version: penstock publish {name}")
        if options.decrypt:
            rows = _decrypted(columns, rows, options.decrypt, project.decryptor())
        if options.chart or options.out:
            _chart(columns, list(rows), options, out)
        elif out.json:
            for row in rows:
                out.record(dict(zip(columns, row, strict=True)))
        elif options.csv:
            _csv(columns, rows, out)
        else:
            _table(columns, rows, options.limit, out)
    return 0


def _chart(columns: Sequence[str], rows: list[tuple[Any, ...]], options: Namespace, out: Output) -> None:
    from penstock.adapters.svg import plot_of_rows

    if not options.out or not options.chart:
        raise UsageError("a chart has a kind and a file", fix="--chart bar --out FILE.svg")
    kind = one_of("kind of chart", options.chart, KINDS)
    draw(plot_of_rows(options.title or ", ".join(columns[1:]), kind, columns, rows), options, out)


def _catalog(options: Namespace, out: Output) -> int:
    if options.sql or options.file or (options.tables and options.schema):
        raise UsageError("--tables and --schema stand alone", fix="penstock query --tables")
    with project_of(options) as project, out.progress("refreshing the catalog"):
        found = project.catalog()
    if options.tables:
        catalog.tables(found, out)
    else:
        catalog.schema(options.schema, found, out)
    return 0


def _explained(read: Reading, out: Output) -> None:
    """What a query reads, of how much."""
    out.record(asdict(read))
    out.say(f"tables      {', '.join(read.tables) or 'none'}")
    out.say(f"files       {read.files_read:,} of {read.files:,} read")
    out.say(f"bytes       {read.bytes_read:,} read, of files that hold {read.bytes:,}")
    out.say(f"row groups  {read.row_groups_read:,} of {read.row_groups:,} in these files read")
    out.say(f"rows        {read.rows_read:,} read, {read.rows:,} found")


def _decrypted(
    columns: Sequence[str], rows: Iterator[tuple[Any, ...]], names: Sequence[str], opened: Callable[[object], str]
) -> Iterator[tuple[Any, ...]]:
    """The rows with the values of some columns in clear text."""
    wanted = {columns.index(one_of("column", name, columns)): name for name in names}

    def clear(place: int, value: Any) -> Any:
        try:
            return value if value is None or place not in wanted else opened(value)
        except PenstockError as error:
            error.at = f"column {wanted[place]}"
            raise

    return (tuple(clear(place, value) for place, value in enumerate(row)) for row in rows)


def _destination(project: Project, name: str | None) -> str:
    """`warehouse` is enough where only one destination has that name."""
    if not name:
        return ""
    known = {key.partition(":")[2]: key for key in project.destinations} | {key: key for key in project.destinations}
    return known[one_of("destination", name, known)]


def _text(options: Namespace) -> str:
    if bool(options.sql) == bool(options.file):
        raise UsageError("a query needs either SQL or --file", fix='penstock query "select count(*) from orders"')
    if options.sql == "-":
        return sys.stdin.read()
    if options.sql:
        return str(options.sql)
    try:
        return Path(options.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "it is not UTF-8 text"
        raise UsageError(f"the file {options.file!r} cannot be read", why=why, fix="check the path") from error


def _csv(columns: Sequence[str], rows: Iterator[Sequence[Any]], out: Output) -> None:
    import csv

    writer = csv.writer(out.stdout, lineterminator="\n")
    try:
        writer.writerow(columns)
        writer.writerows(rows)
    except UnicodeEncodeError as error:
        # Data is not to be changed on its way: nobody would see it.
        what = f"the output's encoding, {error.encoding}, lacks a character of the rows"
        raise UsageError(what, fix="PYTHONIOENCODING=utf-8 penstock query …") from None


def _table(columns: Sequence[str], rows: Iterator[Sequence[Any]], limit: int, out: Output) -> None:
    shown = list(islice(rows, limit or None))
    out.table(columns, shown, counts=False)
    more = next(rows, None) is not None
    out.say(
        out.paint(
            "dim",
            f"{len(shown):,} row{'' if len(shown) == 1 else 's'}{' shown, there are more: --limit 0' if more else ''}",
        )
    )
