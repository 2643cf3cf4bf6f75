"""What a SQL step is: proven from its text.

A step is *row-wise* when each output row comes from exactly one input row: one relation in FROM (perhaps through
nested selects), expressions over its columns, `unnest`, WHERE; no join, group, window, distinct, limit, set operation
or subquery. A row-wise step gets `_row` and `_slot` added to each of its selects, by insertion into the author's own
text, which is otherwise left as it is. Everything else is wide.

Two alternatives were weighed: generating the SQL again from the parsed tree (sqlglot may change its meaning in
passing), and asking the author to carry the columns (forgotten once, a row is lost).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from penstock.compile.words import AGGREGATES, CLOCKS, OUTSIDE, VOLATILE
from penstock.errors import StepError
from penstock.model.rows import ROW, SLOT


@dataclass(frozen=True, slots=True)
class Shape:
    """What the proof found. `requires` maps each output column, where known, to the input columns it is made of."""

    sql: str
    rowwise: bool
    preserves: bool = False
    """Each input row gives exactly one output row: nothing to count."""
    filters: bool = False
    requires: Mapping[str, frozenset[str]] = field(default_factory=dict)
    passthrough: Mapping[str, str] = field(default_factory=dict)
    """Output columns that are an input column, unchanged."""
    why: str = ""
    """Why it is wide."""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.requires)


_WIDE_PARTS = {
    "with_": "a WITH clause", "distinct": "DISTINCT", "group": "GROUP BY", "having": "HAVING", "qualify": "QUALIFY",
    "windows": "WINDOW", "order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET", "sample": "a sample",
    "pivots": "PIVOT",
}  # fmt: skip


class _Wide(Exception):
    """The proof ends: the step is wide, and here is why."""


def analyse(query: str, inputs: tuple[str, ...], columns: Mapping[str, tuple[str, ...]], *, where: str) -> Shape:
    """Prove a step's shape.

    `columns` gives the known columns of its inputs. Raises `StepError` for SQL that does not parse, reads something
    that is not an input, or depends on the moment it runs.
    """
    tokens = _tokens(query, where)
    tree = parsed(query, where)
    _refuse_outside(tokens, tree, inputs, where)
    try:
        selects = _proven(tokens, tree, inputs)
    except _Wide as reason:
        return Shape(query, rowwise=False, why=str(reason))
    return _shape(query, tokens, selects, columns.get(inputs[0], ()))


def _proven(tokens: list[Token], tree: exp.Query, inputs: tuple[str, ...]) -> list[exp.Select]:
    """The selects of a row-wise statement, from the outermost in. Raises `_Wide`."""
    if len(inputs) != 1:
        raise _Wide("it has more than one input")
    _refuse_aggregates(tokens)
    selects = _selects(tree, inputs[0])
    _check_order(tokens, selects)
    return selects


def _tokens(query: str, where: str) -> list[Token]:
    try:
        return sqlglot.tokenize(query, dialect="duckdb")
    except SqlglotError as error:
        raise _broken(error, where) from None


def parsed(query: str, where: str) -> exp.Query:
    """A step's one SELECT. Raises `StepError` with its place."""
    try:
        statements = [tree for tree in sqlglot.parse(query, dialect="duckdb") if tree is not None]
    except SqlglotError as error:
        raise _broken(error, where) from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise StepError("a step is one SELECT", at=where, fix="keep one statement, without a semicolon behind it")
    return statements[0]


def _broken(error: SqlglotError, where: str) -> StepError:
    first = str(error).splitlines()[0] if str(error) else "it cannot be parsed"
    return StepError("the SQL of this step is not valid", at=where, why=first)


def _refuse_outside(tokens: list[Token], tree: exp.Query, inputs: tuple[str, ...], where: str) -> None:
    for word, called in _words(tokens):
        if (called and word in VOLATILE) or word in CLOCKS:
            raise StepError(
                f"{word} is not allowed in a step",
                at=where,
                why="the same input must give the same output, on every run and every target",
                fix="write run_time(), the recorded time of the run",
            )
        if called and word in OUTSIDE:
            raise StepError(f"{word}() reads outside the step's inputs", at=where, fix="declare it as a source")
    known = {*inputs, *(cte.alias for cte in tree.find_all(exp.CTE))}
    for table in tree.find_all(exp.Table):
        if table.name and (table.name not in known or table.db):
            raise StepError(
                f"the step reads {table.name!r}, which is not one of its inputs",
                at=where,
                fix=f"its inputs are: {', '.join(inputs)}; add a parameter of that name to read another step",
            )


def _words(tokens: list[Token]) -> list[tuple[str, bool]]:
    """Unquoted words, and whether each is called."""
    following = [*tokens[1:], None]
    return [
        (token.text.lower(), after is not None and after.token_type is TokenType.L_PAREN)
        for token, after in zip(tokens, following, strict=True)
        if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NUMBER)
    ]


def _refuse_aggregates(tokens: list[Token]) -> None:
    for word, called in _words(tokens):
        if called and word in AGGREGATES:
            raise _Wide(f"it aggregates ({word})")


def _selects(tree: exp.Query, source: str) -> list[exp.Select]:
    """The chain of selects from the outermost to the one that reads the input. Raises `_Wide`."""
    chain: list[exp.Select] = []
    node: exp.Expression = tree  # type: ignore[assignment]
    while True:
        select = _plain(node)
        chain.append(select)
        origin = select.args["from_"].this
        if isinstance(origin, exp.Table):
            if origin.name != source:
                raise _Wide("it has a WITH clause")
            return chain
        node = origin.this if isinstance(origin, exp.Subquery) else origin


def _plain(node: exp.Expression) -> exp.Select:
    if not isinstance(node, exp.Select):
        raise _Wide(f"it is a {type(node).__name__.lower()}")
    for part, name in _WIDE_PARTS.items():
        if node.args.get(part):
            raise _Wide(f"it has {name}")
    if node.args.get("from_") is None:
        raise _Wide("it has no FROM")
    for join in node.args.get("joins") or ():
        if not isinstance(join.this, exp.Unnest) or join.args.get("kind") not in ("CROSS", None, ""):
            raise _Wide("it joins")
    for part in (*node.expressions, node.args.get("where")):
        if part is not None and part.find(exp.Select):
            raise _Wide("it has a subquery in an expression")
        if part is not None and part.find(exp.Window, exp.AggFunc):
            raise _Wide("it has a window or an aggregate")
    return node


def _check_order(tokens: list[Token], selects: list[exp.Select]) -> None:
    """Nested selects stand in the text from the outermost in; anything else cannot be edited by position."""
    if tokens[0].token_type is not TokenType.SELECT:
        raise _Wide("it does not begin with SELECT")
    if sum(token.token_type is TokenType.SELECT for token in tokens) != len(selects):
        raise _Wide("it has selects outside FROM")


def _shape(query: str, tokens: list[Token], selects: list[exp.Select], columns: tuple[str, ...]) -> Shape:
    positions = [token.end + 1 for token in tokens if token.token_type is TokenType.SELECT]
    known: dict[str, frozenset[str]] = {name: frozenset((name,)) for name in columns}
    same = {name: name for name in columns}
    sql = query
    for position, select in reversed(list(zip(positions, selects, strict=True))):
        known, same = _through(select, known, same)
        if not any(star(item) is not None for item in select.expressions):
            sql = f"{sql[:position]} {ROW}, {SLOT},{sql[position:]}"
    if not columns and any(star(item) is not None for select in selects for item in select.expressions):
        known, same = {}, {}  # a star over columns that are not known
    filters = any(select.args.get("where") for select in selects)
    unnests = any(select.args.get("joins") or _unnests(select) for select in selects)
    return Shape(
        sql, rowwise=True, preserves=not (filters or unnests), filters=filters, requires=known, passthrough=same
    )


def _unnests(select: exp.Select) -> bool:
    return any(item.find(exp.Unnest, exp.Explode, exp.Posexplode) for item in select.expressions)


def star(item: exp.Expression) -> exp.Star | None:
    """The star that stands as an item of a select, if it is one."""
    if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
        return item.this
    return item if isinstance(item, exp.Star) else None


def _through(
    select: exp.Select, known: dict[str, frozenset[str]], same: dict[str, str]
) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """How the columns of one select depend on the input's, given how those of its FROM do."""
    outer: dict[str, frozenset[str]] = {}
    kept: dict[str, str] = {}
    for item in select.expressions:
        all_of = star(item)
        if all_of is not None:
            left_out = {column.name for column in all_of.args.get("except_") or ()}
            outer |= {name: origin for name, origin in known.items() if name not in left_out}
            kept |= {name: origin for name, origin in same.items() if name not in left_out}
            continue
        name = item.alias_or_name
        value = item.unalias()
        if isinstance(value, exp.Column) and value.name in same and value.name not in outer:
            kept[name] = same[value.name]
        elif isinstance(value, exp.Column) and value.name in kept:
            kept[name] = kept[value.name]
        else:
            kept.pop(name, None)
        scope = outer | known
        outer[name] = frozenset().union(
            *(scope.get(column.name, _all_of(known)) for column in value.find_all(exp.Column))
        )
    return outer, kept


def _all_of(known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """A column of unknown origin may need every input column."""
    return frozenset().union(*known.values()) if known else frozenset()
