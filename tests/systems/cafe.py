"""The café: till exports of several branches, to the lake, to PostgreSQL, or to both."""

from __future__ import annotations

from tests.systems.system import System

from penstock.testing.oracle import PIPELINE, TABLES
from penstock.testing.scenarios import History, teller

CAFE = System(
    "cafe",
    TABLES,
    lambda home: History(home.key),
    teller,
    (PIPELINE,),
    lakeless={"[ps.lake(), *warehouse]": "warehouse"},
)
