"""Check-ins: who worked how long on which project. Timestamps in three formats become instants; each day's file goes
through three stages, transform, test and load, each with a status of its own."""

import os

import penstock as ps

checkins = ps.Pipeline(
    "checkins",
    # The path says which table and which day a file is about; nothing here asks what day it is today.
    trigger=ps.upload("landing/table={table}/year={year:%Y}/month={month:%m}/day={day:%d}/*.csv"),
    source=ps.csv(
        columns={
            "user": "VARCHAR",
            "timestamp": (
                "TIMESTAMPTZ '%Y-%m-%d %H:%M:%S.%f UTC', '%Y-%m-%d %H:%M:%S UTC', '%m/%d/%Y %I:%M %p', '%d %B %Y %H:%M'"
            ),
            "hours": "DECIMAL(5,2)",
            "project": "VARCHAR",
        },
        tz="UTC",  # of the times that do not say it themselves: 09/27/2019 12:00 AM, 26 сентября 2019 00:00
        locale="ru",
    ),
    # Rows that fail a test lie in quarantine, and the others go on. `hard=True` here, `hard = true` for an environment,
    # or `penstock run --hard` suspends the run instead, until a person releases or drops it.
    hard=False,
)


@checkins.step(boundary=True)
def transform(source):
    """The warehouse's names. What is transformed is kept, so that testing it can be tried again alone."""
    return source.sql("""
        SELECT
            "user" AS user_name,
            "timestamp" AS checked_in_at,
            hours AS hours_worked,
            project AS project_name
        FROM source""")


checkins.checks(
    "transform",
    'IsComplete "user_name"',
    'IsComplete "checked_in_at"',
    'IsComplete "project_name"',
    'ColumnValues "hours_worked" >= 0',
)

# PostgreSQL where it is known, the lake otherwise. The same row twice is two rows: people book the same hours twice.
warehouse = ps.postgres("warehouse") if "PENSTOCK_WAREHOUSE_URL" in os.environ else ps.lake()
checkins.load("transform", to=warehouse, table="daily_checkins")

# `penstock status --json`: one item for each file that was ever taken in.
checkins.track(
    ingestedID="{year}{month}{day}-A{serial:03}",
    ingestedTable="{table}",
    state="{state}",
    status="{status}",
)

# The secret `notify_team` says where it leads: smtp://…, slack://…, https://… or file:notices.jsonl
checkins.notify(on=["succeeded", "failed"], to=ps.notify("team"))

# `penstock serve` answers GET /get?user=foo
checkins.endpoint(
    "/get",
    table="daily_checkins",
    parameters={"user": str},
    columns={"user": "user_name", "project": "project_name", "hours": "hours_worked", "timestamp": "checked_in_at"},
    order="timestamp",
)
