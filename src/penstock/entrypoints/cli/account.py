"""What a command says about runs that are over: for every delivery its rows' fates, and one exit code."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.entrypoints.cli.output import Output
from penstock.errors import PenstockError
from penstock.model.fates import Fates
from penstock.model.reasons import worded
from penstock.model.runs import Result, Run, RunState, Stage
from penstock.model.slots import Standing
from penstock.model.strays import Stray

# The worst state of several runs speaks for all of them.
SEVERITY = (
    RunState.DEAD,
    RunState.FAILED,
    RunState.SUSPENDED,
    RunState.PARTIAL,
    RunState.WAITING,
    RunState.RUNNING,
    RunState.SUCCEEDED,
)
ENDINGS = {
    Standing.DEAD: RunState.DEAD,
    Standing.REFUSED: RunState.FAILED,
    Standing.STOPPED: RunState.FAILED,
    Standing.SUSPENDED: RunState.SUSPENDED,
}
UNFINISHED = (RunState.WAITING, RunState.RUNNING, RunState.DEAD)
SHOWN_FILES = 12
SHOWN_REASONS = 6


def exit_code(runs: Sequence[Run]) -> int:
    """0 when everything was loaded, 1 when work failed, 3 when a definition or the data is at fault."""
    codes = {_code(error) for run in runs for error in errors_of(run)}
    codes |= {1 for run in runs if run.state is not RunState.SUCCEEDED and not errors_of(run)}
    return 1 if 1 in codes else max(codes, default=0)


def finished(runs: Sequence[Run], pipeline: str, *, duplicates: int = 0, seconds: float = 0.0) -> dict[str, Any]:
    """The last line of `run --json`: all runs of one command and one pipeline, as one account."""
    results = [result for run in runs for result in run.results]
    return {
        "event": "run_finished",
        "run": runs[-1].id if runs else "",
        "runs": [run.id for run in runs],
        "pipeline": pipeline,
        "state": state_of(runs).value,
        "rows": sum((run.fates for run in runs), Fates()).as_dict(),
        "loaded": loaded(runs),
        "reasons": _total(result.reasons for result in results),
        "warnings": _total(result.warnings for result in results),
        "retries": _total(run.retries for run in runs),
        "duplicates": duplicates,
        "errors": [error for run in runs for error in errors_of(run)],
        "seconds": round(seconds, 3),
    }


def state_of(runs: Sequence[Run]) -> RunState:
    """The worst state; nothing to do is a success."""
    return min((run.state for run in runs), key=SEVERITY.index, default=RunState.SUCCEEDED)


def loaded(runs: Sequence[Run]) -> dict[str, int]:
    """Rows by table over all runs."""
    return _total(run.loaded for run in runs)


def errors_of(run: Run) -> list[dict[str, str]]:
    """What went wrong with a run and its deliveries, each once."""
    found = [
        {"slot": item.slot.address, "standing": item.standing.value, **item.error} for item in run.results if item.error
    ]
    if run.error and not any(run.error.items() <= error.items() for error in found):
        return [dict(run.error), *found]
    return found


def about(run: Run, addresses: Collection[str]) -> Run:
    """What a run says about some of its deliveries alone."""
    if all(generation.slot.address in addresses for generation in run.generations):
        return run
    results = tuple(result for result in run.results if result.slot.address in addresses)
    standings = {result.standing for result in results}
    if standings == {Standing.LOADED}:
        return replace(run, results=results, state=RunState.SUCCEEDED, error=None)
    state = next((state for standing, state in ENDINGS.items() if standing in standings), run.state)
    error = run.error if not any(result.error for result in results) else None
    return replace(run, results=results, state=state, error=error)


def delivery_lines(runs: Sequence[Run], out: Output) -> Iterator[str]:
    """One line for each delivery, trouble first, with reasons; of many good ones only the first. Where several
    pipelines have worked each line says which."""
    results = [(run, result) for run in runs for result in run.results]
    results.sort(key=lambda item: (not _bad(item[1]), not item[1].fates.quarantined))
    names = {run.pipeline for run in runs}
    width = max(map(len, names), default=0) + 2 if len(names) > 1 else 0
    for run, result in results[:SHOWN_FILES]:
        yield from _delivery(result, out, f"{run.pipeline:<{width}}" if width else "")
    if len(results) > SHOWN_FILES:
        rest = sum((result.fates for _, result in results[SHOWN_FILES:]), Fates())
        yield f"  {out.mark('good')} … and {len(results) - SHOWN_FILES:,} more: {fates(rest)}"


def stray_lines(strays: Sequence[Stray], out: Output) -> Iterator[str]:
    """One line for each file that fits no pipeline, with the reason of the one that it resembles."""
    for stray in strays[:SHOWN_FILES]:
        why = f" · {stray.near}: {stray.why}" if stray.why else ""
        yield f"  {out.mark('open')} {stray.address}  fits no pipeline{why}"
    if len(strays) > SHOWN_FILES:
        yield f"  {out.mark('open')} … and {len(strays) - SHOWN_FILES:,} more that fit no pipeline"


def fates(found: Fates) -> str:
    """`300 rows: 295 kept, 5 set aside`."""
    words = {
        "kept": found.kept,
        "filtered": found.filtered,
        "deduplicated": found.deduplicated,
        "set aside": found.quarantined,
    }
    told = ", ".join(f"{number:,} {word}" for word, number in words.items() if number or word == "kept")
    return f"{found.read:,} row{'' if found.read == 1 else 's'}: {told}"


def summary(runs: Sequence[Run], seconds: float, out: Output) -> Iterator[str]:
    """The end of a command: the state, the time, where the rows are, and what to do about those that are not."""
    good = exit_code(runs) == 0
    word = out.paint("green", "ok") if good else out.paint("red", state_of(runs).value)
    tables = " · ".join(f"{table} {rows:,}" for table, rows in loaded(runs).items())
    names = ", ".join(run.id for run in runs[:3]) + (f" and {len(runs) - 3:,} more" if len(runs) > 3 else "")
    yield f"{word} in {seconds:.1f} s · run {names}" if runs else f"{word} · nothing to do"
    halfway = any(run.stage in (Stage.LOAD, Stage.PUBLISH) and run.state in UNFINISHED for run in runs)
    if tables:
        yield f"loaded: {tables}"
    if halfway:
        yield "not every destination has the rows yet"
    elif runs and not tables:
        yield "nothing was loaded"
    retries = _total(run.retries for run in runs)
    if retries:
        yield f"retriable rows: {counted(retries)}"
    aside = [run for run in runs if run.fates.quarantined or run.retries.keys() - {"healed"}]
    if aside:
        yield f"look at the rows that were set aside: penstock quarantine {_shown(aside)}"
    for state, advice in (
        (RunState.SUSPENDED, "penstock redrive {} lets the good rows go on; --drop gives the delivery up"),
        (RunState.DEAD, "when the cause is gone: penstock redrive {}"),
        (RunState.WAITING, "{} {are} tried again by penstock serve, or by the next penstock run"),
    ):
        stopped = [run.id for run in runs if run.state is state]
        if stopped:
            yield advice.format(" ".join(stopped), are="is" if len(stopped) == 1 else "are")


def _shown(runs: Sequence[Run]) -> str:
    """What shows the rows of these runs, and of no others where there is one run."""
    if len(runs) == 1:
        return f"show {runs[0].id}"
    pipelines = {run.pipeline for run in runs}
    return f"show {pipelines.pop()}" if len(pipelines) == 1 else "list"


def counted(rows: Mapping[str, int]) -> str:
    """`12 healed, 85 waiting`."""
    return ", ".join(f"{number:,} {word}" for word, number in rows.items())


def failures(runs: Sequence[Run]) -> list[PenstockError]:
    """The errors of runs as errors, each kind once, so that they print as all errors do."""
    found: dict[tuple[str, str], PenstockError] = {}
    for error in (as_error(error) for run in runs for error in errors_of(run)):
        found.setdefault((error.code, error.what), error)
    return list(found.values())


def as_error(facts: Mapping[str, str]) -> PenstockError:
    """The error that a record of the ledger is about."""
    kind = classes().get(facts.get("code", ""), PenstockError)
    at = facts.get("at") or facts.get("slot", "")
    return kind(facts.get("message", ""), at=at, why=facts.get("why", ""), fix=facts.get("fix", ""))


def classes() -> dict[str, type[PenstockError]]:
    """Every error by its code."""
    found = {PenstockError.code: PenstockError}
    waiting: list[type[PenstockError]] = [PenstockError]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.setdefault(kind.code, kind)
            waiting.append(kind)
    return found


def _delivery(result: Result, out: Output, whose: str) -> Iterator[str]:
    name = whose + result.slot.address.removeprefix("landing/")
    if _bad(result):
        yield f"  {out.mark('bad')} {name}  {result.standing}"
        return
    mark = out.mark("open" if result.fates.quarantined else "good")
    yield f"  {mark} {name}  {fates(result.fates)}"
    reasons = sorted(result.reasons.items(), key=lambda item: -item[1])
    for reason, rows in reasons[:SHOWN_REASONS]:
        yield f"      {rows:>6,}  {worded(reason)}"
    if len(reasons) > SHOWN_REASONS:
        yield f"              … and {len(reasons) - SHOWN_REASONS:,} more"
    for reason, rows in result.warnings.items():
        yield f"      {rows:>6,}  warning: {reason}"


def _bad(result: Result) -> bool:
    return result.standing in (Standing.REFUSED, Standing.STOPPED, Standing.SUSPENDED, Standing.DEAD)


def _code(error: Mapping[str, str]) -> int:
    return as_error(error).exit_code


def _total(parts: Iterator[Mapping[str, int]] | Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for part in parts:
        for name, number in part.items():
            totals[name] = totals.get(name, 0) + number
    return totals
