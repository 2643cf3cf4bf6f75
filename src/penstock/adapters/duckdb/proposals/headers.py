"""Is the first line a header? And what each column is called in a pipeline file.

Taking a row of data for a header would print a person's values as column names, so a header must be shown to be one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from penstock.adapters.duckdb.proposals.checksums import digits, iban_shape
from penstock.adapters.duckdb.proposals.vocabulary import fold, plain

_NUMBER = re.compile(r"[+-]?[\d.,\s]*\d[\d.,]*%?")
_MOMENT = re.compile(r"\d{1,4}[./\-]\d{1,2}[./\-]\d{1,4}.*|\d{1,2}:\d\d(:\d\d.*)?")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+|[a-z]+([A-Z][a-z]+)+")

_LONGEST = 200

Row = Sequence[str | None]


def shape(text: str) -> str:
    """A text's outline: letters become `a` or `A`, digits `9`, and runs of them one."""
    masked = "".join(
        "9" if char.isdecimal() else ("A" if char.isupper() else "a") if char.isalpha() else char for char in text
    )
    return re.sub(r"a+", "a", re.sub(r"A+", "A", re.sub(r"9+", "9", masked)))


def form(text: str) -> str:
    """What a text is at first sight: `number`, `moment`, `address`, `code`, `text`, or nothing."""
    if not text.strip():
        return ""
    if _MOMENT.fullmatch(text.strip()):
        return "moment"
    if _NUMBER.fullmatch(text.strip()):
        return "number"
    if "@" in text:
        return "address"
    return "code" if len(digits(text)) >= 3 else "text"


def _personal(cell: str) -> bool:
    number = len(digits(cell)) >= 9 and len(cell) <= 30
    return bool(re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", cell)) or iban_shape(cell) or number


def is_header(first: Row, rest: Sequence[Row]) -> bool:
    """Whether a file's first record names its columns; `rest` are some records below it."""
    cells = [_cell(cell) for cell in first]
    if not any(cells) or any(map(_personal, cells)):
        return False
    columns = [[_cell(row[place]) for row in rest if place < len(row)] for place in range(len(cells))]
    if not rest:
        return all(plain(cell) or bool(_SNAKE.fullmatch(cell)) for cell in cells if cell)
    counted = _counts_up(cells)
    return sum(_vote(cell, column, counted) for cell, column in zip(cells, columns, strict=True)) > 0


def _cell(text: str | None) -> str:
    return (text or "").strip()[:_LONGEST]


def _counts_up(cells: Sequence[str]) -> bool:
    """Whether numbers in the first line go up by one or down: years or places that head a matrix."""
    numbers = [int(cell) for cell in cells if cell.isascii() and cell.isdecimal() and len(cell) <= 4]
    return len(numbers) >= 3 and {second - first for first, second in pairwise(numbers)} in ({1}, {-1})


def _vote(cell: str, column: Sequence[str], counted: bool) -> float:  # noqa: FBT001  part of what the line says
    """How much one column speaks for a header (above 0) or against one."""
    held = [text for text in column if text]
    if not cell:
        return -0.5 if held else 0.0
    word = 2.0 if plain(cell) else 1.5 if _SNAKE.fullmatch(cell) else 0.0
    if not held:
        return max(word, 0.5)
    forms = Counter(map(form, held))
    usual, count = forms.most_common(1)[0]
    if counted and form(cell) == "number":
        return 0.5
    if count >= 0.9 * len(held) and usual != "text":
        return -2.0 if form(cell) == usual else 2.0
    if cell in held:
        return -2.0
    unlike = 0.6 if shape(cell) not in {shape(text) for text in held} else -0.6
    return word + unlike


def declared(headers: Sequence[str]) -> tuple[str, ...]:
    """Names for a pipeline file: lower case, words joined by `_`, unlike each other; `column_3` where there is none."""
    taken: dict[str, int] = {}
    return tuple(_unlike(_identifier(header) or f"column_{place}", taken) for place, header in enumerate(headers, 1))


def _identifier(header: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", header)
    name = re.sub(r"[^\w]+|_+", "_", spaced.casefold()).strip("_")[:48].rstrip("_")
    name = f"c_{name}" if name[:1].isdecimal() else name
    return name if name.isidentifier() else ""


def _unlike(name: str, taken: dict[str, int]) -> str:
    key = fold(name)
    taken[key] = taken.get(key, 0) + 1
    return name if taken[key] == 1 else _unlike(f"{name}_{taken[key]}", taken)
