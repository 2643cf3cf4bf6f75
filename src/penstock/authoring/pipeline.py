"""`Pipeline`: what a pipeline file declares. Declaring registers and checks; nothing runs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock.authoring.items import checked_forms
from penstock.authoring.matching import ATTEMPTS, Matched, matched
from penstock.authoring.notices import DEFAULT, Channel, Notice, notice
from penstock.authoring.place import Located, Place, here
from penstock.authoring.privacy import Mark
from penstock.authoring.rules import CheckSpec, check
from penstock.authoring.showing import Showing
from penstock.authoring.sources import ColumnType, Source
from penstock.authoring.steps import Step, from_function
from penstock.authoring.tables import Entity, Loading, Normalization, Owned, Target, referring
from penstock.authoring.triggers import Trigger, check_trigger, path_parts
from penstock.errors import DefinitionError, StepError
from penstock.model.tables import Mode

SOURCE = "source"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Deduplication:
    """Of the source rows of one slot that agree in these columns, the first stays."""

    columns: tuple[str, ...]


class Pipeline(Showing):
    """One pipeline: trigger, source, privacy, steps, checks, tables. A pipeline file holds one or more."""

    def __init__(
        self,
        name: str,
        *,
        trigger: Trigger,
        source: Source | None = None,
        sources: Mapping[str, Source] | None = None,
        privacy: Mapping[str, Any] | None = None,
        hard: bool = False,
        deduplicate: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        parts: Mapping[str, str] | None = None,
        catalog: bool = False,
    ) -> None:
        """Declare a pipeline.

        It has one `source`, which steps call by that word, or several `sources` by name: then `privacy` and
        `deduplicate` name the source first (`privacy={"cases": {"name": ps.drop()}}`). `parts` names captured parts of
        the path that become columns of every source, with their types: `parts={"branch": "VARCHAR", "day": "DATE"}`.

        `hard=True` suspends a run in which a `quarantine` check fails; otherwise the rows go aside and the run goes
        on. `deduplicate` names columns: rows of one delivery that agree in all of them count once (their fate is
        `deduplicated`); without it nothing is ever dropped for being alike. `catalog=True` lets each run begin with the
        catalog: what has landed is looked at, and columns that are new, wider or missing are told.
        """
        super().__init__(name)
        self.place = here()
        self.trigger = trigger
        self.several = sources is not None or bool(source and source.reads_table)
        """Whether a generation is a vector: several sources, or rows of a table."""
        self.sources = _sources(name, source, sources, self.place)
        self.privacy: dict[str, dict[str, Mark]] = self._by_source(privacy or {})
        self.parts = {name: ColumnType.parse(text, name) for name, text in (parts or {}).items()}
        """Parts of the path that become columns; a date is captured as a date, so that no format is needed here."""
        self.hard = hard
        self.catalog = catalog
        self.deduplications: dict[str, Deduplication] = {
            origin: Deduplication(tuple(columns)) for origin, columns in self._by_source(deduplicate or {}).items()
        }
        self.steps: dict[str, Step] = {}
        self.rules: list[tuple[CheckSpec, Place]] = []
        self.matches: list[Matched] = []
        self.normalizations: list[Normalization] = []
        self.loadings: list[Loading] = []
        self.notices: list[Notice] = []
        self.tracked: dict[str, str] = {}
        self._places: dict[str, Place] = {}
        with self._at(self.place):
            self._check_head()

    @property
    def source(self) -> Source:
        """The source; of several the first."""
        return next(iter(self.sources.values()))

    @property
    def pulled(self) -> bool:
        """Whether its sources are fetched, not delivered."""
        return self.source.origin is not None

    # --- declaring -----------------------------------------------------------------------------------------------

    def step(
        self,
        function: _Function | None = None,
        *,
        name: str = "",
        rowwise: bool | None = None,
        filters: bool = False,
        per_distinct: str = "",
        boundary: bool = False,
    ) -> Any:
        """Register a step (a decorator). Its parameters name its inputs: `source` (or a source's name), other steps.

        `filters=True` says that it leaves rows out on purpose. `rowwise=True` says of a Python function that each
        output row comes from one input row; it must keep the columns `_row` and `_slot`. `per_distinct="item"`
        evaluates a row-wise SQL step's expressions once for each distinct value of that column. `boundary=True` keeps
        what a row-wise step makes: testing it is a stage of its own, and is tried again alone.
        """
        place = here()

        def register(function: _Function) -> _Function:
            with self._at(place):
                title = name or function.__name__
                step = from_function(
                    function, place, name=title, rowwise=rowwise, filters=filters, per_distinct=per_distinct,
                    boundary=boundary,
                )  # fmt: skip
                self._add(step)
            return function

        return register if function is None else register(function)

    def sql(
        self, name: str, query: str, *, inputs: Iterable[str] = (), filters: bool = False, per_distinct: str = ""
    ) -> None:
        """Register a SQL step without a function; without `inputs` it reads every source."""
        place = here()
        with self._at(place):
            read = tuple(inputs) or tuple(self.sources)
            self._add(Step(name, read, place, query=query, filters=filters, per_distinct=per_distinct))

    def checks(self, relation: str, *rules: str, severity: str = "") -> None:
        """Test a relation (a source or a step) with DQDL rules.

        Severity `quarantine` (a failing row goes aside; the default for rules about rows), `warn`, or `stop` (the
        default for rules about a whole delivery).
        """
        place = here()
        with self._at(place):
            self.rules.extend((check(relation, rule, severity), place) for rule in rules)

    def matched(
        self, relation: str, *, in_: str, on: str | Sequence[str] | Mapping[str, str], attempts: int = ATTEMPTS
    ) -> None:
        """Rows of `relation` need a partner in `in_`; those without one wait in quarantine and come back by themselves.

        Both are sources, or row-wise steps of different sources. `on` names the columns that must be equal, as a
        mapping where their names differ. What waits is tried again by every later run of its delivery; an attempt
        counts only when the input behind `in_` has changed, and after so many `attempts` the row is parked.
        """
        place = here()
        with self._at(place):
            self.matches.append(matched(relation, in_, on, attempts, place))

    def normalize(self, relation: str, **tables: Entity | Owned) -> None:
        """Split a step's relation into entities (shared) and owned tables, in third normal form."""
        place = here()
        with self._at(place):
            self.normalizations.append(Normalization(relation, tables))
            for name, table in tables.items():
                self._check_table_name(name, place)
                self._check_refs(name, table, tables)

    def load(
        self,
        relation: str,
        *,
        to: Target | Sequence[Target],
        table: str = "",
        mode: str = "append",
        key: Sequence[str] = (),
        order: str = "",
        conflict: str = "latest",
        partition_by: Sequence[str] = (),
        references: str | Sequence[str] | Mapping[str, Sequence[str]] = (),
    ) -> None:
        """Load a step's relation as a table. `merge` needs a `key`; `partition` needs `partition_by`.

        `references="clients"` says that the columns of that merged table's key lead to it: a foreign key where the
        destination keeps them. Where they have other names here, they are named: `references={"clients": ["owner"]}`.
        """
        place = here()
        with self._at(place):
            disposition = _mode(mode)
            if disposition is Mode.MERGE and not key:
                raise DefinitionError(f"table {table or relation!r}: merge needs a key", fix='key=["id"]')
            if disposition is Mode.PARTITION and not partition_by:
                raise DefinitionError(
                    f"table {table or relation!r}: partition needs columns", fix='partition_by=["day"]'
                )
            self._check_table_name(table or relation, place)
            targets = (to,) if isinstance(to, Target) else tuple(to)
            referred = tuple(referring(references, self.loadings))
            self.loadings.append(
                Loading(
                    relation, table or relation, targets, disposition, tuple(key), order, conflict,
                    tuple(partition_by), referred,
                )
            )  # fmt: skip

    def load_all(self, *, to: Target | Sequence[Target], mode: str = "merge") -> None:
        """Load every normalised table: entities merge by key, owned tables replace their slot's rows."""
        with self._at(here()):
            if not self.normalizations:
                raise DefinitionError("there is nothing to load", fix="normalize first, or load() a step by name")
            if _mode(mode) is not Mode.MERGE:
                raise DefinitionError(f"load_all(mode={mode!r})", why="normalised tables merge", fix='mode="merge"')
            targets = (to,) if isinstance(to, Target) else tuple(to)
            for normalization in self.normalizations:
                self.loadings.extend(
                    Loading(normalization.relation, name, targets, Mode.MERGE) for name in normalization.tables
                )

    def notify(self, *, to: Channel | Sequence[Channel], on: str | Sequence[str] = DEFAULT) -> None:
        """Tell people how runs end: `succeeded`, `failed` (every other end), or parts of it: `partial`, `suspended`,
        `dead`. `retrying` tells of each attempt that failed while another will follow, `late` of a missed deadline."""
        with self._at(here()):
            self.notices.append(notice(on, to))

    def track(self, **forms: str) -> None:
        """Make each ingestion an item of `penstock status`, under these names: `track(id="{day}-{serial:03}", …)`.

        Braces hold parts of the trigger's path and what is known of the ingestion: `serial`, `state`, `status`, ….
        """
        with self._at(here()):
            self.tracked = checked_forms(forms, path_parts(self.trigger))

    # --- checking ------------------------------------------------------------------------------------------------

    def validate(self) -> None:
        """What can only be seen when the whole file has been read: inputs, cycles, relations of checks and tables."""
        for step in self.steps.values():
            for name in step.inputs:
                self._known(name, f"step {step.name!r} reads {name!r}", step.place)
        self.order()
        for spec, place in self.rules:
            self._known(spec.relation, f"a check is about {spec.relation!r}", place)
        for match in self.matches:
            for name in (match.relation, match.other):
                self._known(name, f"matched() is about {name!r}", match.place)
        for loading in self.loadings:
            self._known(loading.relation, f"a load reads {loading.relation!r}", self.place)
        for normalization in self.normalizations:
            self._known(normalization.relation, f"normalize reads {normalization.relation!r}", self.place)
        self.check_shown(self.loadings)
        if not self.loadings:
            raise DefinitionError(
                f"pipeline {self.name!r} loads nothing", at=str(self.place), fix="add load(…) or load_all(…)"
            )

    def order(self) -> list[Step]:
        """The steps, each after its inputs. Raises `StepError` on a cycle."""
        done: dict[str, None] = dict.fromkeys(self.sources)
        waiting = dict(self.steps)
        while waiting:
            ready = [step for step in waiting.values() if all(name in done for name in step.inputs)]
            if not ready:
                names = " → ".join(waiting)
                first = next(iter(waiting.values()))
                raise StepError(f"pipeline {self.name!r}: steps wait for each other: {names}", at=str(first.place))
            for step in ready:
                done[step.name] = None
                del waiting[step.name]
        return [self.steps[name] for name in done if name not in self.sources]

    def marks(self) -> Iterator[Mark]:
        """The privacy marks of all sources."""
        return (mark for marks in self.privacy.values() for mark in marks.values())

    def origin(self, relation: str) -> str:
        """The source that a relation's first input leads back to."""
        while relation not in self.sources:
            relation = self.steps[relation].inputs[0]
        return relation

    def _add(self, step: Step) -> None:
        if step.name == SOURCE or step.name in self.sources or step.name in self.steps:
            raise StepError(f"the name {step.name!r} is taken", at=str(step.place), fix="name the step otherwise")
        _check_name(step.name, "step")
        self.steps[step.name] = step

    def _check_head(self) -> None:
        _check_name(self.name, "pipeline")
        if self.catalog and all(source.reads_table for source in self.sources.values()):
            raise DefinitionError(
                f"pipeline {self.name!r}: catalog=True looks at files, and it reads tables",
                fix="say it of the pipeline that files are delivered to",
            )
        for name, source in self.sources.items():
            _check_name(name, "source")
            if not source.reads_table:
                self._check_columns(name, source)
            for part in self.parts:
                if part.lower() in (column.lower() for column in source.names) or source.reads_table:
                    raise DefinitionError(
                        f"the part {part!r} cannot be a column of {name!r}",
                        why="it is a table" if source.reads_table else "there is a column of that name",
                        fix="leave it out of parts" if source.reads_table else "name the column otherwise",
                    )
        check_trigger(self.trigger, self.sources, several=self.several)

    def _check_columns(self, name: str, source: Source) -> None:
        marks = self.privacy.get(name, {})
        for column in marks:
            if column not in source.names:
                raise DefinitionError(
                    f"privacy marks the unknown column {column!r}", fix=_suggest(column, source.names)
                )
        for column in self.deduplications[name].columns if name in self.deduplications else ():
            if column not in source.names or marks.get(column, Mark("")).kind == "drop":
                raise DefinitionError(f"deduplicate names {column!r}", fix=_suggest(column, source.names))

    def _by_source(self, declared: Any) -> dict[str, Any]:
        """What is said of each source; of the only one it is said without its name."""
        if not self.several:
            return {SOURCE: declared if isinstance(declared, Mapping) else tuple(declared)} if declared else {}
        for name in declared:
            if name not in self.sources or not isinstance(declared, Mapping):
                raise DefinitionError(
                    f"pipeline {self.name!r}: there is no source {name!r}",
                    at=str(self.place),
                    fix=_suggest(name, self.sources),
                )
        return {name: dict(said) if isinstance(said, Mapping) else tuple(said) for name, said in declared.items()}

    def _check_table_name(self, name: str, place: Place) -> None:
        _check_name(name, "table")
        if name in self._places:
            raise DefinitionError(f"table {name!r} is declared twice", why=f"first at {self._places[name]}")
        self._places[name] = place

    def _check_refs(self, name: str, table: Entity | Owned, tables: Mapping[str, Entity | Owned]) -> None:
        for ref in table.refs if isinstance(table, Owned) else ():
            if ref not in tables:
                raise DefinitionError(f"table {name!r} refers to the unknown table {ref!r}", fix=_suggest(ref, tables))
            if list(tables).index(ref) >= list(tables).index(name):
                raise DefinitionError(f"table {name!r} stands before its parent {ref!r}", fix="declare parents first")

    def _known(self, name: str, what: str, place: Place) -> None:
        known = (*self.sources, *self.steps)
        if name not in known:
            raise StepError(
                f"pipeline {self.name!r}: {what}, which does not exist", at=str(place), fix=_suggest(name, known)
            )

    def _at(self, place: Place) -> Located:
        return Located(self.name, place)


def _sources(
    pipeline: str, source: Source | None, sources: Mapping[str, Source] | None, place: Place
) -> dict[str, Source]:
    """The sources by name: the only one is called `source`."""
    if (source is None) is (sources is None) or sources == {}:
        raise DefinitionError(
            f"pipeline {pipeline!r} needs a source, or several by name",
            at=str(place),
            fix='source=ps.csv(…), or sources={"cases": ps.csv(…), "recoveries": ps.csv(…)}',
        )
    return {SOURCE: source} if source is not None else dict(sources or {})


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise DefinitionError(f"mode={text!r} is unknown", fix=_suggest(text, [mode.value for mode in Mode])) from None


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{what} name {name!r} is not usable",
            why="names become folders, tables and parts of messages",
            fix="lower-case letters, digits and underscores, a letter first, at most 48",
        )


def _suggest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
