"""Pipeline files: find them, import each one alone, collect what they declare.

A project's pipelines are `pipelines/*.py` and `pipelines/*/pipeline.py`; names that begin with `_` are left alone.
Whatever goes wrong in one becomes a `DefinitionError` that names the file, the line and the way out.
"""

from __future__ import annotations

import builtins
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, ModuleType

from penstock.authoring.charts import Dashboard, alone
from penstock.authoring.endpoints import distinct
from penstock.authoring.pipeline import Pipeline
from penstock.authoring.place import declare, shorten
from penstock.authoring.streams import streams_of
from penstock.compile.readiness import conditions
from penstock.errors import DefinitionError, PenstockError, nearest

PIPELINES = "pipelines"
EXTRAS = {"pyarrow": "arrow", "polars": "polars", "psycopg": "postgres"}
# What these say is made of names in the file; the message of any other exception may be made of data.
_SPEAKING = (NameError, AttributeError, ImportError, TypeError)


def load(folder: Path) -> dict[str, Pipeline]:
    """The validated pipelines of a project, by name. Raises `DefinitionError`."""
    files = find(folder)
    if not files:
        raise DefinitionError(
            "the project has no pipeline",
            at=shorten(str(folder / PIPELINES)),
            why=f"there is neither {PIPELINES}/*.py nor {PIPELINES}/*/pipeline.py",
            fix="penstock init --here --example cafe   writes one to begin with",
        )
    pipelines: dict[str, Pipeline] = {}
    for file in files:
        for pipeline in read(file):
            declare(pipelines, pipeline.name, pipeline, f"pipeline {pipeline.name!r}", "name")
    distinct(endpoint for pipeline in pipelines.values() for endpoint in pipeline.endpoints)
    streams_of(pipeline.trigger for pipeline in pipelines.values())
    conditions(pipelines)
    alone(dashboard for pipeline in pipelines.values() for dashboard in pipeline.dashboards)
    return pipelines


def check(folder: Path) -> None:
    """Load and compile everything, and keep nothing. Raises `DefinitionError`."""
    from penstock.compile.plan import compile_pipeline

    for pipeline in load(folder).values():
        compile_pipeline(pipeline)


def find(folder: Path) -> list[Path]:
    """The pipeline files of a project, in the order of their names."""
    home = folder / PIPELINES
    found = [*home.glob("*.py"), *home.glob("*/pipeline.py")]
    return sorted(path for path in found if not path.relative_to(home).parts[0].startswith(("_", ".")))


def read(file: Path) -> list[Pipeline]:
    """Import one pipeline file and return what it declares, checked."""
    module = _run(file)
    pipelines = list({id(item): item for item in vars(module).values() if isinstance(item, Pipeline)}.values())
    if not pipelines:
        raise DefinitionError(
            f"{file.name} declares no pipeline",
            at=shorten(str(file)),
            fix=f'name = ps.Pipeline("name", …); a file that only helps others is named _{file.name}',
        )
    for pipeline in pipelines:
        with _explained(file):
            pipeline.validate()
    dashboards = {id(item): item for item in vars(module).values() if isinstance(item, Dashboard)}
    pipelines[0].dashboards = list(dashboards.values())
    return pipelines


def stamps(folder: Path) -> Mapping[Path, tuple[int, int]]:
    """Time of change and size of every file that the definitions are made of: differs when one was edited."""
    home = folder / PIPELINES
    files = sorted(path for path in home.rglob("*") if path.suffix in (".py", ".sql", ".toml"))
    settings = folder / "pyproject.toml"
    found: dict[Path, tuple[int, int]] = {}
    for path in (*files, settings):
        try:
            state = path.stat()
        except FileNotFoundError:  # an editor replaces files
            continue
        found[path] = (state.st_mtime_ns, state.st_size)
    return MappingProxyType(found)


def _run(file: Path) -> ModuleType:
    """Execute a file as a module of its own. Compiled from its text each time: an edit within a second counts."""
    name = f"_penstock_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    module = ModuleType(name, None)
    module.__file__ = str(file)
    with _explained(file), _beside(file.parent):
        code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        sys.modules[name] = module  # dataclasses and pickles look their module up
        exec(code, vars(module))  # noqa: S102  a pipeline file is the project's own code
    return module


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """Let a file import its neighbours, and let go of them afterwards: two pipelines may each have a `parts.py`."""
    before, cached = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # a stale .pyc would hide an edit within the same second
    try:
        yield
    finally:
        sys.dont_write_bytecode = cached
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            place = getattr(sys.modules[name], "__file__", None)
            if place and Path(place).is_relative_to(folder) and not name.startswith("_penstock_"):
                del sys.modules[name]


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except PenstockError as error:
        error.at = error.at or _place(error, file)
        raise
    except Exception as error:
        raise _explain(error, file) from error


def _explain(error: Exception, file: Path) -> DefinitionError:
    what = f"pipeline file {file.name} cannot be imported"
    if isinstance(error, SyntaxError):
        place = f"{shorten(error.filename or str(file))}:{error.lineno or 1}"
        why = f"{type(error).__name__}: {error.msg}{_pointer(error)}"
        return DefinitionError(what, at=place, why=why, fix="mend the line")
    if isinstance(error, OSError | UnicodeDecodeError) and error.__traceback__ and not _line(error, file):
        return DefinitionError(what, at=shorten(str(file)), why=type(error).__name__, fix="make it readable UTF-8 text")
    said = f": {error}" if isinstance(error, _SPEAKING) else ""
    return DefinitionError(what, at=_place(error, file), why=f"{type(error).__name__}{said}", fix=_fix(error))


def _pointer(error: SyntaxError) -> str:
    line = (error.text or "").rstrip()
    return f"\n{line}\n{' ' * ((error.offset or 1) - 1)}^" if line else ""


def _fix(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        extra = EXTRAS.get(error.name.partition(".")[0])
        return f"pip install 'penstock[{extra}]'" if extra else f"pip install {error.name.partition('.')[0]}"
    if isinstance(error, AttributeError) and error.name:
        return nearest(error.name, (name for name in dir(error.obj) if not name.startswith("_")))
    if isinstance(error, NameError) and error.name:
        return nearest(error.name, {*_names(error), *dir(builtins)}) if _names(error) else "import or define it first"
    return "mend the line; penstock doctor imports the file again"


def _names(error: Exception) -> set[str]:
    """The names that stood in the frame where an exception was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        {name for name in {**trace.tb_frame.f_globals, **trace.tb_frame.f_locals} if name[0] != "_"} if trace else set()
    )


def _line(error: Exception, file: Path) -> int:
    """The last line of this file on the way to the exception; 0 when it never came there."""
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _place(error: Exception, file: Path) -> str:
    """The innermost line of the pipeline's own folder."""
    trace, place = error.__traceback__, shorten(str(file))
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if Path(name).is_relative_to(file.parent):
            place = f"{shorten(name)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
