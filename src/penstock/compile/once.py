"""What is computed once for each distinct value of a column (`per_distinct`), and what follows from that.

Such a step is two relations: `_each_<step>`, one row for each value with everything that is computed from it, and the
step itself, which joins its input's rows to that. An entity whose natural key is computed so has its surrogate key
computed there, too. Three million rows are then grouped and referred to by one number each, which takes half the time
that two texts do, and the texts themselves are kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from penstock.authoring.pipeline import Pipeline
from penstock.authoring.steps import Step
from penstock.authoring.tables import Entity
from penstock.compile.normal import key_columns, key_in_rows, surrogate
from penstock.compile.rowwise import Shape, parsed, star
from penstock.compile.sql import quote_identifier
from penstock.errors import StepError
from penstock.model.rows import ROW, SLOT

Keys = Mapping[str, tuple[str, ...]]
"""By entity: the columns of its natural key."""


def each(step: str) -> str:
    """The relation of a step's distinct values."""
    return f"_each_{step}"


def computed(step: Step, shape: Shape) -> tuple[str, ...]:
    """The columns that are made of the distinct values. Raises `StepError` for a step that cannot be taken apart.

    Only a single select without WHERE or unnest can, whose computed expressions use no other column.
    """
    found = tuple(name for name in shape.requires if name not in shape.passthrough)
    wrong = [name for name in found if not shape.requires[name] <= {step.per_distinct}]
    plain = isinstance(parsed(step.query, str(step.place)), exp.Select)
    if not shape.rowwise or not shape.preserves or not plain or wrong:
        raise StepError(
            f"per_distinct={step.per_distinct!r} does not fit this step",
            at=str(step.place),
            why=f"{', '.join(wrong)} depends on other columns"
            if wrong
            else "it is not one plain SELECT over one input",
            fix="compute from that one column only, or leave per_distinct out",
        )
    return found


def keys_in(pipeline: Pipeline, shapes: Mapping[str, Shape], chunked: set[str]) -> dict[str, Keys]:
    """By step: the entities whose surrogate keys it computes. Nobody else may read its rows, since texts that only
    these keys are made of are not among them."""
    found: dict[str, Keys] = {}
    for normalization in pipeline.normalizations:
        name = normalization.relation
        step, shape = pipeline.steps.get(name), shapes.get(name)
        if step is None or shape is None or not step.per_distinct or name not in chunked or _read(pipeline, name):
            continue
        values = set(computed(step, shape))
        keys = {ref: key_columns(entity) for ref, entity in normalization.entities().items() if _within(entity, values)}
        if keys:
            found[name] = keys
    return found


def _within(entity: Entity, values: set[str]) -> bool:
    """Whether one distinct value tells everything about one entity."""
    return {*entity.natural, *entity.attributes} <= values and set(key_columns(entity)) >= set(entity.attributes)


def _read(pipeline: Pipeline, name: str) -> bool:
    """Whether anything but the normalisation of a step, and checks, reads its rows."""
    normal = {table for item in pipeline.normalizations if item.relation == name for table in item.tables}
    loaded = any(item.relation == name and item.table not in normal for item in pipeline.loadings)
    steps = any(name in step.inputs for step in pipeline.steps.values())
    matched = any(name in (match.relation, match.other) for match in pipeline.matches)
    bounded = any(step.boundary for step in pipeline.steps.values())
    return loaded or steps or matched or bounded


def values(step: Step, names: Iterable[str], keys: Keys) -> str:
    """Selects `_each_<step>`: a value as `_of`, what is computed from it (one column, perhaps, from another), and the
    keys of entities."""
    column, source = quote_identifier(step.per_distinct), step.inputs[0]
    tree = parsed(step.query, str(step.place))
    items = [item for item in tree.expressions if star(item) is None and item.alias_or_name in names]
    texts = "".join(f", {item.sql(dialect='duckdb')}" for item in items)
    distinct = f"SELECT {column} AS _of{texts} FROM (SELECT DISTINCT {column} FROM {source}) AS {source}"
    numbers = "".join(
        f", {surrogate(columns)} AS {quote_identifier(key_in_rows(entity))}" for entity, columns in keys.items()
    )
    return f"SELECT *{numbers} FROM ({distinct})" if numbers else distinct


def rows(step: Step, shape: Shape, wanted: Iterable[str], keys: Keys) -> str:
    """Selects the step's rows: the `wanted` columns, and the keys of entities."""
    source, value = step.inputs[0], quote_identifier(step.per_distinct)
    listed = [f"{source}.{ROW}", f"{source}.{SLOT}"]
    for name in wanted:
        origin = shape.passthrough.get(name)
        found = f"e.{quote_identifier(name)}" if origin is None else f"{source}.{quote_identifier(origin)}"
        listed.append(f"{found} AS {quote_identifier(name)}")
    listed += [f"e.{quote_identifier(key_in_rows(entity))}" for entity in keys]
    return (
        f"SELECT {', '.join(listed)} FROM {source} JOIN {quote_identifier(each(step.name))} AS e "
        f"ON {source}.{value} IS NOT DISTINCT FROM e._of"
    )
