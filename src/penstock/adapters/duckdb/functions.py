"""Python steps: rows go in and come out in the form that the step's annotations ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.adapters.duckdb.session import Session
from penstock.compile.plan import StepPlan
from penstock.compile.sql import quote_identifier
from penstock.errors import MissingExtra, PenstockError, StepFailed
from penstock.model.rows import ROW, SLOT


def call_step(session: Session, step: StepPlan, function: Callable[..., Any], target: str, *, hidden: bool) -> None:
    """Call a step's function over the current schema's relations and keep what it returns as the table `target`.

    `hidden` says that the relations hold no identity columns: a wide step has no rows to carry on.
    """
    arguments = [
        _given(session, f"SELECT * FROM {quote_identifier(name)}", form)
        for name, form in zip(step.inputs, step.forms, strict=True)
    ]
    try:
        result = function(*arguments)
    except PenstockError:
        raise
    except Exception as error:
        raise StepFailed(
            f"step {step.name!r} raised {type(error).__name__}",
            at=_line_of(error),
            why="the message is withheld: it may quote the data",
            fix="add --verbose for the traceback; penstock test PIPELINE FILE tries it without loading",
        ) from error
    _keep(session, step, result, target)
    if not hidden:
        _check_identity(session, step, target)


def _given(session: Session, sql: str, form: str) -> Any:
    relation = session.connection.sql(sql)
    if form == "duckdb":
        return relation
    try:
        table = relation.to_arrow_table()
        if form == "arrow":
            return table
        import polars as pl

        return pl.from_arrow(table).lazy()  # type: ignore[union-attr]
    except ImportError as error:
        extra = "polars" if form == "polars" else "arrow"
        raise MissingExtra(f"a step wants {form} tables", fix=f"pip install 'penstock[{extra}]'") from error


def _keep(session: Session, step: StepPlan, result: Any, target: str) -> None:
    """Store a relation, an Arrow table or a Polars frame as a table."""
    if hasattr(result, "collect"):
        result = result.collect()
    if hasattr(result, "to_arrow") and not hasattr(result, "to_arrow_table"):
        result = result.to_arrow()
    if hasattr(result, "to_arrow_table"):
        result.create_view("_given_back", replace=True)
        session.run(f"CREATE OR REPLACE TABLE {target} AS FROM _given_back", where=f"step {step.name}")
        session.run("DROP VIEW _given_back")
        return
    if not hasattr(result, "column_names"):
        raise StepFailed(
            f"step {step.name!r} returned {type(result).__name__}",
            fix="return a DuckDB relation, a pyarrow.Table or a polars frame",
        )
    session.connection.register("_given_back", result)
    session.run(f"CREATE OR REPLACE TABLE {target} AS FROM _given_back", where=f"step {step.name}")
    session.connection.unregister("_given_back")


def _check_identity(session: Session, step: StepPlan, target: str) -> None:
    names = {row[0] for row in session.rows(f"DESCRIBE {target}")}
    if not {ROW, SLOT} <= names:
        raise StepFailed(
            f"step {step.name!r} is declared row-wise, but gives back no {ROW} and {SLOT}",
            fix="keep these two columns, or leave rowwise=True out",
        )


def _line_of(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
