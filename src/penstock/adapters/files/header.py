"""Whether a file has the columns that were declared: its header, or, without one, its first records."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence

from penstock.errors import ContractBroken

SAMPLE = 20


def order_of(header: Sequence[str], columns: tuple[str, ...], aliases: Mapping[str, str]) -> tuple[str, ...]:
    """The declared columns in the order of the file; raises `ContractBroken` when they are not the same ones."""
    names = [name.strip() for name in header]
    while len(names) > len(columns) and not names[-1]:
        names.pop()
    found = tuple(name if name in columns else aliases.get(name, name) for name in names)
    if found == columns:
        return found
    if sorted(found) != sorted(columns):
        raise _broken(names, found, columns)
    return found


def check_widths(rows: Sequence[Sequence[str]], width: int) -> None:
    """For files without a header: most of the first records must have the declared number of columns."""
    wrong = [row for row in rows if len(row) != width]
    if len(wrong) * 2 <= len(rows):
        return
    usual, _ = Counter(map(len, wrong)).most_common(1)[0]
    raise ContractBroken(
        f"wrong columns: {width} declared, {usual} found",
        why=f"{len(wrong)} of the first {len(rows)} records have another number of columns",
        fix=_other_delimiter(wrong[0], width) or "declare the columns as the file has them, or check the quote",
    )


def _other_delimiter(row: Sequence[str], width: int) -> str:
    """What to set, when the one field of a row would be `width` fields with another delimiter."""
    signs = [sign for sign in ",;\t|" if len(row) == 1 < width == row[0].count(sign) + 1]
    return f"the file looks as if it had delimiter={signs[0]!r}" if signs else ""


def _broken(names: Sequence[str], found: Sequence[str], columns: Sequence[str]) -> ContractBroken:
    missing = [name for name in columns if name not in found]
    strange = [name for name, known in zip(names, found, strict=True) if known not in columns]
    if not _is_header(found, columns):
        # What stands there may be data, so it is not shown.
        return ContractBroken(
            "wrong columns: the first record is not the declared header",
            why=f"it has {len(found)} fields, and lacks {len(missing)} of the {len(columns)} declared names",
            fix=_other_delimiter(found, len(columns)) or "if the file has no header, set header=False",
        )
    return ContractBroken(
        "wrong columns: " + "; ".join(_changes(missing, strange, _twice(found))),
        why=f"{len(columns)} columns are declared, the header has {len(found)}",
        fix=_fix(_renamed(missing, strange, found, columns)),
    )


def _is_header(found: Sequence[str], columns: Sequence[str]) -> bool:
    """At least half of the declared names stand there, as they are or in another case."""
    there = {name.casefold() for name in found}
    return sum(name.casefold() in there for name in columns) * 2 >= len(columns)


def _changes(missing: Sequence[str], strange: Sequence[str], twice: Sequence[str]) -> list[str]:
    parts = {"missing": missing, "unexpected": strange, "more than once": twice}
    return [f"{what} {', '.join(repr(name) for name in names)}" for what, names in parts.items() if names]


def _twice(found: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(found).items() if count > 1]


def _renamed(missing: Sequence[str], strange: Sequence[str], found: Sequence[str], columns: Sequence[str]) -> list[str]:
    """What was probably renamed to what: by the likeness of names, or because it stands in the same place."""
    places = dict(zip(columns, found, strict=False)) if len(found) == len(columns) else {}
    pairs = ((old, _nearest(old, strange) or places.get(old, "")) for old in missing)
    return [f"{new!r} instead of {old!r}" for old, new in pairs if new in strange]


def _fix(renamed: Sequence[str]) -> str:
    if renamed:
        return f"did the sender rename columns ({', '.join(renamed)})? Then declare aliases={{new: declared}}"
    return "declare the columns as the file has them, or ask the sender for the agreed ones"


def _nearest(name: str, others: Sequence[str]) -> str:
    folded = {other.casefold(): other for other in others}
    near = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    return folded[near[0]] if near else ""
