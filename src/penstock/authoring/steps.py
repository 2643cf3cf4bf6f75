"""Steps: a SQL statement or a Python function from relations to one relation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.authoring.place import Place
from penstock.errors import StepError

FORMS = {"DuckDBPyRelation": "duckdb", "Table": "arrow", "LazyFrame": "polars"}


@dataclass(frozen=True, slots=True)
class Query:
    """What a SQL step returns: text over the step's inputs, by their names."""

    text: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A step's input as its author sees it while the pipeline is declared: a name to write SQL over."""

    name: str

    def sql(self, query: str) -> Query:
        """A query over this step's inputs; each is a table of its own name."""
        return Query(query)

    def file(self, path: str) -> Query:
        """The same from a `.sql` file beside the pipeline file."""
        caller = inspect.currentframe()
        folder = Path(caller.f_back.f_code.co_filename).parent if caller and caller.f_back else Path()
        return Query(_read(folder / path))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StepError(f"the SQL file {path.name} cannot be read", at=str(path), why=error.strerror or "") from error


@dataclass(frozen=True, slots=True)
class Step:
    """A declared step. `query` or `function` is set, never both.

    `forms` says how a function wants each input: `duckdb`, `arrow` or `polars`.
    """

    name: str
    inputs: tuple[str, ...]
    place: Place
    query: str = ""
    function: Callable[..., Any] | None = None
    forms: tuple[str, ...] = ()
    rowwise: bool | None = None
    filters: bool = False
    per_distinct: str = ""
    boundary: bool = False
    """What it makes is a durable boundary of the run."""


def from_function(
    function: Callable[..., Any],
    place: Place,
    *,
    name: str,
    rowwise: bool | None,
    filters: bool,
    per_distinct: str,
    boundary: bool,
) -> Step:
    """Read a decorated function: parameters name the inputs, annotations choose the form."""
    parameters = inspect.signature(function).parameters
    if not parameters:
        raise StepError(f"step {name!r} has no input", at=str(place), fix=f"def {name}(source): …")
    forms = tuple(_form(parameter, name, place) for parameter in parameters.values())
    if any(forms) and not all(forms):
        raise StepError(
            f"step {name!r} annotates some inputs and not others",
            at=str(place),
            fix="annotate every parameter, or none",
        )
    shared = {"rowwise": rowwise, "filters": filters, "per_distinct": per_distinct, "boundary": boundary}
    if all(forms):
        return Step(name, tuple(parameters), place, function=function, forms=forms, **shared)  # type: ignore[arg-type]
    query = function(*(Relation(parameter) for parameter in parameters))
    if not isinstance(query, Query):
        raise StepError(
            f"step {name!r} returns {type(query).__name__}, not a query",
            at=str(place),
            why="a step without annotations is SQL",
            fix='return source.sql("SELECT …"), or annotate the parameters (pl.LazyFrame, pa.Table, DuckDBPyRelation)',
        )
    return Step(name, tuple(parameters), place, query=query.text, **shared)  # type: ignore[arg-type]


def _form(parameter: inspect.Parameter, step: str, place: Place) -> str:
    """The form that an annotation asks for, told by its last word so that no library is imported for it."""
    if parameter.annotation is inspect.Parameter.empty:
        return ""
    annotation = parameter.annotation
    word = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    form = FORMS.get(word.rsplit(".", 1)[-1])
    if form is None:
        raise StepError(
            f"step {step!r}: parameter {parameter.name!r} has the annotation {word}",
            at=str(place),
            fix="use duckdb.DuckDBPyRelation, pyarrow.Table or polars.LazyFrame, or none for SQL",
        )
    return form
