"""Covid: every morning, what two sources know of a country becomes one table, with a row for each day.

The cases run ahead of the recoveries: a day that the other source does not know yet is set aside, and joins a later
run by itself, as soon as it does.
"""

import os

import penstock as ps

FEED = os.environ.get("COVID_FEED", "http://127.0.0.1:8765")

CASES = ps.csv(columns={"date": "DATE '%Y-%m-%d'", "cases": "BIGINT", "deaths": "BIGINT"})
WORLD = ps.csv(
    columns={
        "date": "DATE '%Y-%m-%d'",
        "country": "VARCHAR",
        "province": "VARCHAR",
        "latitude": "DOUBLE",
        "longitude": "DOUBLE",
        "confirmed": "BIGINT",
        "recovered": "BIGINT",
        "deaths": "BIGINT",
    },
    aliases={
        "Date": "date",
        "Country/Region": "country",
        "Province/State": "province",
        "Lat": "latitude",
        "Long": "longitude",
        "Confirmed": "confirmed",
        "Recovered": "recovered",
        "Deaths": "deaths",
    },
)

covid = ps.Pipeline(
    "covid",
    trigger=ps.schedule("0 6 * * *", tz="Asia/Singapore", missed="last"),
    sources={
        "cases": ps.http(f"{FEED}/us.csv", CASES),
        "world": ps.http(f"{FEED}/time-series-19-covid-combined.csv", WORLD),
    },
)


@covid.step(filters=True)
def recoveries(world):
    """Of the whole world, one country."""
    return world.sql("SELECT date, recovered FROM world WHERE country = 'US'")


covid.checks("cases", 'ColumnValues "cases" >= 0', 'ColumnValues "deaths" >= 0', 'IsUnique "date"')
covid.matched("cases", in_="recoveries", on="date", attempts=30)


@covid.step
def days(cases, recoveries):
    """The days that both know."""
    return cases.sql("SELECT c.date, c.cases, c.deaths, r.recovered FROM cases c JOIN recoveries r USING (date)")


covid.load("days", to=ps.lake(), mode="merge", key=["date"])
