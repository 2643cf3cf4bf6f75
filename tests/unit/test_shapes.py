"""What may become of a table's columns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.errors import SchemaConflict
from penstock.model.shapes import contributed, evolved, redeclared, visible
from penstock.model.tables import Mode, TableSpec

THERE = (("id", "BIGINT"), ("size", "INTEGER"))
SPEC = TableSpec("products", Mode.MERGE, ("id",), shared=True, natural=("name",))


def test_new_columns_come_last():
    assert evolved("t", THERE, (("colour", "VARCHAR"), ("id", "BIGINT"))) == (*THERE, ("colour", "VARCHAR"))


def test_a_wider_type_widens_in_place():
    assert evolved("t", THERE, (("size", "BIGINT"),)) == (("id", "BIGINT"), ("size", "BIGINT"))


@pytest.mark.parametrize("kind", ["SMALLINT", "VARCHAR", "DECIMAL(8,2)"])
def test_what_does_not_widen_is_refused_with_both_types(kind):
    with pytest.raises(SchemaConflict) as refused:
        evolved("t", THERE, (("size", kind),))
    assert all(word in str(refused.value.facts()) for word in ("table t", "'size'", "INTEGER", kind))


def test_contributions_have_two_columns_more():
    assert contributed(THERE) == (*THERE, ("_row", "BIGINT"), ("_sequence", "BIGINT"))
    assert visible(contributed(THERE)) == THERE


@pytest.mark.parametrize(
    "change", [{"key": ("name",)}, {"shared": False}, {"natural": ()}, {"order": "size"}, {"row": "id"}]
)
def test_what_rows_are_kept_by_may_not_change(change):
    with pytest.raises(SchemaConflict, match="another " + next(iter(change))):
        redeclared(SPEC, replace(SPEC, **change))


def test_the_conflict_policy_may_change():
    redeclared(SPEC, replace(SPEC, conflict="reject"))
