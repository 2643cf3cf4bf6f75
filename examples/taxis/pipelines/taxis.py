"""Taxis: a feed that is polled every minute becomes a table of readings, then production: a gate, a chart of a day."""

import penstock as ps

FEED = "https://api.data.gov.sg/v1/transport/taxi-availability"

taxis = ps.Pipeline(
    "taxis",
    trigger=ps.stream("taxis", every=ps.every(minutes=1), seconds=600),
    source=ps.http(FEED, ps.json_lines(columns={"features": "JSON"})),
    catalog=True,
)


@taxis.step
def readings(source):
    """One reading: when it was taken, how many taxis were free by the feed's count, and how many places it lists."""
    return source.sql("""
        SELECT CAST(json_extract_string(features, '$[0].properties.timestamp') AS TIMESTAMPTZ) AS taken_at,
               CAST(json_extract_string(features, '$[0].properties.taxi_count') AS BIGINT) AS free,
               CAST(json_array_length(features, '$[0].geometry.coordinates') AS BIGINT) AS places
        FROM source
    """)


taxis.checks("readings", 'IsComplete "taken_at"', 'ColumnValues "free" between -1 and 100000')
taxis.load("readings", to=ps.lake(), table="taxis", mode="merge", key=["taken_at"])

# When an hour's readings have changed, they become a new version of the production table, if they pass the gate.
production = ps.Pipeline("production", trigger=ps.ready(by=["year", "month", "day", "hour"]), source=ps.table("taxis"))


@production.step
def availability(source):
    """Each reading under its day in Singapore: a partition."""
    return source.sql("SELECT CAST(timezone('Asia/Singapore', taken_at) AS DATE) AS day, taken_at, free FROM source")


production.checks("availability", "RowCount >= 1", 'ColumnValues "free" between 0 and 30000', severity="stop")
production.load("availability", to=ps.lake(), mode="merge", key=["day", "taken_at"], partition_by=["day"])

available = production.chart(
    "Taxis available",
    table="availability",
    kind="area",
    x=ps.bucket("taken_at", "15m"),
    y=ps.avg("free", per=100, label="taxis"),
    tz="Asia/Singapore",
    span="day",
    between=("08:00", "20:00"),
    caption="hundreds, Singapore time",
    width=9,
)
now = production.chart(
    "Taxis now", table="availability", kind="number", y=ps.last("free", by="taken_at", label="free"), width=3
)
city = ps.Dashboard("Taxis in the city", available, now, refresh="1m")
