"""What is known of a table before it exists: its columns, as far as the definition tells them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from penstock.authoring.pipeline import Pipeline
from penstock.authoring.tables import Entity, Normalization, identity_of
from penstock.errors import DefinitionError, nearest
from penstock.model.rows import ROW


def columns_of(pipeline: Pipeline, table: str, relations: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The columns of one of the pipeline's tables; empty where only a run can tell them (a step in Python)."""
    loading = next(item for item in pipeline.loadings if item.table == table)
    normalization = next((item for item in pipeline.normalizations if table in item.tables), None)
    if normalization is not None and normalization.relation == loading.relation:
        return _normalized(table, normalization)
    known = relations.get(loading.relation, ())
    return (*known, ROW) if known else ()


def refuse_unknown(pipeline: Pipeline, relations: Mapping[str, tuple[str, ...]]) -> None:
    """Raise `DefinitionError` for an endpoint or a chart that reads a column which its table will not have."""
    for endpoint in pipeline.endpoints:
        known = columns_of(pipeline, endpoint.table, relations)
        _check(f"endpoint {endpoint.path!r}", endpoint.needed, endpoint.table, known, at=str(endpoint.place))
    for chart in pipeline.charts:
        known = columns_of(pipeline, chart.table, relations)
        _check(f"chart {chart.title!r}", chart.needed, chart.table, known, at=str(chart.place))


def _check(who: str, wanted: Iterable[str], table: str, known: tuple[str, ...], *, at: str) -> None:
    for column in wanted if known else ():
        if column not in known:
            raise DefinitionError(
                f"{who} reads the column {column!r}, which the table {table!r} does not have",
                at=at,
                fix=nearest(column, known),
            )


def relations_of(
    pipeline: Pipeline, kept: Mapping[str, tuple[str, ...]], steps: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The known columns of the sources, `kept` by their privacy marks, and of every step that is SQL."""
    return {**kept, **{name: steps[name] for name in pipeline.steps if name in steps}}


def _normalized(table: str, normalization: Normalization) -> tuple[str, ...]:
    declared = normalization.tables[table]
    identity = (identity_of(table, declared),)
    if isinstance(declared, Entity):
        return (*identity, *declared.natural, *declared.attributes)
    parents = tuple(identity_of(name, normalization.tables[name]) for name in declared.refs)
    return (*(identity if not declared.key else (ROW,)), *parents, *declared.columns)
