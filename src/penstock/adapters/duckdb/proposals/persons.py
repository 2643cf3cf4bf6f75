"""People's names: how they are written, and whether they hold names that people have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from penstock.adapters.duckdb.proposals import names, vocabulary
from penstock.adapters.duckdb.proposals.values import Fit, Values, percent
from penstock.adapters.duckdb.proposals.vocabulary import fold

_TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir dame herr frau hr fr sr sra srta dott ing mme mlle m pan pani de jr iii ii".split()
)
_PARTICLES = frozenset(
    "de la le du del della di da dos das do van der den von zu ten ter al el bin ibn ben abu y e i af av".split()
)
_WORDS = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"[^\W\d_]+(?:['’´`.\-·][^\W\d_]+)*[.'’]?")


def _tokens(text: str) -> list[str]:
    """The words of a text if it is made of nothing but words, a comma perhaps."""
    parts = text.replace(",", " ").split()
    return parts if parts and all(_TOKEN.fullmatch(part) for part in parts) and text.count(",") <= 1 else []


def _capital(word: str) -> bool:
    return word[0].isupper() or not (word[0].isupper() or word[0].islower())


def _called(text: str) -> int:
    """How many words a text has if it is written as a person's name is, else 0."""
    parts = [part for part in _tokens(text) if fold(part.strip(".")) not in _TITLES]
    main = [part for part in parts if fold(part) not in _PARTICLES]
    if not main or len(main) > 4 or len(text) > 60 or not all(map(_capital, main)):
        return 0
    folded = {fold(part.strip(".'’")) for part in main}
    return 0 if folded & vocabulary.COMPANY or (len(main) > 1 and fold(main[-1]) in vocabulary.STREETS) else len(main)


def _folded(text: str) -> set[str]:
    return set(_WORDS.findall(fold(text)))


def _hit(text: str) -> bool:
    return names.known([part for part in _WORDS.findall(fold(text)) if len(part) > 1]) or names.eastern(text)


def _loosely(text: str) -> bool:
    """Words only, in any case, and no company."""
    return len(text) <= 60 and bool(_tokens(text)) and not set(map(fold, _tokens(text))) & vocabulary.COMPANY


_SEVERAL = ((0.55, 0.9), (0.35, 0.8), (0.2, 0.68), (0.12, 0.55), (0.05, 0.2))
_SINGLE = ((0.8, 0.85), (0.65, 0.75), (0.5, 0.55), (0.3, 0.3))
"""How sure the share of values that hold a common name makes it: of full names, and of single words."""


def person(values: Values) -> Fit:
    """Names of people, by the way they are written and by the share that holds a common name."""
    words = {text: _called(text) for text in values.texts}
    called, several = values.share(lambda text: words[text]), values.share(lambda text: words[text] >= 2)
    eastern, hits = values.share(names.eastern), values.share(lambda text: words[text] and _hit(text))
    common = values.share(lambda text: _folded(text) & vocabulary.COMMON)
    plausible = max(values.share(_loosely), eastern) * (1 - 0.6 * common)
    why = (f"{percent(max(called, eastern))} are written like a name", f"{percent(hits)} hold a common name")
    if len(values.texts) < 5:
        return Fit(plausible, 0.3 * hits, why)
    if eastern >= 0.7:
        return Fit(plausible, 0.55 + 0.3 * eastern, why)
    if called >= 0.75 and several >= 0.4:
        return Fit(plausible, _sure(hits, _SEVERAL, 0.12) * (1 - common), why)
    related = values.share(lambda text: words[text] and _folded(text) & names.family())
    alone = max(_sure(hits, _SINGLE, 0.0), 0.3 if related >= 0.2 else 0.0)
    return Fit(plausible, alone if called >= 0.8 else 0.0, why)


def _sure(share: float, steps: Sequence[tuple[float, float]], least: float) -> float:
    return next((sure for bound, sure in steps if share >= bound), least)
