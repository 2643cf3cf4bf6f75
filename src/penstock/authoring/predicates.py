"""SQL that an author writes into a rule: a predicate over one row, checked here by its words and brackets alone.

What cannot be seen so, the compiler sees: it parses the predicate (`penstock.compile.predicates`).
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')|(?P<name>"(?:[^"]|"")*")|(?P<word>[A-Za-z_]\w*)|(?P<number>[0-9][\w.]*)"""
    r"""|(?P<comment>--|/\*)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<never>[;?$#\\'"\0])|(?P<other>.)""",
    re.DOTALL,
)
_PARTNERS = {")": "(", "]": "[", "}": "{"}
_CLOCKS = frozenset((
    "now", "today", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "get_current_time", "get_current_timestamp", "transaction_timestamp", "current_localtime", "current_localtimestamp",
))  # fmt: skip
_CHANCE = frozenset((
    "random", "setseed", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval", "getvariable",
))  # fmt: skip
_QUERIES = frozenset(("select", "union", "intersect", "except"))

Mistake = tuple[str, str, int]
"""Why a predicate is not one, the way out, and the place."""


def mistake(sql: str) -> Mistake | None:
    """What is wrong with a predicate; None when its words and brackets are in order."""
    tokens = list(_TOKEN.finditer(sql))
    if not sql.strip():
        return "it is empty", "write an expression that is true for a good row", 0
    for token in tokens:
        found = _token_mistake(token, sql)
        if found:
            return *found, token.start()
    return _bracket_mistake(tokens)


def _token_mistake(token: re.Match[str], sql: str) -> tuple[str, str] | None:
    kind = token.lastgroup
    if kind == "comment":
        return "it holds a comment", "leave comments out; write a - (-b) for two signs"
    if kind == "never":
        return f"{token[0]!r} has no place in a predicate", "keep one expression; put texts in '…', names in \"…\""
    if kind == "name" and _called(sql, token.end()):
        return "a function's name stands in quotes", "write it without"
    return _word_mistake(token[0].lower(), sql, token.end()) if kind == "word" else None


def _word_mistake(word: str, sql: str, end: int) -> tuple[str, str] | None:
    called = _called(sql, end)
    if sql[end : end + 1] == "'" and word in ("e", "u", "b", "x", "n"):
        return "a text has a prefix", "write a plain '…'"
    if word in _QUERIES:
        return "it holds a query", "a predicate judges one row by its own columns"
    if word in _CLOCKS and (called or word.startswith(("current_", "local"))):
        return f"{word} reads the clock", "write run_time(), the recorded time of the run"
    if word in _CHANCE and called:
        return f"{word}() differs from run to run", "the same row must always be judged alike"
    return None


def _called(sql: str, end: int) -> bool:
    return sql[end:].lstrip()[:1] == "("


def _bracket_mistake(tokens: list[re.Match[str]]) -> Mistake | None:
    waiting: list[re.Match[str]] = []
    for token in tokens:
        if token.lastgroup == "open":
            waiting.append(token)
        elif token.lastgroup == "close" and (not waiting or waiting.pop()[0] != _PARTNERS[token[0]]):
            return f"{token[0]!r} closes nothing", "balance the brackets", token.start()
    return ("a bracket is not closed", "balance the brackets", waiting[-1].start()) if waiting else None
