"""The text of a pipeline file, drafted from a sample: it imports and validates, and says what each line rests on."""

from __future__ import annotations

import json
import keyword
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from penstock.adapters.duckdb.proposals.columns import Column
from penstock.adapters.duckdb.proposals.normalforms import EntityProposal, OwnedProposal
from penstock.adapters.duckdb.proposals.study import Study, study
from penstock.authoring.conditions import quoted, raw_text
from penstock.authoring.templates import PathTemplate
from penstock.errors import DefinitionError, TriggerError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_WIDTH = 116
_UNPACKED, _CUT = "unpacked", "elements"


def draft_pipeline(path: Path | str, name: str, *, header: bool | None = None) -> str:
    """The text of a pipeline file for files like this one. Raises `RefusedFile` for what cannot be read as a table."""
    if not _NAME.fullmatch(name):
        raise DefinitionError(
            f"a pipeline cannot be called {name!r}", fix="lower-case letters, digits, _; a letter first"
        )
    return write(study(path, name=name, header=header), name, Path(path))


def write(found: Study, name: str, path: Path) -> str:
    """The same for a file that was studied already."""
    variable = f"{name}_" if keyword.iskeyword(name) or name in ("ps", "source") else name
    blocks = [
        _opening(found, name),
        "import penstock as ps",
        "\n".join(_pipeline(found, name, variable, path)),
        *_steps(found, variable),
        *_checks(found, variable),
        *_tables(found, name, variable),
        *_warnings(found),
    ]
    return re.sub(r"\n{4,}", "\n\n\n", "\n\n".join(blocks)) + "\n"


def _opening(found: Study, name: str) -> str:
    rows = f"{found.rows:,} rows" if found.rows != 1 else "one row"
    return (
        f'"""{name}: drafted from a sample of {rows}.\n\n'
        "Each line is a proposal, with what it rests on behind it: confirm it, change it or delete it.\n"
        '"""'
    )


# --- the head -------------------------------------------------------------------------------------------------------


def _pipeline(found: Study, name: str, variable: str, path: Path) -> Iterator[str]:
    yield f"{variable} = ps.Pipeline("
    yield f"    {text(name)},"
    yield f"    trigger=ps.upload({text(template(path, found))}),"
    yield f"    source=ps.{found.layout.format}("
    yield from _layout(found)
    yield "        columns={"
    for column in found.columns:
        yield from _noted(f"            {text(column.name)}: {text(column.type)},", column.note)
    yield "        },"
    yield from _aliases(found)
    yield "    ),"
    if found.marks:
        yield "    privacy={"
        for mark in found.marks:
            note = f"{mark.kind_of_data}, {mark.confidence:.2f}: {'; '.join(mark.why)}"
            yield from _noted(f"        {text(mark.column)}: ps.{mark.mark},", note)
        yield "    },"
    yield ")"


def _layout(found: Study) -> Iterator[str]:
    layout = found.layout
    if layout.format == "csv":
        if not layout.header:
            yield "        header=False,"
        if layout.delimiter != ",":
            yield f"        delimiter={text(layout.delimiter)},"
        if layout.quote != '"':
            yield f"        quote={text(layout.quote)},"
    if layout.encoding != "utf-8":
        encoding = "utf-16" if layout.encoding.startswith("utf-16") else layout.encoding
        yield from _noted(f"        encoding={text(encoding)},", "the bytes are no UTF-8")


def _aliases(found: Study) -> Iterator[str]:
    """Names in the file that are not the declared ones; a name that stands there twice, or not at all, has no alias."""
    if found.layout.format != "csv" or not found.layout.header:
        return
    headers = [column.header for column in found.columns]
    renamed = [column for column in found.columns if column.header != column.name]
    plain = [column for column in renamed if column.header and headers.count(column.header) == 1]
    if plain:
        yield "        aliases={"
        for column in plain:
            yield f"            {text(column.header)}: {text(column.name)},"
        yield "        },"
    for column in renamed:
        if column not in plain:
            yield f"        # {column.name}: the file has no name of its own for this column; ask its sender for one"


def template(path: Path, found: Study) -> str:
    """The path template of files like this one: dates and times become parts, so do values of constant columns."""
    parts = path.absolute().parts[:-1]
    folders = parts[len(parts) - parts[::-1].index("landing") :] if "landing" in parts else ()
    constant = {values[0].casefold(): column for column, values in found.sets.items() if len(values) == 1}
    stem, dot, ending = path.name.partition(".")
    stem = stem.replace("{", "{{").replace("}", "}}")
    for form, part in _PARTS:
        stem = re.sub(form, part, stem, count=1)
    stem = "".join(_captured(piece, constant) for piece in re.split(r"(\{[^}]*\}|_)", stem))
    proposed = "/".join(("landing", *folders, f"{stem}{dot}{ending}"))
    return proposed if _matches(proposed, "/".join(("landing", *folders, path.name))) else "landing/{file}"


_PARTS = (
    (r"(?<!\d)(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)", "{day:%Y-%m-%d}"),
    (r"(?<!\d)(?:19|20)\d\d_[01]\d_[0-3]\d(?!\d)", "{day:%Y_%m_%d}"),
    (r"(?<!\d)(?:1[3-9]|2\d|3[01])-[01]\d-(?:19|20)\d\d(?!\d)", "{day:%d-%m-%Y}"),
    (r"(?<!\d)\d\d-\d\d-(?:19|20)\d\d(?!\d)", "{day}"),
    (r"(?<!\d)(?:19|20)\d\d[01]\d[0-3]\d(?!\d)", "{day:%Y%m%d}"),
    (r"(?<![\d{%])[0-2]\d-[0-5]\d-[0-5]\d(?!\d)", "{time}"),
    (r"(?<![\d{%])\d{2,}(?!\d)", "{number}"),
)


def _captured(piece: str, constant: dict[str, str]) -> str:
    column = constant.get(piece.casefold(), "")
    return f"{{{column}}}" if column and re.fullmatch("[A-Za-z][A-Za-z0-9_]*", column) else piece


def _matches(proposed: str, address: str) -> bool:
    try:
        return PathTemplate.parse(proposed).match(address) is not None
    except TriggerError:
        return False


# --- steps and checks -----------------------------------------------------------------------------------------------


def _steps(found: Study, variable: str) -> Iterator[str]:
    packed = found.form.packed
    if packed is None:
        return
    others = [column.name for column in found.columns if column.name not in found.dropped | {packed.column}]
    yield _step(variable, _UNPACKED, "source", f"First normal form: {packed.why}.", packed.unpacking(others, "source"))
    if packed.parts:
        listed = ", ".join(part.name for part in packed.parts)
        sql = packed.cutting(others, _UNPACKED)
        options = f'(per_distinct="{packed.element}")'
        yield _step(variable, _CUT, _UNPACKED, f"Each element is cut into {listed}.", sql, options)


def _step(variable: str, name: str, origin: str, why: str, sql: str, options: str = "") -> str:
    body = textwrap.indent(sql, " " * 8)
    head = f'\n@{variable}.step{options}\ndef {name}({origin}):\n    """{why}"""\n'
    return f'{head}    return {origin}.sql(r"""\n{body}""")\n'


def relation(found: Study) -> str:
    """The relation that is normalised."""
    packed = found.form.packed
    return "source" if packed is None else _CUT if packed.parts else _UNPACKED


def _checks(found: Study, variable: str) -> Iterator[str]:
    firm, soft = list(_firm(found)), list(_soft(found))
    if firm:
        yield _call(f"{variable}.checks", ['"source"', *firm], "What holds for every row of the sample.")
    if soft:
        note = "What holds in the sample, but need not for ever: reported, not refused."
        yield _call(f"{variable}.checks", ['"source"', *soft, 'severity="warn"'], note)
    packed = found.form.packed
    if packed is not None and packed.parts:
        rules = [_rule(f"IsComplete {quoted(part.name)}") for part in packed.parts]
        yield _call(f"{variable}.checks", [f'"{_CUT}"', *rules], "An element of another form is set aside.")


def _firm(found: Study) -> Iterator[str]:
    shown = [column for column in found.columns if column.name not in found.dropped]
    for column in shown:
        if column.complete and found.rows >= 10:
            yield _rule(f"IsComplete {quoted(column.name)}")
    for column in shown:
        if column.role in ("measure", "money", "ordinal") and column.numeric and not column.negative:
            rule = f"ColumnValues {quoted(column.name)} >= 0"
            yield _rule(rule if column.complete else f"({rule}) or (ColumnValues {quoted(column.name)} = NULL)")
    packed = found.form.packed
    if found.total and packed is not None and found.sums == found.rows:
        yield _rule(f"Sql {raw_text(packed.summed(found.total))}")


def _soft(found: Study) -> Iterator[str]:
    for name, values in found.sets.items():
        if (
            len(values) > 1
            and name not in found.dropped
            and all(value.isprintable() and len(value) <= 40 for value in values)
        ):
            yield _rule(f"ColumnValues {quoted(name)} in [{', '.join(map(quoted, values))}]")
    filled = {column.name for column in found.columns if column.complete}
    for key in found.form.keys[:1]:
        if set(key) <= filled:
            yield _rule(f"IsUnique {' '.join(map(quoted, key))}")
    packed = found.form.packed
    if found.total and packed is not None and found.sums < found.rows:
        yield _rule(f"Sql {raw_text(packed.summed(found.total))}")


def _rule(rule: str) -> str:
    """A rule as Python text, without escapes where that is possible."""
    if rule.isprintable() and "'" not in rule:
        return f"r'{rule}'" if "\\" in rule else f"'{rule}'"
    if rule.isprintable() and '"""' not in rule and "'''" not in rule and not rule.endswith(("'", "\\")):
        return f"r'''{rule}'''"
    return text(rule)


# --- tables ---------------------------------------------------------------------------------------------------------


def _tables(found: Study, name: str, variable: str) -> Iterator[str]:
    if not found.form.splits:
        key = found.form.keys[0] if found.form.keys else ()
        note = f"Unique in the sample: {', '.join(key)}." if key else "No column or pair of columns is surely a key."
        yield "\n".join((*_comment(note, ""), f'{variable}.load("source", to=ps.lake(), table={text(name)})'))
        return
    lines = [f'"{relation(found)}"']
    for entity in found.form.entities:
        lines += [*_comment("; ".join(entity.why), ""), f"{entity.name}={_entity(entity)}"]
    lines += [f"{owned.name}={_owned(owned)}" for owned in found.form.owned]
    yield _call(f"{variable}.normalize", lines, "Third normal form: the tables join back to exactly these rows.")
    yield f"{variable}.load_all(to=ps.lake())"


def _entity(entity: EntityProposal) -> str:
    attributes = f", attributes={_listed(entity.attributes)}" if entity.attributes else ""
    return f"ps.entity({', '.join(map(text, entity.natural))}{attributes}{_id(entity.id)})"


def _owned(owned: OwnedProposal) -> str:
    parts = [*map(text, owned.columns)]
    parts += [f"refs={_listed(owned.refs)}"] if owned.refs else []
    parts += [f"key={_listed(owned.key)}"] if owned.key else []
    parts += [f"id={text(owned.id)}"] if owned.id else []
    return f"ps.owned({', '.join(parts)})"


def _id(name: str) -> str:
    return f", id={text(name)}" if name else ""


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(map(text, names))}]"


def _warnings(found: Study) -> Iterator[str]:
    warnings = [*found.form.warnings, *_layout_warnings(found)]
    if warnings:
        yield "\n".join(("# To be judged by someone who knows the data:", *_bullets(warnings)))


def _layout_warnings(found: Study) -> Iterator[str]:
    if found.layout.skipped:
        yield f"the table begins after {found.layout.skipped} other lines, which would be set aside or refused"
    if found.layout.format == "csv" and not found.layout.header:
        yield "the file has no header: the names of its columns are guesses"


# --- text -----------------------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """A text as a Python literal; whatever does not print is escaped."""
    return json.dumps(value, ensure_ascii=not value.isprintable())


def _noted(line: str, note: str) -> Iterator[str]:
    if not note:
        yield line
    elif len(line) + len(note) + 4 <= _WIDTH:
        yield f"{line}  # {note}"
    else:
        yield from _comment(note, line[: len(line) - len(line.lstrip())])
        yield line


def _comment(note: str, indent: str) -> Iterator[str]:
    lines = textwrap.wrap(note, _WIDTH - 2 - len(indent))
    return (f"{indent}# {line}" for line in lines)


def _bullets(notes: Iterable[str]) -> Iterator[str]:
    for note in notes:
        first, *rest = textwrap.wrap(note, _WIDTH - 4)
        yield f"# - {first}"
        yield from (f"#   {line}" for line in rest)


def _call(function: str, arguments: Sequence[str], note: str) -> str:
    body = "\n".join(f"    {line}" if line.startswith("#") else f"    {line}," for line in arguments)
    return f"# {note}\n{function}(\n{body}\n)"


__all__ = ["Column", "draft_pipeline", "template", "write"]
