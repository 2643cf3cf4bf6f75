"""Proposals of privacy marks: which columns look personal, of what kind, how sure, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penstock.adapters.duckdb.proposals import codes, persons, places, vocabulary
from penstock.adapters.duckdb.proposals.values import Fit, Values
from penstock.adapters.duckdb.proposals.vocabulary import Hint, hint

SAMPLE = 5000
LEAST = 0.5
_SURE = 0.65
_LISTED = (vocabulary.NAME, vocabulary.EMAIL, vocabulary.PHONE, vocabulary.CARD, vocabulary.IBAN)

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


FITS: dict[str, Callable[[Values], Fit]] = {
    vocabulary.EMAIL: codes.email,
    vocabulary.IBAN: codes.bank,
    vocabulary.IP: codes.internet,
    vocabulary.CARD: codes.card,
    vocabulary.PHONE: codes.phone,
    vocabulary.NATIONAL: codes.national,
    vocabulary.BIRTH: places.birth,
    vocabulary.POSTCODE: places.postcode,
    vocabulary.ACCOUNT: codes.account,
    vocabulary.NAME: persons.person,
    vocabulary.ADDRESS: places.address,
    vocabulary.LOGIN: codes.login,
}
"""In the order of preference where a header names two kinds and no value decides."""


_NUMBERED = (vocabulary.CARD, vocabulary.PHONE, vocabulary.NATIONAL, vocabulary.IBAN, vocabulary.ACCOUNT)
_LETTERED = (vocabulary.EMAIL, vocabulary.NAME, vocabulary.ADDRESS, vocabulary.LOGIN, vocabulary.IBAN)


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
    found = _classified(column, header, values)
    return found or _inside(column, header, values)


def _inside(column: str, header: str, values: Values) -> MarkProposal | None:
    """Lists of people or of their addresses, packed into one field."""
    lists = [re.split(r"[;|\n]\s*|,\s+", text) for text in values.texts]
    if sum(len(parts) > 1 for parts in lists) < max(5, 0.2 * len(lists)):
        return None
    parts = Values.of(part for listed in lists for part in listed)
    found = _classified(column, header, parts)
    if found is None or found.kind_of_data not in _LISTED or found.confidence < _SURE:
        return None
    return replace(found, why=("a list in each field", *found.why))


def _classified(column: str, header: str, values: Values) -> MarkProposal | None:
    told = hint(header)
    judged = {kind: _confidence(told, kind, _fit(kind, values), values) for kind in FITS}
    kind = max(judged, key=lambda name: judged[name][0])
    confidence, why = judged[kind]
    if confidence < LEAST:
        return None
    return MarkProposal(column, kind, MARKS[kind], round(min(confidence, 0.99), 2), why)


def _fit(kind: str, values: Values) -> Fit:
    """The judgement of one kind; none where most values lack the letters or digits that the kind is made of."""
    lacking = (kind in _NUMBERED and values.numbered < 0.3) or (kind in _LETTERED and values.lettered < 0.3)
    return Fit(0.0, 0.0) if lacking else FITS[kind](values)


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
