"""From text to typed, tested, protected rows: the one SELECT through which every source row passes.

Three layers that the engine flattens into one pass: typed columns beside their text; faults (what did not parse,
which checks failed, judged on the clear value); and what may leave: protected columns. The clear value of a marked
column never leaves this SELECT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from penstock.authoring.privacy import Mark
from penstock.authoring.sources import ColumnType, Source
from penstock.compile.moments import Clock
from penstock.compile.sql import quote_identifier
from penstock.model.schemas import INTEGERS

CAST = "_cast"
CAST_BITS = 62
"""How many columns one mask (a BIGINT) speaks of."""
"""Bit mask of columns that are not of their type."""
SHAPE = "_shape"

_DECIMAL_TEXT = r"\s*[+-]?([0-9]+(\.[0-9]{{0,{scale}}}0*)?|\.[0-9]{{1,{scale}}}0*)\s*"
_INTEGER_TEXT = r"\s*[+-]?[0-9]+\s*"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source's text becomes rows. `text` columns are `_c0…`, in the order of `names`."""

    names: tuple[str, ...]
    types: tuple[ColumnType, ...]
    privacy: Mapping[str, Mark]
    clock: Clock = field(default_factory=Clock)
    parts: tuple[tuple[str, str], ...] = ()
    """Captured parts of the path that become columns, with their types."""

    @classmethod
    def of(
        cls, source: Source, privacy: Mapping[str, Mark], parts: Mapping[str, ColumnType] = MappingProxyType({})
    ) -> Reading:
        """How a source is read whose path has these parts as columns."""
        clock = Clock(source.tz, source.fold, source.locales)
        named = tuple((name, kind.name) for name, kind in parts.items())
        return cls(source.names, tuple(kind for _, kind in source.columns), dict(privacy), clock, named)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the source: those that leave the reading, and the parts of the path."""
        return (*self.kept, *(name for name, _ in self.parts))

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that leave the reading: all but the dropped ones."""
        return tuple(name for name in self.names if self._kind(name) != "drop")

    @property
    def keyed(self) -> bool:
        return any(mark.keyed for mark in self.privacy.values())

    @property
    def encrypts(self) -> bool:
        return any(mark.kind == "encrypt" for mark in self.privacy.values())

    def _kind(self, name: str) -> str:
        mark = self.privacy.get(name)
        return mark.kind if mark else ""

    def text_of(self, name: str) -> str:
        return f"_c{self.names.index(name)}"

    @property
    def typed(self) -> tuple[tuple[str, str], ...]:
        """(column, type) behind each bit of the cast mask."""
        pairs = zip(self.names, self.types, strict=True)
        return tuple((name, kind.name) for name, kind in pairs if self._casts(name, kind))

    def select(self, origin: str, masks: Sequence[str], *, identity: Sequence[str] = ()) -> str:
        """The SELECT over `origin` (a table expression with `identity` and the text columns).

        `masks` are expressions over the typed columns, each a bit mask of failing checks; they become `_fault0…`.
        """
        typed = [(name, kind) for name, kind in zip(self.names, self.types, strict=True) if self._kind(name) != "drop"]
        ids = "".join(f"{name}, " for name in identity)
        texts = ", ".join(self.text_of(name) for name, _ in typed)
        values = ", ".join(
            f"{self._typed(self.text_of(name), kind)} AS {quote_identifier(name)}" for name, kind in typed
        )
        first = f"SELECT {ids}{texts}, {values} FROM {origin}"
        faults = "".join(f", {mask} AS _fault{place}" for place, mask in enumerate(masks))
        casts = self._cast_masks()
        judged = ", ".join(f"{mask} AS {name}" for name, mask in casts.items())
        second = f"SELECT *, {judged}{faults} FROM ({first})"
        outputs = ", ".join(self._protected(name) for name, _ in typed)
        numbers = "".join(f", _fault{place}" for place in range(len(masks)))
        return f"SELECT {ids}{outputs}, {', '.join(casts)}{numbers}, {self._shape(typed)} AS {SHAPE} FROM ({second})"

    def _casts(self, name: str, kind: ColumnType) -> bool:
        return kind.name != "VARCHAR" and self._kind(name) != "drop"

    @property
    def bits(self) -> dict[str, tuple[str, int]]:
        """Which bit of which mask says that a column's text is not of its type."""
        return {
            name: (f"{CAST}{place // CAST_BITS or ''}", 1 << place % CAST_BITS)
            for place, (name, _) in enumerate(self.typed)
        }

    def _cast_masks(self) -> dict[str, str]:
        """All 0 for good rows, at the price of one comparison a typed column. The first, `_cast`, has its highest bit
        set where one of the others is not 0."""
        parts: dict[str, list[str]] = {CAST: []}
        for name, (mask, bit) in self.bits.items():
            failed = f"{quote_identifier(name)} IS NULL AND {self.text_of(name)} IS NOT NULL"
            parts.setdefault(mask, []).append(f"CASE WHEN {failed} THEN {bit} ELSE 0 END")
            if mask != CAST:
                parts[CAST].append(f"CASE WHEN {failed} THEN {1 << CAST_BITS} ELSE 0 END")
        return {mask: f"({' | '.join(terms)})::BIGINT" if terms else "0::BIGINT" for mask, terms in parts.items()}

    def _shape(self, typed: Sequence[tuple[str, ColumnType]]) -> str:
        """For rows that did not parse: what their unmarked text looked like, with letters and digits masked."""
        shown = [self.text_of(name) for name, _ in typed if name not in self.privacy]
        if not shown:
            return "NULL::VARCHAR"
        line = f"concat_ws(',', {', '.join(shown)})"
        masked = rf"regexp_replace(regexp_replace({line}, '\p{{L}}+', 'a', 'g'), '\p{{N}}+', '9', 'g')"
        return f"CASE WHEN {CAST} <> 0 THEN left({masked}, 60) END"

    def _typed(self, text: str, kind: ColumnType) -> str:
        if kind.name == "VARCHAR":
            return text
        if kind.name in INTEGERS:
            return f"CASE WHEN regexp_full_match({text}, '{_INTEGER_TEXT}') THEN TRY_CAST({text} AS {kind.name}) END"
        if kind.name.startswith("DECIMAL"):
            scale = kind.name[:-1].split(",")[1]
            pattern = _DECIMAL_TEXT.format(scale=scale)
            return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN TRY_CAST({text} AS {kind.name}) END"
        if kind.name == "DOUBLE":
            return f"CASE WHEN isfinite(TRY_CAST({text} AS DOUBLE)) THEN TRY_CAST({text} AS DOUBLE) END"
        return self.clock.parsed(text, kind) if kind.formats else self.clock.standard(text, kind.name)

    def _protected(self, name: str) -> str:
        mark = self.privacy.get(name)
        column, text = quote_identifier(name), self.text_of(name)
        if mark is None:
            return column
        return f"CASE WHEN {text} IS NOT NULL THEN {_protect(mark, text)} END AS {column}"


def _protect(mark: Mark, text: str) -> str:
    """Keys are bound as variables: `ipad`, `opad` (the HMAC pads) and `key_id`."""
    hmac = f"sha256(getvariable('opad') || unhex(sha256(getvariable('ipad') || encode({text}))))"
    last = f"right({text}, {mark.keep_last})"
    if mark.kind == "mask":
        shown = f"least({mark.keep_last}, length({text}) // 2)"
        return f"repeat('*', length({text}) - {shown}) || right({text}, {shown})"
    if mark.kind == "hash":
        return hmac
    if mark.kind == "encrypt":
        return f"getvariable('key_id') || ':' || penstock_encrypt({text})"
    tail = (
        f" || CASE WHEN length({text}) >= {2 * mark.keep_last} THEN ':' || {last} ELSE '' END" if mark.keep_last else ""
    )
    return f"getvariable('key_id') || ':' || {hmac}{tail}"
