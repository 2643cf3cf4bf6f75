"""Packed columns: a list inside a field, such as a basket, and the step that gives each element a row of its own.

A field is packed when its parts, cut at one sign, come in changing numbers and the same parts come again in other
rows. An address or a name with a comma has parts that never come again; a code with a dash has always two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from penstock.adapters.duckdb.proposals.columns import Column
from penstock.authoring.tables import singular
from penstock.compile.sql import quote_identifier, quote_literal

SIGNS = (", ", "; ", " | ", "|", ";", ",", " + ", " / ", "\n")
LIST = "[]"
"""The sign of values that are lists already: `["a", "b"]`."""
LINE = "line_no"
_PRICE = r"(?:\s+-\s+|\s*[@:=]\s*|\s+x\s+|\s+\(?)[£$€]?(\d+(?:\.\d{1,4})?)\)?$"
_AMOUNT = r"^(\d{1,3})\s*[x×*]\s*(.+)$"
_SIZES = frozenset(
    """small regular large medium mini grande tall venti single double half full short big xl s m l klein mittel
    gross""".split()
)


@dataclass(frozen=True, slots=True)
class Part:
    """One column that an element is cut into: the group of the pattern, and its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed column, how it is cut, and what its elements are made of."""

    column: str
    sign: str
    rows: int
    filled: int
    several: int
    """Rows that hold more than one element."""
    elements: int
    distinct: int
    element: str
    """The name of one element's column."""
    pattern: str = ""
    """How an element is cut further; empty where it stays whole."""
    parts: tuple[Part, ...] = ()
    money: tuple[str, ...] = ()
    """Parts that are prices."""
    price: str = ""
    """A pattern that finds the prices of all elements in the packed text itself."""

    @property
    def why(self) -> str:
        cut = {"\n": "cut at line ends", LIST: "written as lists"}.get(self.sign, f"cut at “{self.sign.strip()}”")
        return (
            f"{self.several:,} of {self.filled:,} values hold several elements, {cut}: {self.elements:,} in all, "
            f"{self.distinct:,} distinct"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the step adds."""
        return (LINE, *(part.name for part in self.parts)) if self.parts else (LINE, self.element)

    def summed(self, total: str) -> str:
        """A predicate: the prices in the list add up to another column of the row."""
        prices = f"regexp_extract_all({_named(self.column)}, {quote_literal(self.price)}, 1)"
        return f"{_named(total)} = list_sum({prices}::DECIMAL(10,2)[])"

    def unpacking(self, others: Sequence[str], origin: str) -> str:
        """First normal form: one row for each element, numbered from 1."""
        column = _named(self.column)
        split = (
            f"TRY_CAST({column} AS VARCHAR[])"
            if self.sign == LIST
            else f"string_split({column}, {quote_literal(self.sign)})"
        )
        held = f"coalesce({split}, [NULL])" if self.filled < self.rows else split
        kept = f"{', '.join(map(_named, others))},\n       " if others else ""
        return (
            f"SELECT {kept}unnest({held}) AS {_named(self.element)},\n"
            f"       unnest(range(1, len({held}) + 1)) AS {LINE}\nFROM {origin}"
        )

    def cutting(self, others: Sequence[str], origin: str) -> str:
        """Each element cut into its parts."""
        kept = ", ".join(map(_named, (*others, LINE)))
        cut = [
            f"regexp_extract({_named(self.element)}, {quote_literal(self.pattern)}, {at})"
            for at in range(1, len(self.parts) + 1)
        ]
        listed = ",\n       ".join(_typed(text, part) for text, part in zip(cut, self.parts, strict=True))
        return f"SELECT {kept},\n       {listed}\nFROM {origin}"


def _typed(text: str, part: Part) -> str:
    plain = f"nullif({text}, '')"
    value = plain if part.type == "VARCHAR" else f"TRY_CAST({text} AS {part.type})"
    return f"{value} AS {_named(part.name)}"


def _named(name: str) -> str:
    """A name as SQL, quoted only where it must be: the draft is read by people."""
    return name if re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in _RESERVED else quote_identifier(name)


_RESERVED = frozenset(
    """all and any as asc by case cast check collate column constraint create default desc distinct do else end except
    false fetch for foreign from grant group having in initially intersect into lateral leading limit not null offset on
    only or order pivot primary references returning select show some summarize symmetric table then to trailing true
    union unique unpivot user using variadic when where window with qualify interval time timestamp date
    values""".split()
)


def find_packed(columns: Sequence[Column], sample: Sequence[Sequence[str | None]]) -> Packed | None:
    """The packed column of a table, judged by a sample of its rows; the most packed one where there are several."""
    names = {column.name for column in columns}
    found = []
    for place, column in enumerate(columns):
        if column.type == "VARCHAR" and column.role in ("text", "category") and not column.kind:
            texts = [text for row in sample if (text := row[place]) is not None]
            listed = texts and all(text.startswith("[") and text.endswith("]") for text in texts)
            signs = (LIST,) if listed else SIGNS
            found += [packed for sign in signs if (packed := _packed(column, texts, sign, names)) is not None]
    return max(found, key=lambda packed: (packed.elements / packed.distinct, len(packed.sign)), default=None)


def _packed(column: Column, texts: Sequence[str], sign: str, names: set[str]) -> Packed | None:
    if sign == "," and sum(bool(re.search(r"\d,\d{3}\b", text)) for text in texts) > 0.2 * len(texts):
        return None  # thousands are written so
    lists = [_listed(text) if sign == LIST else [part.strip() for part in text.split(sign)] for text in texts]
    several = [parts for parts in lists if len(parts) > 1]
    if len(several) < max(5, 0.2 * len(lists)) or len({len(parts) for parts in lists}) < 3:
        return None
    elements = Counter(part for parts in lists for part in parts)
    total = sum(elements.values())
    again = sum(count for count in elements.values() if count > 1)
    if len(elements) > 0.5 * total or again < 0.8 * total or "" in elements or _is_prose(elements):
        return None
    if len(elements) > 0.8 * len(set(texts)) or not _anywhere(several):
        return None
    packed = Packed(
        column.name, sign, column.rows, column.filled, len(several), total, len(elements), _element(column, names)
    )
    return _cut(packed, tuple(elements), names)


def _listed(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text[1:-1].split(",")]


def _anywhere(lists: Sequence[Sequence[str]]) -> bool:
    """Whether elements stand first in one list and later in another; the state behind a town never stands first."""
    first = Counter(parts[0] for parts in lists)
    later = Counter(part for parts in lists for part in parts[1:])
    both = sum(min(first[part], later[part]) > 0 for part in {*first, *later} if first[part] + later[part] > 2)
    return both >= 0.4 * sum(first[part] + later[part] > 2 for part in {*first, *later})


def _is_prose(elements: Counter[str]) -> bool:
    return sum(len(part.split()) > 8 for part in elements) > 0.2 * len(elements)


def _element(column: Column, names: set[str]) -> str:
    name = singular(column.name)
    return name if name not in names and name != column.name else _free("item", names)


def _free(name: str, names: set[str]) -> str:
    return name if name not in names else _free(f"{name}_", names)


# --- what one element is made of --------------------------------------------------------------------------------------


def _cut(packed: Packed, elements: tuple[str, ...], names: set[str]) -> Packed:
    """Cut a price off the end, an amount or a size off the front, where nearly every element has one."""
    pattern, parts = "(.+)", [Part(packed.element, "VARCHAR")]
    rest = elements
    money: tuple[str, ...] = ()
    price = ""
    if _share(rest, lambda text: re.search(_PRICE, text)) >= 0.95:
        found = rf"{_usual(rest)}(\d+(?:\.\d+)?)" + (r"\)" if rest[0].endswith(")") else "")
        pattern += found
        price = rf"{found}(?:{re.escape(packed.sign.strip())}|$)" if packed.sign.strip() and packed.sign != LIST else ""
        parts.append(Part(_free("price", names), "DECIMAL(10,2)"))
        money = (parts[-1].name,)
        rest = tuple(re.sub(_PRICE, "", text) for text in rest)
    if _share(rest, lambda text: re.match(_AMOUNT, text)) >= 0.95:
        pattern, parts = rf"(\d+)\s*[x×*]\s*{pattern}", [Part(_free("quantity", names), "INTEGER"), *parts]
    elif _varies(rest):
        word = _free("size" if _sized(rest) else "variant", names)
        pattern, parts = rf"(\S+) {pattern}", [Part(word, "VARCHAR"), *parts]
    if len(parts) == 1:
        return packed
    price = "" if parts[0].type == "INTEGER" else price
    element = f"{packed.element}_text"
    return replace(packed, element=element, pattern=f"^{pattern}$", parts=tuple(parts), money=money, price=price)


def _usual(elements: Sequence[str]) -> str:
    """The sign before the price, as a pattern."""
    signs = Counter(
        match[0][: match.start(1) - match.start(0)] for text in elements if (match := re.search(_PRICE, text))
    )
    return re.escape(signs.most_common(1)[0][0]).replace(r"\ ", " ").replace(r"\-", "-")


def _share(elements: Sequence[str], test: Callable[[str], object]) -> float:
    return sum(bool(test(text)) for text in elements) / max(1, len(elements))


def _varies(elements: Sequence[str]) -> bool:
    """Whether a few first words stand before the same rest again and again: `Large Latte`, `Regular Latte`."""
    pairs = {(first, rest) for first, _, rest in (text.partition(" ") for text in elements) if rest}
    firsts, rests = {first for first, _ in pairs}, Counter(rest for _, rest in pairs)
    if len(pairs) < 0.95 * len(set(elements)) or not 2 <= len(firsts) <= 6 or len(pairs) < 8:
        return False
    return sum(count > 1 for count in rests.values()) >= 0.5 * len(rests)


def _sized(elements: Sequence[str]) -> bool:
    return all(text.split(" ")[0].casefold() in _SIZES for text in elements)
