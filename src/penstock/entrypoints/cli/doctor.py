"""`doctor`: looks at the machine, the project and its secrets; each ✗ comes with the exact way to mend it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.adapters.secrets import PRIVACY_KEY, destination_url, is_exposed, privacy_keys
from penstock.entrypoints.cli.lookup import folder_of, one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import PenstockError, SetupError
from penstock.model.settings import LOCAL, Settings
from penstock.wiring import settings as wiring

if TYPE_CHECKING:
    from penstock.authoring.endpoints import Endpoint
    from penstock.authoring.pipeline import Pipeline

LEAST_FREE_BYTES = 1_000_000_000
ANSWER_SECONDS = 5
RENEWAL = timedelta(days=14)
"""A certificate that ends sooner should be renewed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `good`, `bad`, or `open` for what works but should be looked at."""

    name: str
    outcome: str
    detail: str = ""
    fix: str = ""


def arguments_doctor(parser: ArgumentParser) -> None:
    """The arguments of `doctor`."""
    parser.add_argument("--privacy", metavar="FILE", help="propose privacy marks for the columns of a file")
    parser.add_argument(
        "--notify", metavar="CHANNEL", nargs="?", const="", help="send a message to a channel (default: to each)"
    )


def doctor(options: Namespace, out: Output) -> int:
    """Print what was found. Exit code 3 when something must be mended."""
    if options.privacy:
        from penstock.entrypoints.cli.proposal import show_marks

        return show_marks(Path(options.privacy), out)
    if options.notify is not None:
        return _try_channels(options, out)
    try:
        settings = wiring.read(folder_of(options), options.env)
        looking = examine(settings, wiring.process_variables())
    except PenstockError as error:
        settings = Settings(folder=Path.cwd())
        looking = chain(machine(settings), [_bad("project", error)])
    findings = []
    for finding in looking:
        findings.append(finding)
        _show(finding, out)
    if settings.origins:
        _settings(settings, out)
    bad = sum(finding.outcome == "bad" for finding in findings)
    out.say(f"\n{len(findings)} looked at, {bad or 'nothing'} to mend")
    return SetupError.exit_code if bad else 0


def examine(settings: Settings, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Everything in turn; what depends on something broken is left out."""
    yield from machine(settings)
    yield from writable(settings)
    yield from exposed(settings, variables)
    for name, near in wiring.strange_variables(variables):
        yield Finding("variables", "open", f"{name} is not a setting", near)
    pipelines: dict[str, Pipeline] = {}
    yield _tried("pipelines", lambda: pipelines.update(_load(settings.folder)), lambda: ", ".join(pipelines))
    yield from keys(settings, variables, pipelines)
    yield from destinations(settings, variables, pipelines)
    yield from credentials(settings, variables, pipelines)
    yield from channels(settings, pipelines)
    yield from api_keys(settings, pipelines)
    yield from tls(settings, datetime.now(UTC))
    yield _tried("ledger", lambda: _open(settings), lambda: str(settings.store))
    if pipelines:
        yield from definitions(settings)


def machine(settings: Settings) -> Iterator[Finding]:
    """Python, the engine, the disk."""
    import duckdb

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "good", version)
    known = duckdb.__version__.startswith("2.0.")
    yield Finding(
        "duckdb", "good" if known else "bad", duckdb.__version__, "" if known else "pip install 'duckdb>=2.0,<2.1'"
    )
    free = shutil.disk_usage(_existing(settings.zones)).free
    room = "good" if free > LEAST_FREE_BYTES else "bad"
    yield Finding(
        "disk", room, f"{free / 1e9:,.1f} GB free", "" if room == "good" else f"make room on {settings.zones}"
    )


def writable(settings: Settings) -> Iterator[Finding]:
    """The folders that a run writes to."""
    for name, folder in (("zones", settings.zones), ("store", settings.store)):
        try:
            with tempfile.TemporaryFile(dir=_existing(folder)):
                yield Finding(name, "good", str(folder))
        except OSError as error:
            yield Finding(name, "bad", f"{folder}: {error.strerror}", f"sudo chown -R $USER {_existing(folder)}")


def exposed(settings: Settings, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Secrets that others on this machine may read."""
    loose = wiring.open_secrets(settings, variables).exposed()
    dotenv = settings.folder / ".env"
    if settings.environment == LOCAL and is_exposed(dotenv):
        loose.append(dotenv)
    for path in loose:
        mode = "700" if path.is_dir() else "600"
        yield Finding("secrets", "bad", f"others may read {path}", f"chmod {mode} {path}")
    if not loose:
        yield Finding("secrets", "good", "only you may read them")


def keys(settings: Settings, variables: Mapping[str, str], pipelines: Mapping[str, Pipeline]) -> Iterator[Finding]:
    """The privacy key, where a pipeline needs one."""
    needy = [name for name, pipeline in pipelines.items() if any(mark.keyed for mark in pipeline.marks())]
    secrets = wiring.open_secrets(settings, variables)
    if not needy:
        return
    if settings.environment == LOCAL and not secrets.find(PRIVACY_KEY):
        yield Finding("privacy key", "open", "will be made by the first run")
        return
    yield _tried("privacy key", lambda: privacy_keys(secrets), lambda: f"used by {', '.join(needy)}")


def destinations(
    settings: Settings, variables: Mapping[str, str], pipelines: Mapping[str, Pipeline]
) -> Iterator[Finding]:
    """Every database that a pipeline loads to: is it known where it is, and does it answer?"""
    targets = {target.name: target for item in pipelines.values() for loading in item.loadings for target in loading.to}
    secrets = wiring.open_secrets(settings, variables)

    def ask(name: str) -> None:
        _ask(destination_url(settings, secrets, name))

    for name, target in targets.items():
        if target.kind == "postgres":
            yield _tried(name, partial(ask, name), lambda: "PostgreSQL answers")


def credentials(
    settings: Settings, variables: Mapping[str, str], pipelines: Mapping[str, Pipeline]
) -> Iterator[Finding]:
    """Every secret that a source shows to where it is fetched from: has it a value?"""
    from penstock.authoring.origins import secrets_of

    users: dict[str, list[str]] = {}
    for pipeline in pipelines.values():
        for source, declared in pipeline.sources.items():
            for name in secrets_of(declared.origin) if declared.origin else ():
                users.setdefault(name, []).append(f"{pipeline.name}.{source}")
    secrets = wiring.open_secrets(settings, variables)
    for name, needy in sorted(users.items()):
        where = ", ".join(needy)
        detail = partial("used by {}".format, where)
        yield _tried(f"secret {name}", partial(secrets.get, name), detail, f"used by {where}")


def channels(settings: Settings, pipelines: Mapping[str, Pipeline]) -> Iterator[Finding]:
    """Whether it is known where each channel leads. Nothing is sent."""
    from penstock.wiring.local import Project
    from penstock.wiring.notices import channels as named
    from penstock.wiring.notices import notices_of

    notices = notices_of(settings, pipelines)
    project = Project(settings)
    for name in named(settings, pipelines):
        users = [pipeline for pipeline, told in notices.items() if any(name in notice.to for notice in told)]
        where = f"used by {', '.join(users)}" if users else ""
        yield _tried(
            f"notify {name}", partial(project.open_channel, name), lambda: "penstock doctor --notify tries it", where
        )
    project.close()


def api_keys(settings: Settings, pipelines: Mapping[str, Pipeline]) -> Iterator[Finding]:
    """Endpoints and streams that need an API key, and that no key opens."""
    from penstock.adapters.keys import Keys
    from penstock.authoring.streams import Stream

    served: list[Endpoint | Stream] = [
        *(item for pipeline in pipelines.values() for item in pipeline.endpoints),
        *(pipeline.trigger for pipeline in pipelines.values() if isinstance(pipeline.trigger, Stream)),
    ]
    paths = dict.fromkeys(item.path for item in served if not item.public)
    try:
        known = Keys(settings.store).all() if paths else []
    except PenstockError as error:
        yield _bad("API keys", error)
        return
    for path in paths:
        names = ", ".join(key.name for key in known if key.opens(path))
        if names:
            yield Finding("API keys", "good", f"{path} is opened by {names}")
        else:
            fix = f"penstock key create NAME --allow {path}"
            yield Finding("API keys", "open", f"{path} needs one, and none opens it", fix)


def tls(settings: Settings, now: datetime) -> Iterator[Finding]:
    """The web server's certificate, where one is named."""
    from penstock.entrypoints.api.tls import context, ends

    server, folder = settings.server, settings.folder
    if not server.tls_cert and not server.tls_key:
        return
    try:
        context(server, folder)
        end = ends(server, folder)
    except PenstockError as error:
        yield _bad("TLS", error)
        return
    key = folder / (server.tls_key or server.tls_cert)
    if key.stat().st_mode & 0o007:
        yield Finding("TLS", "bad", f"everybody may read {key}", f"chmod 640 {key}")
    state = "bad" if end <= now else "open" if end - now < RENEWAL else "good"
    fix = "" if state == "good" else f"renew it, put it at {folder / server.tls_cert}, and restart penstock serve"
    yield Finding("TLS", state, f"the certificate {'was' if end <= now else 'is'} valid until {end:%Y-%m-%d}", fix)


def definitions(settings: Settings) -> Iterator[Finding]:
    """Deliveries that were loaded under another definition of their pipeline than the present one: an edit alone makes
    nothing new, and a destination that was added knows nothing of what came before it."""
    from penstock.wiring.local import open_project

    try:
        with open_project(settings.folder, settings.environment) as project:
            for name, (older, loaded) in project.defined_otherwise().items():
                text = f"{older:,} of {loaded:,} deliveries of {name} were loaded under another definition"
                yield Finding("definitions", "open", text, f"penstock run {name} --reload")
    except PenstockError as error:
        yield _bad("definitions", error)


def _try_channels(options: Namespace, out: Output) -> int:
    """Send a message to each channel, and say what became of it."""
    from penstock.wiring.notices import channels as named

    with project_of(options) as project:
        names = named(project.settings, project.pipelines)
        if options.notify:
            names = [one_of("channel", options.notify, names)]
        found = [_tried(name, partial(project.try_channel, name), lambda: "took a message") for name in names]
    for finding in found:
        _show(finding, out)
    if not found:
        out.say('nobody is told of anything: add notify(to=ps.notify("team")) to a pipeline')
    return 1 if any(finding.outcome == "bad" for finding in found) else 0


def _ask(url: str) -> None:
    try:
        import psycopg
    except ImportError:
        raise SetupError("the driver for PostgreSQL is missing", fix="pip install 'penstock[postgres]'") from None
    try:
        with psycopg.connect(url, connect_timeout=ANSWER_SECONDS) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        kind = type(error).__name__
        raise SetupError(
            "the destination does not answer", why=kind, fix="check its URL, and that the server runs"
        ) from None


def _load(folder: Path) -> dict[str, Pipeline]:
    from penstock.wiring.definitions import load

    return load(folder)


def _open(settings: Settings) -> None:
    from penstock.wiring.local import open_project

    with open_project(settings.folder, settings.environment) as project:
        project.ledger.pending()


def _tried(name: str, attempt: Callable[[], object], detail: Callable[[], str], at: str = "") -> Finding:
    try:
        attempt()
    except PenstockError as error:
        return _bad(name, error, at)
    return Finding(name, "good", detail())


def _bad(name: str, error: PenstockError, at: str = "") -> Finding:
    place = f" ({'; '.join(filter(None, (at, error.at)))})" if at or error.at else ""
    why = f": {error.why}" if error.why else ""
    return Finding(name, "bad", f"error[{error.code}]: {error.what}{place}{why}", error.fix)


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _show(finding: Finding, out: Output) -> None:
    out.say(f"{out.mark(finding.outcome)} {finding.name:<12} {finding.detail}")
    for line in finding.fix.splitlines():
        out.say(f"    fix  {line}")
    out.event("finding", name=finding.name, outcome=finding.outcome, detail=finding.detail, fix=finding.fix)


def _settings(settings: Settings, out: Output) -> None:
    rows = [(key, _value(settings, key), origin) for key, origin in settings.origins.items()]
    for key, value, origin in rows:
        out.event("setting", name=key, value=value, origin=origin)
    out.say(f"\nsettings of environment {out.paint('bold', settings.environment)}")
    out.table(("setting", "value", "from"), [(key, _shown(value), origin) for key, value, origin in rows], indent="  ")


def _value(settings: Settings, key: str) -> Any:
    # A destination's URL may hold a password.
    value = "(set)" if key.endswith(".url") else wiring.value_of(settings, key)
    return os.fspath(value) if isinstance(value, Path) else value


def _shown(value: Any) -> str:
    return "as the pipeline says" if value is None else f"{value:,}" if type(value) is int else str(value)
