"""From what a person typed to a project, a pipeline, a run: exactly, by its beginning, or “did you mean”."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from penstock.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from penstock.model.runs import Run
    from penstock.wiring.local import Project

RECENT_RUNS = 500


def folder_of(options: Namespace) -> Path:
    """The project's folder: the one that was named, or the nearest from here upwards."""
    from penstock.wiring.settings import find_project

    if not options.project:
        return find_project(Path.cwd())
    folder = Path(options.project).resolve()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {options.project!r}", fix="name the folder that holds pyproject.toml")
    return find_project(folder)


def project_of(options: Namespace, **flags: object) -> AbstractContextManager[Project]:
    """The project that a command is about, opened; `flags` are settings that were typed."""
    from penstock.entrypoints.cli.tracing import listen
    from penstock.wiring.local import open_project

    listen(verbose=options.verbose)
    return open_project(folder_of(options), options.env, flags=flags)


def one_of(kind: str, name: str, known: Iterable[str]) -> str:
    """The known name. Raises `UnknownName` with the nearest."""
    names = list(known)
    if name not in names:
        raise UnknownName.among(kind, name, names)
    return name


def subject_of(project: Project, verb: str, word: str | None) -> tuple[str, list[str]]:
    """The pipeline that was named; or the one that takes the file that was named in its place, and that file."""
    if not word or word in project.pipelines:
        return word or "", []
    if not Path(word).is_file():
        raise UnknownName.among("pipeline or file" if {"/", "."} & set(word) else "pipeline", word, project.pipelines)
    names = project.takers_of(Path(word))
    if len(names) > 1:
        fix = "   or   ".join(f"penstock {verb} {name} {quote(word)}" for name in names)
        raise UsageError(f"{len(names)} pipelines take {word!r}: name one", fix=fix)
    return names[0], [word]


def address_of(project: Project, pipelines: Iterable[str], name: str) -> str:
    """A delivery's address in full, or by its end where that is enough: the file's name, say."""
    known = sorted({slot.address for pipeline in pipelines for slot in project.ledger.slots(pipeline)})
    if name in known:
        return name
    ending = [address for address in known if address.endswith("/" + name)]
    if len(ending) == 1:
        return ending[0]
    raise UnknownName.among("delivery", name, ending or known)


def run_of(project: Project, name: str) -> Run:
    """A run by its id, or by the beginning of it where that is enough."""
    found = project.ledger.run(name)
    if found is not None:
        return found
    runs = project.ledger.runs(limit=RECENT_RUNS)
    begun = [run for run in runs if name and run.id.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise UnknownName(f"{len(begun)} runs begin with {name!r}", fix=", ".join(run.id for run in begun[:5]))
    raise UnknownName.among("run", name, (run.id for run in runs))
