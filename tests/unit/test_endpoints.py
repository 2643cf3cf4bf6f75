"""Endpoints as they are declared: what is wrong is said at import, with its place and the way out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

import penstock as ps
from penstock.authoring.endpoints import distinct
from penstock.compile.plan import compile_pipeline
from penstock.errors import DefinitionError


def shop() -> ps.Pipeline:
    pipeline = ps.Pipeline(
        "shop",
        trigger=ps.upload("landing/{branch}.csv"),
        source=ps.csv(columns={"branch": "VARCHAR", "item": "VARCHAR", "customer": "VARCHAR"}),
        privacy={"customer": ps.drop()},
    )
    pipeline.step(lambda source: source.sql("SELECT item, upper(branch) AS place FROM source"), name="shouted")
    pipeline.normalize("source", branches=ps.entity("branch"), sales=ps.owned("item", refs=["branches"]))
    pipeline.load_all(to=ps.lake())
    pipeline.load("shouted", to=[ps.lake(), ps.postgres("warehouse")], table="loud")
    return pipeline


def checked(**options) -> ps.Pipeline:
    pipeline = shop()
    pipeline.endpoint(**{"path": "/sales", "table": "sales", "columns": ["item"], **options})
    pipeline.validate()
    compile_pipeline(pipeline)
    return pipeline


@pytest.mark.parametrize(
    "options",
    [
        {"columns": ["sale_id", "branch_id", "item"]},
        {"table": "branches", "columns": ["branch_id", "branch"]},
        {"table": "loud", "columns": ["item", "place", "_row"]},
        {"table": "loud", "columns": {"where": "place"}, "parameters": {"where": str}, "order": "-where"},
        {"table": "loud", "destination": ps.postgres("warehouse")},
        {"parameters": {"item": str | None}},
        {"rate": "5/second"},
    ],
)
def test_what_can_be_served(options):
    assert checked(**options).endpoints[0].path == "/sales"


@pytest.mark.parametrize(
    ("options", "message", "fix"),
    [
        ({"path": "sales"}, "the path 'sales' is not usable", "such as /get"),
        ({"path": "/a/../b"}, "is not usable", "such as /get"),
        ({"path": "/openapi.json"}, "is taken", "choose another"),
        ({"path": "/streams/x"}, "is taken", "choose another"),
        ({"table": "sale"}, "reads the unknown table 'sale'", "did you mean 'sales'?"),
        ({"columns": []}, "an endpoint names its columns", "columns="),
        ({"columns": "item"}, "an endpoint names its columns", "columns="),
        ({"columns": ["item", "item"]}, "'item' is named twice", "once"),
        ({"columns": ["itm"]}, "the column 'itm'", "did you mean 'item'?"),
        ({"columns": ["customer"]}, "the column 'customer'", "known:"),
        ({"table": "loud", "columns": ["branch"]}, "the column 'branch'", "known:"),
        ({"order": "tiem"}, "the column 'tiem'", "did you mean 'item'?"),
        ({"parameters": {"itm": str}}, "the column 'itm'", "did you mean 'item'?"),
        ({"parameters": {"item": list}}, "a type that a request cannot give", "one of str, int"),
        ({"parameters": {"item": str | int}}, "a type that a request cannot give", "one of str, int"),
        ({"parameters": {"limit": str}}, "'limit' is not usable", "the page's own"),
        ({"parameters": {"a b": str}}, "'a b' is not usable", "such as user"),
        ({"rate": "often"}, "is not a rate", "60/minute"),
        ({"limit": 0}, "limit=0 is not usable", "1 to 10000"),
        ({"destination": ps.postgres("warehouse")}, "is not loaded to", "leave destination out"),
    ],
)
def test_what_cannot(options, message, fix):
    with pytest.raises(DefinitionError) as caught:
        checked(**options)
    assert message in caught.value.what
    assert fix in caught.value.fix
    assert "test_endpoints.py:" in caught.value.at
    assert "'shop'" in caught.value.what or "/sales" in caught.value.what


def test_parameters_know_their_columns():
    pipeline = checked(
        table="loud", columns={"where": "place", "item": "item"}, parameters={"where": str, "item": Decimal | None}
    )
    found = [(item.name, item.kind, item.column, item.required) for item in pipeline.endpoints[0].parameters]
    assert found == [("where", str, "place", True), ("item", Decimal, "item", False)]


def test_a_path_is_declared_once():
    one, other = checked(), checked(parameters={"item": date})
    with pytest.raises(DefinitionError, match="declared twice") as caught:
        distinct([*one.endpoints, *other.endpoints])
    assert "first at" in caught.value.why
