"""Proposals of privacy marks: which columns look personal, of what kind, how sure, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.adapters.duckdb.proposals import vocabulary
from penstock.adapters.duckdb.proposals.shapes import FITS, Fit, Values
from penstock.adapters.duckdb.proposals.vocabulary import Hint, hint

SAMPLE = 5000
LEAST = 0.5

MARKS = {
    vocabulary.NAME: "drop()",
    vocabulary.EMAIL: "hash()",
    vocabulary.CARD: "tokenize(keep_last=4)",
    vocabulary.PHONE: "hash()",
    vocabulary.IBAN: "tokenize(keep_last=4)",
    vocabulary.BIRTH: "drop()",
    vocabulary.POSTCODE: "hash()",
    vocabulary.ADDRESS: "drop()",
    vocabulary.NATIONAL: "encrypt()",
    vocabulary.IP: "hash()",
    vocabulary.ACCOUNT: "tokenize(keep_last=4)",
    vocabulary.LOGIN: "tokenize()",
}


@dataclass(frozen=True, slots=True)
class MarkProposal:
    """One column that looks personal. `mark` is written as in a pipeline file, without `ps.`; no value is in here."""

    column: str
    kind_of_data: str
    mark: str
    confidence: float
    why: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        return asdict(self) | {"why": list(self.why)}

    def __str__(self) -> str:
        return f"{self.column}: {self.kind_of_data} ({self.confidence:.2f}) → ps.{self.mark}: {'; '.join(self.why)}"


def classify(column: str, header: str, values: Values) -> MarkProposal | None:
    """Judge one column by its header (empty if there is none) and a sample of its values."""
    told = hint(header)
    judged = {kind: _confidence(told, kind, fit(values), values) for kind, fit in FITS.items()}
    kind = max(judged, key=lambda name: judged[name][0])
    confidence, why = judged[kind]
    if confidence < LEAST:
        return None
    return MarkProposal(column, kind, MARKS[kind], round(min(confidence, 0.99), 2), why)


def _confidence(told: Hint, kind: str, fit: Fit, values: Values) -> tuple[float, tuple[str, ...]]:
    strength = told.of(kind)
    if strength >= 1 and not values.texts:
        return LEAST, ("the header says so", "no value in the sample to judge by")
    if strength >= 1 and fit.plausible >= 0.5:
        return max(0.6 + 0.35 * fit.plausible, fit.alone), ("the header says so", *fit.why)
    if strength > 0 and fit.plausible >= 0.5:
        return fit.alone + (1 - fit.alone) * strength * fit.plausible, ("the header hints at it", *fit.why)
    if fit.proof or not (told.thing or told.numbered or told.kinds):
        return fit.alone, fit.why
    return fit.alone * (0.8 if told.numbered and kind == vocabulary.NATIONAL else 0.5), fit.why


def propose_marks(path: Path | str, *, header: bool | None = None, sample: int = SAMPLE) -> list[MarkProposal]:
    """Which columns of a file look personal, by header and by at most `sample` rows spread over the file.

    `header` says whether the first line is one; by default that is found out. Raises `RefusedFile` for a file that
    cannot be read as a table.
    """
    from penstock.adapters.duckdb.proposals.sniffing import opened

    with opened([Path(path)], header=header) as table:
        return marks_of(table.names, table.headers, table.sample(sample))


def marks_of(names: Sequence[str], headers: Sequence[str], rows: Sequence[Sequence[str | None]]) -> list[MarkProposal]:
    """The same for rows that are in memory already; `headers` are empty texts where there is no header."""
    found = (
        classify(name, header, Values.of(row[place] for row in rows))
        for place, (name, header) in enumerate(zip(names, headers, strict=True))
    )
    return [mark for mark in found if mark is not None]
