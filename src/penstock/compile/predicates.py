"""SQL that an author wrote into a rule, parsed: one expression over one row, the same on every run."""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from penstock.authoring.predicates import mistake
from penstock.compile.words import AGGREGATES, CLOCKS, OUTSIDE, VOLATILE
from penstock.errors import RuleError

RUN_TIME = "make_timestamp(epoch_us(getvariable('run_time')))"
"""The run's recorded time in UTC, without a zone, whether it is bound as an instant or as a time in UTC."""

_QUERIES = (exp.Query, exp.Table, exp.Values, exp.Exists)
_MANY = (exp.AggFunc, exp.Window, exp.Star, exp.Columns, exp.Unnest, exp.Explode)
_MORE_VOLATILE = frozenset((
    "current_database", "current_localtime", "current_localtimestamp", "current_schema", "current_schemas", "error",
    "in_search_path", "vector_type", "write_log",
))  # fmt: skip
_BARE = CLOCKS | {"current_catalog", "current_role", "current_user", "session_user"}


@lru_cache(maxsize=1024)
def bound(sql: str) -> str:
    """The predicate, checked, with `run_time()` bound. Raises `RuleError` for what is not one predicate over a row."""
    _words(sql)
    _tree(sql)
    return _with_run_time(sql)


@lru_cache(maxsize=1024)
def columns_of(sql: str) -> frozenset[str]:
    """The columns that a predicate reads."""
    return frozenset(column.name for column in _tree(sql).find_all(exp.Column))


def _words(sql: str) -> None:
    found = mistake(sql)
    if found:
        raise _wrong(sql, found[0], found[1])
    for word, called in _called(_tokens(sql)):
        if (called and word in VOLATILE | _MORE_VOLATILE) or word in _BARE:
            raise _wrong(sql, f"{word} differs from run to run", "for the time of the run write run_time()")
        if called and (word in OUTSIDE or word in ("unnest", "columns")):
            raise _wrong(sql, f"{word}() looks beyond the row", "use the row's own columns")
        if called and word in AGGREGATES:
            raise _wrong(sql, f"{word}() aggregates over rows", "a rule such as Mean or Sum judges a delivery")


def _tree(sql: str) -> exp.Expr:
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb", into=exp.Condition)
    except SqlglotError:
        raise _wrong(sql, "it is not one SQL expression", "such as total >= 0") from None
    if tree.find(*_QUERIES):
        raise _wrong(sql, "it holds a query", "a predicate judges one row by its own columns")
    if tree.find(*_MANY):
        raise _wrong(sql, "it speaks of more than one row or column", "a predicate judges one row")
    if any(call.name.lower() == "age" and len(call.expressions) == 1 for call in tree.find_all(exp.Anonymous)):
        raise _wrong(sql, "age() of one argument reads the clock", "age(run_time(), t)")
    if any(_casts(node) for node in tree.find_all(exp.Between, exp.In)):
        raise _wrong(sql, "a CAST stands in BETWEEN or IN, where one bad value ends the run", "write TRY_CAST")
    return tree


def _casts(node: exp.Expr) -> bool:
    return any(type(cast) is exp.Cast and cast.find(exp.Column) for cast in node.find_all(exp.Cast))


def _tokens(sql: str) -> list[Token]:
    try:
        return sqlglot.tokenize(sql, dialect="duckdb")
    except SqlglotError:
        raise _wrong(sql, "it is not one SQL expression", "such as total >= 0") from None


def _called(tokens: list[Token]) -> list[tuple[str, bool]]:
    """Unquoted words, and whether each is called."""
    quoted = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NUMBER)
    pairs = zip(tokens, [*tokens[1:], None], strict=True)
    return [
        (token.text.lower(), after is not None and after.token_type is TokenType.L_PAREN)
        for token, after in pairs
        if token.token_type not in quoted
    ]


def _with_run_time(sql: str) -> str:
    """Exchange the calls of `run_time()`, from the right, so that places stay true."""
    tokens = _tokens(sql)
    for token, opening, closing in reversed(list(zip(tokens, tokens[1:], tokens[2:], strict=False))):
        call = (opening.token_type, closing.token_type) == (TokenType.L_PAREN, TokenType.R_PAREN)
        if call and token.text.lower() == "run_time" and token.token_type is not TokenType.IDENTIFIER:
            sql = f"{sql[: token.start]}{RUN_TIME}{sql[closing.end + 1 :]}"
    return sql


def _wrong(sql: str, why: str, fix: str) -> RuleError:
    return RuleError(f"the predicate {sql!r} is not usable", why=why, fix=fix)
