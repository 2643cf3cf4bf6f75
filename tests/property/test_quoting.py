"""No name and no text breaks out of the SQL that it stands in."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.compile.sql import quote_identifier, quote_literal
from penstock.errors import DefinitionError

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(TEXTS)
@example("'; DROP TABLE t; --")
@example("\\'")
def test_a_text_arrives_as_it_is(text):
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {quote_literal(text)}").fetchall() == [(text,)]


@given(TEXTS.filter(bool))
@example('x" AS y, "z')
def test_a_name_is_one_name(name):
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT 1 AS {quote_identifier(name)}")
        assert [column[0] for column in found.description] == [name]


@pytest.mark.parametrize("text", ["\0", "a\0b"])
def test_a_nul_is_refused_in_both(text):
    for quote in (quote_identifier, quote_literal):
        with pytest.raises(DefinitionError):
            quote(text)
