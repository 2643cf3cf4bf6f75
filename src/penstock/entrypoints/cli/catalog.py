"""The catalog as `query` prints it: all tables, or one table's schema. It answers questions, and so needs no verb."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli.lookup import one_of
from penstock.entrypoints.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from penstock.model.events import Event
    from penstock.wiring.catalog import Entry

SHOWN_DRIFTS = 12


def tables(entries: Sequence[Entry], out: Output) -> None:
    """A line for each table."""
    for entry in entries:
        out.record(facts(entry))
    rows = [
        (item.name, item.pipeline, len(item.columns), _by(item), item.files, item.rows, item.bytes, len(item.drifts))
        for item in entries
    ]
    out.table(("table", "pipeline", "columns", "partitions", "files", "rows", "bytes", "drifts"), rows)
    if not entries:
        out.say("there are no tables yet: penstock run")


def schema(name: str, entries: Sequence[Entry], out: Output) -> None:
    """One table: its columns, partitions and drifts."""
    known = {entry.name: entry for entry in entries}
    entry = known[one_of("table", name, known)]
    out.record(facts(entry))
    if entry.declared:
        rows = [(item.name, item.type, entry.declared.get(item.name), item.missing or None) for item in entry.columns]
        out.table(("column", "found", "declared", "files without"), rows)
    else:
        out.table(("column", "type"), [(item.name, item.type) for item in entry.columns])
    if entry.files is not None:
        out.say(_size(entry))
    for drift in entry.drifts:
        out.say(f"{out.mark('open')} {_told(asdict(drift), drift.kind)}")


def facts(entry: Entry) -> dict[str, Any]:
    """One table as one record."""
    drifts = [{"kind": drift.kind, **asdict(drift)} for drift in entry.drifts]
    return {**asdict(entry), "table": entry.name, "drifts": drifts}


def _by(entry: Entry) -> str | None:
    return f"{', '.join(entry.partition_by)}: {len(entry.partitions):,}" if entry.partition_by else None


def _size(entry: Entry) -> str:
    parts = [f"{entry.files:,} file{'' if entry.files == 1 else 's'}", f"{entry.bytes:,} bytes"]
    if entry.rows is not None:
        parts.append(f"{entry.rows:,} row{'' if entry.rows == 1 else 's'}")
    if entry.unreadable:
        parts.append(f"{entry.unreadable:,} unreadable")
    if entry.partition_by:
        parts.append(f"partitions by {_by(entry)}")
    return " · ".join([*parts, f"version {entry.version}"] if entry.version else parts)


def drift_lines(events: Iterable[Event], out: Output) -> Iterator[str]:
    """What runs have found that the catalog did not know, at the end of their command."""
    found = [event for event in events if event.type == "schema.drifted"]
    for event in found[:SHOWN_DRIFTS]:
        yield f"  {out.mark('open')} {event.subject}: {_told(event.data, event.data['kind'])}"
    if len(found) > SHOWN_DRIFTS:
        yield f"  {out.mark('open')} … and {len(found) - SHOWN_DRIFTS:,} more: penstock query --schema TABLE"


def _told(drift: Mapping[str, str], kind: str) -> str:
    change = {"added": drift["after"], "missing": drift["before"]}.get(kind, f"{drift['before']} → {drift['after']}")
    return f"{drift['column']} {kind} ({change}) since {drift['since']}"
