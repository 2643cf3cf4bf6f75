"""A boundary behind a step changes nothing about what comes out: transformed and tested apart is prepared at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.support.prepared import KEY, NOW, Bench

import penstock as ps
from penstock.adapters.duckdb.engine import DuckEngine
from penstock.adapters.duckdb.session import Resources
from penstock.compile.boundaries import behind
from penstock.compile.plan import compile_pipeline
from penstock.errors import RowsUnaccounted, StepError
from penstock.model.runs import Result
from penstock.model.slots import Generation, Standing
from penstock.runtime.ports import Half, Input, Preparation

COLUMNS = {"day": "DATE", "user": "VARCHAR", "hours": "DECIMAL(5,2)", "card": "VARCHAR"}
HEADER = "day,user,hours,card\n"


def checkins(**more) -> ps.Pipeline:
    """A pipeline with a step behind which is a boundary, and steps before and after it."""
    pipeline = ps.Pipeline(
        "checkins",
        trigger=ps.upload("landing/{name}.csv"),
        source=ps.csv(columns=COLUMNS),
        privacy={"card": ps.tokenize()},
        **more,
    )

    @pipeline.step(filters=True)
    def worked(source):
        return source.sql("SELECT * FROM source WHERE hours > 0 OR hours IS NULL OR hours < 0")

    @pipeline.step(boundary=True)
    def renamed(worked):
        return worked.sql('SELECT day AS worked_on, "user", hours, card FROM worked')

    @pipeline.step
    def minutes(renamed):
        return renamed.sql("SELECT *, CAST(hours * 60 AS BIGINT) AS minutes FROM renamed")

    @pipeline.step
    def totals(minutes):
        return minutes.sql('SELECT "user", sum(minutes) AS minutes FROM minutes GROUP BY "user"')

    pipeline.checks("source", 'ColumnValues "hours" >= 0')
    pipeline.checks("renamed", 'IsComplete "user"')
    pipeline.checks("renamed", 'IsUnique "card"')
    pipeline.checks("minutes", 'ColumnValues "minutes" <= 600', severity="warn")
    pipeline.load("minutes", to=ps.lake())
    pipeline.load("totals", to=ps.lake())
    return pipeline


def lines(numbers: Sequence[int]) -> str:
    """Rows of which some are wrong in each way that there is."""
    odd = {3: "2024-03-99,ada,1.00,c3", 5: "2024-03-01,,2.00,c5", 7: "2024-03-01,bob,-1.00,c7", 9: "torn,line"}
    odd |= {11: "2024-03-01,eve,0.00,c11", 13: "2024-03-01,max,12.00,c13", 15: "2024-03-01,ann,1.00,c14"}
    return HEADER + "".join(f"{odd.get(n % 20, f'2024-03-01,u{n % 4},1.25,c{n}')}\n" for n in numbers)


class Halves(Bench):
    """Runs the two stages one after the other."""

    half: Half | None = None

    def run(self, generations: list[Generation], again: Sequence[Generation] | None = None) -> list[Result]:
        resources = Resources(self.folder / "scratch", threads=self.threads, chunk_bytes=self.chunk_bytes)
        engine = DuckEngine(self.landing, self.folder, resources, KEY)
        inputs = tuple(Input(generation, ordinal) for ordinal, generation in enumerate(generations))
        work = Preparation(self.plan, "r1", 1, inputs, NOW, self.hard)
        self.half = engine.transform(work)
        ended = {result.slot for result in self.half.results}
        rest = [item for item in (generations if again is None else again) if item.slot not in ended]
        inputs = tuple(Input(generation, ordinal) for ordinal, generation in enumerate(rest))
        self.prepared = engine.prepare(replace(work, attempt=2, inputs=inputs, kept=self.half.kept))
        return [*self.half.results, *self.prepared.results]


def outcome(bench: Bench, **files: str | bytes) -> tuple:
    """Everything that a preparation says and leaves."""
    results = bench.prepare(**files)
    rejects = [{name: value for name, value in reject.items() if name != "attempt"} for reject in bench.rejects()]
    by_slot = sorted((replace(result, checksums=dict(result.checksums)) for result in results), key=lambda r: r.slot)
    rows = [bench.rows(table.spec.name) for table in bench.plan.tables]
    return by_slot, sorted(rejects, key=repr), rows


FILES = {
    "one_file": {"a__csv": lines(range(100))},
    "many": {f"f{n}__csv": lines(range(n, n + 30)) for n in range(5)},
    "one_is_refused": {"a__csv": lines(range(20)), "b__csv": "nothing,of,this\n1,2,3\n", "c__csv": lines(range(20))},
    "empty": {"a__csv": HEADER},
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
@pytest.mark.parametrize("chunk_bytes", [400, 1 << 20])
def test_two_stages_are_one_prepare(tmp_path, files, chunk_bytes):
    whole = outcome(Bench(tmp_path / "whole", checkins(), chunk_bytes=chunk_bytes), **files)
    halves = outcome(Halves(tmp_path / "halves", checkins(), chunk_bytes=chunk_bytes), **files)
    assert halves == whole


def test_duplicates_are_found_behind_the_boundary_too(tmp_path):
    text = HEADER + "2024-03-01,ada,1.00,c1\n" * 3
    whole = outcome(Bench(tmp_path / "whole", checkins(deduplicate=["card"])), a__csv=text)
    assert outcome(Halves(tmp_path / "halves", checkins(deduplicate=["card"])), a__csv=text) == whole
    assert whole[0][0].fates.deduplicated == 2


def test_what_was_transformed_is_not_read_or_transformed_again(tmp_path):
    """The landing zone and the function are gone when it is tested."""
    calls = []
    pipeline = ps.Pipeline("p", trigger=ps.manual(), source=ps.csv(columns={"a": "BIGINT"}))

    @pipeline.step(rowwise=True)
    def dear(source: pa.Table) -> pa.Table:
        calls.append(source.num_rows)
        return source.append_column("b", pc.multiply(source["a"], 2))

    @pipeline.step(boundary=True)
    def kept(dear):
        return dear.sql("SELECT b FROM dear")

    pipeline.load("kept", to=ps.lake())
    bench = Halves(tmp_path, pipeline)
    (result,) = bench.prepare(a__csv="a\n1\n2\n")
    assert (result.fates.kept, bench.rows("kept", "b"), calls) == (2, [(2,), (4,)], [2])
    assert [step.name for step in behind(bench.plan).steps] == ["kept"]


def test_some_of_a_run_s_deliveries_are_tested_alone_under_other_ordinals(tmp_path):
    bench = Halves(tmp_path, checkins())
    files = {f"f{n}": lines(range(n, n + 20)) for n in range(3)}
    generations = []
    for number, (name, text) in enumerate(files.items()):
        bench.prepare(**{f"{name}__csv": text})
        address = f"landing/{name}.csv"
        content = bench.landing.content(address)
        generations.append(replace(_generation(bench, address, number + 1), content=content))
    whole = bench.run(generations)
    alone = bench.run(generations, again=[generations[2]])
    assert alone == [result for result in whole if result.slot == generations[2].slot]


def _generation(bench: Bench, address: str, sequence: int) -> Generation:
    from penstock.model.slots import Kind, Slot

    return Generation(Slot(bench.pipeline.name, address), 1, Kind.DELIVERY, sequence, NOW)


def test_a_hard_test_suspends(tmp_path):
    (result,) = Halves(tmp_path, checkins(), hard=True).prepare(a__csv=lines(range(20)))
    assert (result.standing, result.fates.read) == (Standing.SUSPENDED, 20)


def test_rows_that_do_not_come_back_fail_the_run(tmp_path):
    bench = Halves(tmp_path, checkins())
    bench.prepare(a__csv=lines(range(20)))
    index = Path(bench.half.kept.files[0])
    told = json.loads(index.read_text())
    told["batches"][0]["parts"][0]["records"]["0"][0] += 1
    index.write_text(json.dumps(told))
    resources = Resources(tmp_path / "scratch", threads=1)
    generation = _generation(bench, "landing/a.csv", 1)
    work = Preparation(bench.plan, "r1", 3, (Input(generation, 0),), NOW, hard=False, kept=bench.half.kept)
    with pytest.raises(RowsUnaccounted, match="came back from staging"):
        DuckEngine(bench.landing, tmp_path, resources, KEY).prepare(work)


def test_no_clear_value_of_a_marked_column_is_kept(tmp_path):
    bench = Halves(tmp_path, checkins())
    bench.prepare(a__csv=HEADER + "2024-03-01,ada,1.00,4111111111111111\n")
    kept = b"".join(Path(file).read_bytes() for file in bench.half.kept.files)
    assert b"ada" in kept
    assert b"4111111111111111" not in kept


def test_a_wide_step_cannot_have_a_boundary():
    pipeline = ps.Pipeline("p", trigger=ps.manual(), source=ps.csv(columns={"a": "BIGINT"}))

    @pipeline.step(boundary=True)
    def totals(source):
        return source.sql("SELECT sum(a) AS a FROM source")

    pipeline.load("totals", to=ps.lake())
    with pytest.raises(StepError, match="'totals' cannot have a boundary"):
        compile_pipeline(pipeline)


def test_a_pipeline_has_one_boundary_at_most():
    pipeline = checkins()

    @pipeline.step(boundary=True)
    def other(minutes):
        return minutes.sql("SELECT * FROM minutes")

    with pytest.raises(StepError, match="cannot have a boundary") as caught:
        compile_pipeline(pipeline)
    assert caught.value.why == "step 'renamed' has one, and a pipeline has one at most"
