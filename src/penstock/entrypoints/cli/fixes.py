"""The file of rejected rows that goes out to be edited, and comes back as edits: CSV or JSON Lines.

A value stands in it as text, the way a delivered file would have it. A column of the type JSON holds any JSON, so its
values are written as JSON even where they are plain texts or numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.entrypoints.cli.output import encode
from penstock.errors import StorageUnavailable, UsageError
from penstock.model.reasons import WORDS, worded
from penstock.model.slots import Slot
from penstock.runtime.healing import Reject

if TYPE_CHECKING:
    from typing import TextIO

    from penstock.authoring.pipeline import Pipeline

HEAD = ("pipeline", "run", "slot", "generation", "line", "reasons")


@dataclass(frozen=True, slots=True)
class Form:
    """What a pipeline's rows look like in such a file."""

    columns: tuple[str, ...] = ()
    documents: frozenset[str] = frozenset()
    """The columns of the type JSON that a mark does not turn into other text."""


Forms = Mapping[str, Form]


def forms(pipelines: Mapping[str, Pipeline]) -> Forms:
    """The form of each pipeline's rows."""
    return {name: _form(pipeline) for name, pipeline in pipelines.items()}


def _form(pipeline: Pipeline) -> Form:
    source = pipeline.source
    documents = {column for column, kind in source.columns if kind.name == "JSON"} - set(pipeline.privacy)
    return Form(source.names, frozenset(documents))


def export(rejects: Iterable[Reject], target: str | None, known: Forms) -> int:
    """Write rejected rows to a file. Returns how many."""
    if not target or Path(target).suffix not in (".csv", ".jsonl"):
        raise UsageError("export writes a .csv or a .jsonl file", fix="penstock quarantine export --to rejected.csv")
    path = Path(target)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            return _write_csv(rejects, file, known) if path.suffix == ".csv" else _write_lines(rejects, file)
    except OSError as error:
        raise StorageUnavailable("the file cannot be written", at=target, why=error.strerror or "") from error


def _write_lines(rejects: Iterable[Reject], file: TextIO) -> int:
    rows = 0
    for rows, reject in enumerate(rejects, 1):  # noqa: B007  the count is the result
        file.write(encode(reject.as_dict()) + "\n")
    return rows


def _write_csv(rejects: Iterable[Reject], file: TextIO, known: Forms) -> int:
    """One column for each name that any row has, behind where the row stands and why. A row without values may need any
    column of its source."""
    import csv

    found = list(rejects)
    bare = dict.fromkeys(reject.pipeline for reject in found if reject.row is None)
    declared = [name for pipeline in bare for name in known.get(pipeline, Form()).columns]
    names = list(dict.fromkeys([*declared, *(name for reject in found for name in reject.row or ())]))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*HEAD, *names])
    for reject in found:
        head = [getattr(reject, name) for name in HEAD[:-1]]
        values = texts(reject.row or {}, known.get(reject.pipeline, Form()).documents)
        writer.writerow([*head, "; ".join(map(worded, reject.reasons)), *(values.get(name, "") for name in names)])
    return len(found)


def edited(path: Path, rejects: Iterable[Reject], pipelines: Forms) -> dict[Slot, list[dict[str, Any]]]:
    """By delivery, the values that differ from what was exported, each as text as the file would have it."""
    known = {(reject.slot, reject.line): reject for reject in rejects}
    found: dict[Slot, list[dict[str, Any]]] = {}
    for address, line, values in _edits(path):
        reject = known.get((address, line))
        if reject is None:
            raise UsageError(
                f"line {line} of {address!r} is not among the rejected rows",
                at=str(path),
                why="it was healed or superseded, or the place was edited",
                fix="penstock quarantine export   writes those that are open now",
            )
        form = pipelines.get(reject.pipeline, Form())
        before = texts(reject.row or {}, form.documents)
        after = texts(values, form.documents if path.suffix == ".jsonl" else ())
        changed = {name: value for name, value in after.items() if value != before.get(name, "")}
        if changed and not WORDS.keys().isdisjoint(reject.reasons):
            # There are no columns of its own to fall back on: what was left empty is empty.
            changed = dict.fromkeys(form.columns, "") | changed
        if changed:
            slot = Slot(reject.pipeline, address)
            found.setdefault(slot, []).append({"slot": address, "line": line, "set": changed})
    if not found:
        raise UsageError("no value was changed", at=str(path), fix="edit the file, or replay without --fixes")
    return found


def _edits(path: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Address, line and values of each row of an export."""
    import csv
    import json

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix == ".jsonl":
                for record in map(partial(json.loads, parse_float=Decimal), file):
                    yield record["slot"], int(record["line"]), dict(record.get("row") or {})
                return
            for row in csv.DictReader(file, strict=True):
                yield row["slot"], int(row["line"]), {k: v or "" for k, v in row.items() if k and k not in HEAD}
    except FileNotFoundError:
        fix = "penstock quarantine export --to FILE   writes one"
        raise UsageError(f"there is no file {str(path)!r}", fix=fix) from None
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        why = f"{type(error).__name__}: it needs the columns slot and line, as it was exported"
        raise UsageError("the edits cannot be read", at=str(path), why=why, fix="export them again") from error


def texts(row: Mapping[str, Any], documents: Collection[str] = ()) -> dict[str, str]:
    """A row's values as a file would have them."""
    return {name: _document(value) if name in documents else _text(value) for name, value in row.items()}


def _document(value: Any) -> str:
    return "" if value is None else encode(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return encode(value) if isinstance(value, bool | dict | list) else str(value)
