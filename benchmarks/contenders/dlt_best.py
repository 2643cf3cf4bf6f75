"""dlt at its best on Work J: Arrow tables made by DuckDB SQL, written as Parquet, loaded through ADBC.

The transform is the hand-written one, because a fair comparison gives dlt the fastest way to the rows; extract,
normalize, load, state and schema are dlt's own. Its default way (dictionaries, inserts) takes over ten times as long.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import job

if TYPE_CHECKING:
    import duckdb

BATCH = 500_000


def load(path: Path, aside: Path, url: str, schema: str) -> None:
    import dlt

    connection = job.connect()
    job.transform(connection, path, aside / "aside.csv")
    pipeline = dlt.pipeline("cafe", destination=dlt.destinations.postgres(url), dataset_name=schema)
    for table, query in {**job.entities(), **job.facts()}.items():
        rows = dlt.resource(_batches(connection, query), name=table, write_disposition="replace")
        pipeline.extract(rows, loader_file_format="parquet")
    pipeline.normalize()
    pipeline.load(raise_on_failed_jobs=True)


def url(socket: str) -> str:
    """A host and a password, which dlt asks for even where the server asks for neither."""
    return f"postgresql://postgres:unused@{quote(socket, safe='')}/postgres"


def _batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[object]:
    import pyarrow as pa

    for batch in connection.sql(query).to_arrow_reader(BATCH):
        yield pa.Table.from_batches([batch])


def settings(folder: str) -> dict[str, str]:
    """What dlt reads from the environment; its state lives in a folder of its own."""
    return {
        "DLT_DATA_DIR": folder,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "NORMALIZE__WORKERS": "2",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--socket", required=True, help="the folder of PostgreSQL's socket")
    parser.add_argument("--schema", default="dlt_best")
    parser.add_argument("--aside", type=Path, required=True)
    given = parser.parse_args()
    given.aside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(settings(folder))
        load(given.file, given.aside, url(given.socket), given.schema)


if __name__ == "__main__":
    main()
