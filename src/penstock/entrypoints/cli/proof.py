"""`test`: fixtures, whole and in parts. `verify`: does everything agree? `trace`: a row back to its line."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.compile.sql import quote_identifier
from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.lookup import one_of, project_of, subject_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import UnknownName, UsageError
from penstock.model.reasons import worded

if TYPE_CHECKING:
    from penstock.model.tables import TableSpec
    from penstock.wiring.local import Project
    from penstock.wiring.proving import Trial

DIFFERENCES = 4
FIXTURES = "fixtures"
MOST_ROWS = 20
MOST_FIXES = 10


def arguments_test(parser: ArgumentParser) -> None:
    """The arguments of `test`."""
    parser.add_argument("pipeline", nargs="?", help="which pipeline (default: all)")
    parser.add_argument("files", nargs="*", metavar="FILE", help="which files (default: the project's fixtures/)")


def test(options: Namespace, out: Output) -> int:
    """Compare whole with split, and check that every row has one fate."""
    with project_of(options) as project:
        pipeline, first = subject_of(project, "test", options.pipeline)
        fixtures = _named(pipeline, [*first, *options.files]) or _found(project, pipeline)
        if not fixtures:
            raise UsageError(
                "there is nothing to test",
                why=f"{project.settings.folder / FIXTURES} holds no file that a trigger takes",
                fix="put a small file there, named as it is when it lands, or: penstock test PIPELINE FILE",
            )
        began = time.monotonic()
        trials = [trial for name, files in fixtures.items() for trial in project.prove(name, files)]
        for trial in trials:
            _show(trial, out)
    failed = sum(not trial.passed for trial in trials)
    word = out.paint("red", f"{failed} failed, ") if failed else ""
    out.say(f"\n{word}{len(trials) - failed} passed in {time.monotonic() - began:.1f} s")
    out.event("test_finished", passed=len(trials) - failed, failed=failed)
    return 1 if failed else 0


def _named(pipeline: str, names: Sequence[str]) -> dict[str, list[Path]]:
    files = [Path(name) for name in names]
    for file in files:
        if not file.is_file():
            raise UsageError(f"there is no file {str(file)!r}", at=str(file.absolute()), fix="check the path")
    return {pipeline: files} if files else {}


def _found(project: Project, pipeline: str) -> dict[str, list[Path]]:
    """The project's fixtures, by the pipelines whose triggers take files of their names."""
    from penstock.runtime.intake import placed, takers

    folder = project.settings.folder / FIXTURES
    chosen = {pipeline: project.pipelines[pipeline]} if pipeline else project.pipelines
    found: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        address = f"landing/{path.relative_to(folder).as_posix()}"
        brought = [match for item in chosen.values() if (match := placed(item, address))]
        for match in (*takers(chosen, address), *brought):
            found.setdefault(match.pipeline, []).append(path)
    return found


def _show(trial: Trial, out: Output) -> None:
    """One file: its account, and the first difference as a small table."""
    result, error, unlike = trial.result, trial.error, trial.unlike
    text = account.fates(result.fates) if result else ""
    out.say(f"{out.mark('good' if trial.passed else 'bad')} {trial.pipeline}  {Path(trial.file).name}  {text}")
    for reason, rows in result.reasons.items() if result else ():
        out.say(f"    {rows:>6,}  {worded(reason)}")
    if unlike:
        parts = ", ".join(map(str, trial.parts))
        out.say(f"    table {unlike.table} differs when the file is cut ({parts} parts):")
        out.say(f"    {unlike.missing:,} rows are missing (-), {unlike.extra:,} are new (+)")
        examples = [(sign, *row) for sign, row in unlike.examples]
        out.table(("", *unlike.columns), examples, indent="      ")
    if error and not out.json:
        out.fail(account.as_error(result.error) if result and result.error else error)
    out.event(
        "trial",
        pipeline=trial.pipeline,
        file=trial.file,
        passed=trial.passed,
        parts=trial.parts,
        rows=result.fates.as_dict() if result else None,
        staged=dict(result.rows) if result else None,
        reasons=dict(result.reasons) if result else None,
        differs=asdict(unlike) if unlike else None,
        error=error.facts() if error else None,
        seconds=round(trial.seconds, 3),
    )


def arguments_verify(parser: ArgumentParser) -> None:
    """The arguments of `verify`."""
    parser.add_argument("pipeline", nargs="?", help="only this one")


def verify(options: Namespace, out: Output) -> int:
    """Print every difference between landing zone, ledger and destinations."""
    with project_of(options) as project:
        pipeline = one_of("pipeline", options.pipeline, project.pipelines) if options.pipeline else ""
        differences = project.verify(pipeline)
        for difference in differences:
            out.say(f"{out.mark('bad')} {difference}")
            out.event("difference", **difference.as_dict())
        for name, number in project.brought_back().items():
            out.note(f"{name}@{number} is published in place of the newest version, which is what was compared")
        fixes = list(dict.fromkeys(difference.fix for difference in differences))
        for fix in fixes[:MOST_FIXES]:
            out.say(f"    fix  {fix}")
        if len(fixes) > MOST_FIXES:
            out.say(f"    … and {len(fixes) - MOST_FIXES:,} more: penstock verify --json has the fix of each")
        if not differences:
            out.say(f"{out.mark('good')} landing zone, ledger and destinations agree")
    return DIFFERENCES if differences else 0


def arguments_trace(parser: ArgumentParser) -> None:
    """The arguments of `trace`."""
    parser.add_argument("table", help="the table")
    parser.add_argument(
        "row",
        nargs="+",
        help="the row's identity (its column _row, or an order_id), or its key: a value for each column",
    )


def trace(options: Namespace, out: Output) -> int:
    """Print the delivery and the line behind a row; of a shared table's row, those that speak of it."""
    with project_of(options) as project:
        pipeline = _pipeline_of(project, options.table)
        for row in _rows_behind(project, pipeline, options.table, options.row):
            origin = project.trace(row, pipeline)
            place = f"{origin.slot}:{origin.line}" if origin.line else f"{origin.slot} as a whole"
            out.say(f"{place}  pipeline {origin.pipeline}, generation {origin.generation}")
            out.event("traced", table=options.table, row=row, **asdict(origin))
    return 0


def _pipeline_of(project: Project, table: str) -> str:
    homes = {loading.table: name for name, pipeline in project.pipelines.items() for loading in pipeline.loadings}
    return homes[one_of("table", table, homes)]


def _rows_behind(project: Project, pipeline: str, table: str, row: Sequence[str]) -> list[int]:
    """The identities of the rows that a row of this table comes from."""
    specs = {item.spec.name: item.spec for item in project.plans[pipeline].tables}
    spec = specs[table]
    if not spec.shared:
        return [_identity(spec, row)]
    return _rows_of(project, specs, spec, row) or _speakers(project, pipeline, spec, row)


def _identity(spec: TableSpec, row: Sequence[str]) -> int:
    try:
        (number,) = map(int, row)
    except ValueError:
        raise UsageError(
            f"a row of {spec.name!r} is named by its identity, a whole number",
            fix=f"take it from the column {spec.row} of {spec.name!r}",
        ) from None
    return number


def _rows_of(project: Project, specs: Mapping[str, TableSpec], spec: TableSpec, row: Sequence[str]) -> list[int]:
    """The rows of an owned table that refer to an entity by its surrogate key."""
    speaking = [(item, ref) for item in specs.values() for ref in item.references if ref.table == spec.name]
    if not speaking or len(row) != 1 or not row[0].removeprefix("-").isdecimal():
        return []
    item, ref = speaking[0]
    name, identity, column = (quote_identifier(text) for text in (item.name, item.row, ref.columns[0]))
    sql = f"SELECT DISTINCT {identity} FROM {name} WHERE {column} = {row[0]} ORDER BY 1 LIMIT {MOST_ROWS}"  # noqa: S608  quoted
    return [int(found[0]) for found in project.query(sql)[1]]


def _speakers(project: Project, pipeline: str, spec: TableSpec, row: Sequence[str]) -> list[int]:
    keys = [key for key in dict.fromkeys((spec.key, spec.natural)) if key]
    for key in keys:
        rows = project.speakers(pipeline, spec.name, key, row) if len(key) == len(row) else []
        if rows:
            return rows
    named = " or ".join(", ".join(key) for key in keys)
    if len(row) not in map(len, keys):
        fix = f"penstock trace {spec.name} {' '.join(name.upper() for name in keys[-1])}"
        raise UsageError(f"a row of {spec.name!r} is named by {named}", fix=fix)
    raise UnknownName(f"no row of {spec.name!r} has the key {', '.join(row)}", fix=f"it is named by {named}")
