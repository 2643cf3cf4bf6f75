"""Records are changed by copy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from penstock.model.fates import Fates
from penstock.model.records import changed
from penstock.model.runs import Result
from penstock.model.slots import Content, Generation, Kind, Slot, Standing
from penstock.testing.clerk import NOW

SLOT = Slot("cafe", "landing/a.csv")


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (SLOT, {"address": "landing/b.csv"}),
        (Generation(SLOT, 1, Kind.DELIVERY, 7, NOW, Content("x", 3)), {"standing": Standing.LOADED, "run": "cafe-1"}),
        (Result(SLOT, 1, fates=Fates(3, 3), rows={"orders": 3}), {"standing": Standing.LOADED, "rows": {}}),
        (Result(SLOT, 1), {}),
    ],
)
def test_a_changed_record_is_what_replace_makes_of_it(record, changes):
    before = replace(record)
    assert changed(record, **changes) == replace(record, **changes)
    assert record == before


def test_a_field_that_is_not_there_cannot_be_changed():
    with pytest.raises(KeyError):
        changed(SLOT, adress="landing/b.csv")
