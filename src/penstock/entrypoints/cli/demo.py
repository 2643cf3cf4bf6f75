"""`demo`: a sample project, files in its landing zone, and what became of every row."""

from __future__ import annotations

import runpy
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.entrypoints.cli import account
from penstock.entrypoints.cli.init import create
from penstock.entrypoints.cli.output import Output, command
from penstock.entrypoints.cli.run import listener, runs_of
from penstock.errors import UsageError
from penstock.model.fates import Fates
from penstock.model.reasons import worded
from penstock.model.runs import Run
from penstock.runtime.healing import Selection

if TYPE_CHECKING:
    from penstock.wiring.local import Project

EXAMPLE = "cafe"
ORDERS = 300


def arguments_demo(parser: ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("folder", nargs="?", default="demo", help="where the sample project goes (default: demo)")


def demo(options: Namespace, out: Output) -> int:
    """Make the project, drop files, let the pipeline run, show everything."""
    from penstock.wiring.local import open_project

    folder = Path(options.folder).absolute()
    made = _project(folder)
    out.say(f"{out.paint('bold', 'Penstock')}: a café chain's till exports become clean tables\n")
    out.say(
        f"  project   {options.folder}/  {'made' if made else 'is there already'}; its pipeline is pipelines/cafe.py"
    )
    files = _drop(folder)
    with open_project(folder, options.env) as project:
        began = time.monotonic()
        with out.progress("demo") as progress:
            addresses = [f"landing/{file.name}" for file in files]
            runs = runs_of(project.run(EXAMPLE, addresses, listener=listener(out, progress)))
        _tell(project, runs, files, time.monotonic() - began, out)
    out.say("\nTry next:")
    called = command().removeprefix(f"{Path.cwd()}/")
    for words in next_words(runs):
        out.say(f"  {called} --project {options.folder} {words}")
    return account.exit_code(runs)


def _project(folder: Path) -> bool:
    """Make the project; False when it is there from an earlier time."""
    if (folder / "pipelines" / f"{EXAMPLE}.py").is_file():
        return False
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"the folder {folder.name!r} holds something else", fix="penstock demo ANOTHER_FOLDER")
    create(folder, EXAMPLE)
    return True


def _drop(folder: Path) -> list[Path]:
    """Two tills' files with the mistakes that tills make; the same each time, so that a second demo repeats them."""
    make = runpy.run_path(str(folder / "make_data.py"))["make"]
    files: list[Path] = make(folder / "landing", days=1, orders=ORDERS, seed=1, mistakes=True)
    return files


def _tell(project: Project, runs: Sequence[Run], files: Iterable[Path], seconds: float, out: Output) -> None:
    held = {generation.slot.address: run for run in runs for generation in run.generations}
    for file in files:
        run = held.get(f"landing/{file.name}")
        result = (
            next((item for item in run.results if item.slot.address == f"landing/{file.name}"), None) if run else None
        )
        text = account.fates(result.fates) if result else "the same as before, so nothing was loaded twice"
        out.say(f"  dropped   landing/{file.name}  {text}")
    total = sum((run.fates for run in runs), Fates())
    arrived = f"{total.kept:,} of {total.read:,} orders in {seconds:.1f} s" if runs else "nothing new"
    out.say(f"  arrived   {arrived}\n")
    out.table(("table", "rows"), counts(project), indent="  ")
    _aside(project, runs, out)
    out.record(account.finished(runs, EXAMPLE, seconds=seconds))


def _aside(project: Project, runs: Sequence[Run], out: Output) -> None:
    """What was set aside and why, with one place for each reason."""
    names = {run.id for run in runs}
    rejects = [reject for reject in project.rejects(Selection(EXAMPLE)) if reject.run in names or not names]
    if not rejects:
        return
    counts = Counter(reason for reject in rejects for reason in reject.reasons)
    first = {reason: reject for reject in reversed(rejects) for reason in reject.reasons}
    out.say(f"\n  set aside {len(rejects):,} orders, each with its reasons and its line:")
    for reason, rows in counts.most_common():
        place = f"{first[reason].slot.removeprefix('landing/')} line {first[reason].line}"
        out.say(f"    {rows:>3} × {worded(reason):<44} e.g. {place}")


def counts(project: Project) -> list[tuple[str, int]]:
    """Rows in each table of the pipeline, asked of the published tables."""
    names = dict.fromkeys(loading.table for loading in project.pipelines[EXAMPLE].loadings)
    found = []
    for name in names:
        _, rows = project.query(f'SELECT count(*) FROM "{name}"')  # noqa: S608  names that pipelines may have need no more
        found.append((name, int(next(iter(rows))[0])))
    return found


def next_words(runs: Sequence[Run]) -> list[str]:
    """What to try next."""
    sql = "select product, size, count(*) sold from order_items join products using (product_id) group by all"
    return [f'query "{sql}"', f"quarantine show {runs[-1].id}" if runs else "quarantine show"]
