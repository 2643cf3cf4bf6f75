"""`init`: a project, empty, from an example, or from a file that is already there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path

from penstock.entrypoints.cli.lookup import one_of
from penstock.entrypoints.cli.output import Output, command
from penstock.errors import StorageUnavailable, UsageError

MINIMAL = "minimal"
IGNORED = ("__pycache__", "landing", "staging", "quarantine", "curated", ".penstock", ".env", "demo")
GITIGNORE = (
    "".join(f"/{name}/\n" for name in ("landing", "staging", "quarantine", "curated", ".penstock"))
    + ".env\n__pycache__/\n"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def arguments_init(parser: ArgumentParser) -> None:
    """The arguments of `init`."""
    parser.add_argument("name", nargs="?", help="the new folder, and the project's name")
    parser.add_argument("--example", metavar="NAME", help=f"begin with an example: {', '.join(sorted(examples()))}")
    parser.add_argument("--from", dest="source", metavar="FILE", help="begin with a pipeline proposed for this file")
    parser.add_argument("--here", action="store_true", help="in this folder, beside what is there")


def init(options: Namespace, out: Output) -> int:
    """Create a project."""
    folder = _folder(options)
    example = one_of("example", options.example or MINIMAL, examples())
    if options.source:
        from penstock.entrypoints.cli.proposal import propose

        name, text = propose(Path(options.source))
        files = [*create(folder, example, only=("pyproject.toml",)), _write(folder / "pipelines" / f"{name}.py", text)]
    else:
        files = create(folder, example)
    made = _landing(folder)
    steps = next_steps(folder, options.source or "", here=options.here)
    out.event("project_created", folder=folder, files=[str(file.relative_to(folder)) for file in files], next=steps)
    out.say(f"{out.mark('good')} {out.paint('bold', folder.name)}")
    out.say(tree(file.relative_to(folder) for file in files) + made + "\n\nNext:")
    for step in steps:
        out.say(f"  {step}")
    return 0


def examples() -> dict[str, Path]:
    """The examples that came with this installation, or lie in this checkout."""
    package = Path(__file__).resolve().parents[2]
    homes = (package / "examples", package.parents[1] / "examples")
    home = next((home for home in homes if (home / MINIMAL).is_dir()), homes[0])
    return {folder.name: folder for folder in sorted(home.glob("*")) if (folder / "pyproject.toml").is_file()}


def create(folder: Path, example: str, only: Iterable[str] = ()) -> list[Path]:
    """Copy an example into a folder, under the folder's name. Nothing that is there is overwritten."""
    origin = examples()[example]
    names = [path.relative_to(origin) for path in sorted(origin.rglob("*")) if path.is_file()]
    wanted = [name for name in names if (not only or str(name) in only) and not set(name.parts) & set(IGNORED)]
    taken = [name for name in wanted if (folder / name).exists() and name.name != "pyproject.toml"]
    if taken:
        fix = "move it away, or choose another folder"
        raise UsageError(f"{taken[0]} is already there", at=str(folder), fix=fix)
    made = [_copy(origin / name, folder / name, folder.name) for name in wanted]
    ignore = folder / ".gitignore"
    return made if ignore.exists() else [*made, _write(ignore, GITIGNORE)]


def _landing(folder: Path) -> str:
    """Make the folder in which files land, so that one may be copied there; returns its line in the tree."""
    place = folder / "landing"
    if place.exists():
        return ""
    place.mkdir()
    return "\n  landing/"


def tree(files: Iterable[Path]) -> str:
    """The files of a project as a tree."""
    lines = []
    shown: set[Path] = set()
    for file in sorted(files, key=lambda path: (len(path.parts) > 1, path.parts)):
        for depth, parent in enumerate(reversed(file.parents[:-1])):
            if parent not in shown:
                shown.add(parent)
                lines.append("  " * (depth + 1) + parent.name + "/")
        lines.append("  " * len(file.parts) + file.name)
    return "\n".join(lines)


def next_steps(folder: Path, source: str, *, here: bool) -> list[str]:
    """The commands that show the new project at work: of an example those of its README, up to the first of ours."""
    enter = "" if here else f"cd {shlex.quote(os.path.relpath(folder))} && "
    if source:
        from penstock.entrypoints.cli.proposal import pipeline_name

        name = pipeline_name(Path(source))
        file = shlex.quote(str(Path(source).absolute()))
        return [f"{enter}$EDITOR pipelines/{name}.py", f"{command()} test {name} {file}"]
    readme = folder / "README.md"
    told = _told(readme.read_text(encoding="utf-8")) if readme.exists() else []
    if told:
        return [f"{enter}{told[0]}", *told[1:]]
    return [f"{enter}{command()} test", f"{command()} run sales fixtures/sales_2024-03-04.csv"]


def _told(readme: str) -> list[str]:
    """The first shell block, up to the first `penstock` command."""
    lines = readme.partition("```shell\n")[2].partition("```")[0].splitlines()
    ours = next((number for number, line in enumerate(lines, 1) if line.startswith("penstock ")), 0)
    programs = {"python": sys.executable, "penstock": command()}
    words = (line.partition(" ") for line in lines[:ours])
    return [f"{programs.get(word, word)} {rest}" for word, _, rest in words]


def _folder(options: Namespace) -> Path:
    if options.here and options.name:
        raise UsageError("--here takes no name", fix="penstock init --here   or   penstock init NAME")
    if options.here:
        return Path.cwd()
    if not options.name:
        raise UsageError(
            "the new project needs a name", fix="penstock init shop --example cafe   or   penstock init --here"
        )
    folder = Path(options.name).absolute()
    if not _NAME.fullmatch(folder.name):
        raise UsageError(f"{folder.name!r} cannot name a project", fix="letters, digits, - and _, a letter first")
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(
            f"the folder {options.name!r} is not empty",
            why="a new project would mix with what is there",
            fix=f"choose another name, or: cd {options.name} && penstock init --here",
        )
    return folder


def _copy(origin: Path, target: Path, project: str) -> Path:
    if target.name == "pyproject.toml":
        return _settle(origin, target, project)
    _parents(target)
    shutil.copyfile(origin, target)
    return target


def _settle(origin: Path, target: Path, project: str) -> Path:
    """The example's pyproject under the project's name; one that is there only gets the table that it lacks."""
    if not target.exists():
        text = re.sub(r'(?m)^name = ".*"$', f'name = "{project}"', origin.read_text(encoding="utf-8"), count=1)
        return _write(target, text)
    text = target.read_text(encoding="utf-8")
    if "[tool.penstock]" not in text:
        _write(target, text.rstrip("\n") + '\n\n[tool.penstock]\ndefault_env = "local"\n')
    return target


def _write(path: Path, text: str) -> Path:
    _parents(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageUnavailable("a file cannot be written", at=str(path), why=error.strerror or "") from error
    return path


def _parents(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable("a folder cannot be made", at=str(path.parent), why=error.strerror or "") from error
