"""Names and values as SQL text. Whatever an author or a file named passes through these two functions, and no other."""

from __future__ import annotations

from penstock.errors import DefinitionError


def quote_identifier(name: str) -> str:
    """A name as a quoted identifier: `the "old" id` becomes `"the ""old"" id"`."""
    if not name or "\0" in name:
        raise DefinitionError(f"{name!r} cannot name a column or a table")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as a string literal: `it's` becomes `'it''s'`. Backslashes mean themselves."""
    if "\0" in text:
        raise DefinitionError("a text in SQL cannot hold the character NUL")
    return "'" + text.replace("'", "''") + "'"
