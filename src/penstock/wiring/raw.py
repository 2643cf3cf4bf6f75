"""What lies in the landing zone, as tables: read with the declared columns, protected by the declared marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from penstock.adapters.scratch import Scratch
from penstock.authoring.pipeline import SOURCE, Pipeline
from penstock.authoring.sources import Source
from penstock.authoring.tables import lake
from penstock.authoring.triggers import manual
from penstock.compile.plan import compile_pipeline
from penstock.compile.sql import quote_identifier, quote_literal
from penstock.model.slots import Generation, Kind, Slot
from penstock.runtime.intake import placed, takers, template_of
from penstock.runtime.ports import Found, Input, Preparation, Prepared
from penstock.wiring.versions import Versions

SCHEMA = "raw"
_MENTIONED = re.compile(r'\braw"?\s*\.\s*"?([a-z][a-z0-9_]*)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Landed:
    """A source's files in the landing zone."""

    pipeline: str
    source: str
    declared: Source
    files: tuple[Found, ...]

    @property
    def name(self) -> str:
        """`raw.taxis`; of a pipeline with several sources `raw.covid_cases`."""
        return f"{SCHEMA}.{self.pipeline}" + ("" if self.source == SOURCE else f"_{self.source}")


class Raw(Versions):
    """A project's landing zone as tables. Nothing of it leaves unprotected: the engine reads it as a run does."""

    def landed(self, only: str = "") -> list[Landed]:
        """Every source that files are delivered to or pulled for, with those that lie there now; of one pipeline or of
        all."""
        pipelines = {only: self.pipelines[only]} if only else self.pipelines
        template = template_of(pipelines[only]) if only and not pipelines[only].pulled else None
        files: dict[tuple[str, str], list[Found]] = {}
        for found in self.landing.scan(template.prefix) if template else self.landing.scan():
            for pipeline, source in _takers(pipelines, found):
                files.setdefault((pipeline, source), []).append(found)
        return [
            Landed(name, source, declared, tuple(files.get((name, source), ())))
            for name, pipeline in pipelines.items()
            for source, declared in pipeline.sources.items()
            if not declared.reads_table
        ]

    def raw_relations(self, sql: str) -> tuple[dict[str, str], dict[str, Sequence[str]]]:
        """The raw tables that some SQL mentions, as relations of SQL and the files behind them, until all is closed."""
        wanted = {f"{SCHEMA}.{name.lower()}" for name in _MENTIONED.findall(sql)}
        relations: dict[str, str] = {}
        files: dict[str, Sequence[str]] = {}
        for landed in self.landed() if wanted else ():
            # All names exist, so that a misspelt one is answered with the nearest; only what is mentioned is read.
            files[landed.name] = self._read(landed) if landed.name in wanted else ()
            relations[landed.name] = _relation(landed, files[landed.name])
        return relations, files

    def _read(self, landed: Landed) -> tuple[str, ...]:
        """Parquet files of the protected rows, in a place of their own that goes when all is closed."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        place = self._stack.enter_context(closing(Scratch(self.scratch))).folder
        inputs = tuple(Input(self._generation(landed, found), ordinal) for ordinal, found in enumerate(landed.files))
        prepared: Prepared | None = None
        if inputs:
            plan = compile_pipeline(self._reader(landed))
            engine = self.make_engine(zones=place)
            prepared = engine.prepare(Preparation(plan, "query", 1, inputs, self.clock(), hard=False))
        return tuple(str(file) for staged in (prepared.staged if prepared else ()) for file in staged.files)

    def _generation(self, landed: Landed, found: Found) -> Generation:
        content = self.landing.content(found.address)
        return Generation(Slot(landed.pipeline, found.address), 1, Kind.DELIVERY, 1, self.clock(), content)

    def _reader(self, landed: Landed) -> Pipeline:
        """A pipeline that does nothing but read the source."""
        privacy = self.pipelines[landed.pipeline].privacy.get(landed.source, {})
        # From where it is pulled does not matter: it is here.
        source = replace(landed.declared, origin=None)
        reader = Pipeline(landed.pipeline, trigger=manual(), source=source, privacy=privacy)
        reader.load(SOURCE, to=lake(), table=SCHEMA)
        return reader


def _takers(pipelines: Mapping[str, Pipeline], found: Found) -> Iterator[tuple[str, str]]:
    told = takers(pipelines, found.address, found.size)
    brought = (placed(pipeline, found.address) for pipeline in pipelines.values())
    return iter(dict.fromkeys((item.pipeline, item.member or SOURCE) for item in (*told, *brought) if item))


def _relation(landed: Landed, files: Sequence[str]) -> str:
    """The rows with the file and the line that each comes from."""
    if not files:
        columns = ", ".join(f"NULL::VARCHAR AS {quote_identifier(name)}" for name in landed.declared.names)
        return f"(SELECT {columns}, NULL::VARCHAR AS _file, NULL::BIGINT AS _line WHERE false)"
    listed = ", ".join(quote_literal(file) for file in files)
    bases = ", ".join(
        f"({Slot(landed.pipeline, found.address).base}, {quote_literal(found.address)})" for found in landed.files
    )
    joined = f"read_parquet([{listed}]) AS r ASOF JOIN (VALUES {bases}) AS f(base, file) ON r._row >= f.base"
    return f"(SELECT r.* EXCLUDE (_row), f.file AS _file, r._row - f.base AS _line FROM {joined})"  # noqa: S608  quoted
