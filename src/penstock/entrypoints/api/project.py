"""From a project to the web application that serves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.adapters.keys import Keys
from penstock.errors import MissingExtra, SetupError

if TYPE_CHECKING:
    from penstock.entrypoints.api.app import Ask, Service
    from penstock.wiring.local import Project

SEAL = "cursor_key"
SEAL_BYTES = 32


@contextmanager
def web(project: Project, port: int | None = None, *, patient: bool = False) -> Iterator[str]:
    """The web server of a project for as long as the block lasts; gives its address, or nothing where nothing is
    declared that it could serve. `patient` takes any free port when the usual one is taken."""
    if not project.endpoints and not project.streams:
        yield ""
        return
    try:
        from penstock.entrypoints.api import tls
        from penstock.entrypoints.api.app import application
        from penstock.entrypoints.api.server import bound, serving
    except ImportError as error:
        raise MissingExtra(
            "the web server cannot be started", why=f"{error.name} is missing", fix="pip install penstock"
        ) from error
    settings = project.settings.server
    settings = settings if port is None else replace(settings, port=port)
    context = tls.context(settings, project.settings.folder)
    try:
        listening = bound(settings)
    except SetupError:
        if not patient or port is not None:
            raise
        listening = bound(replace(settings, port=0))
    with serving(application(service(project)), listening, context, settings.proxies) as url:
        yield url


def paths(project: Project) -> list[str]:
    """What there is to ask, and to send to."""
    return [*(endpoint.path for endpoint in project.endpoints), *(stream.path for stream in project.streams.values())]


def service(project: Project) -> Service:
    """What the web application is made of."""
    from penstock.entrypoints.api import streams
    from penstock.entrypoints.api.access import Gate
    from penstock.entrypoints.api.app import LOCAL_NAMES, Service
    from penstock.entrypoints.api.questions import Seal
    from penstock.entrypoints.cli.main import version

    settings = project.settings.server
    own = [settings.host] if settings.host not in ("0.0.0.0", "::") else []  # noqa: S104  compared, not bound
    names = [*LOCAL_NAMES, *own, *(name.strip() for name in settings.names.split(",") if name.strip())]
    gate = Gate(Keys(project.store))
    routes = streams.routes(project.streams, project.buffers, gate, settings.body_bytes) if project.streams else []
    title = project.settings.project or "penstock"
    return Service(
        title, version(), project.endpoints, _ready(project), gate, Seal(_key(project)), names, routes,
        list(project.streams.values()),
    )  # fmt: skip


def _ready(project: Project) -> Ask:
    """Everything that requests share is opened before the first of them: they come in threads."""
    _ = project.plans, project.destinations
    return project.page


def _key(project: Project) -> bytes:
    """The key of cursors: made once, so that a page's cursor holds after a restart."""
    import secrets

    text = project.secrets.find(SEAL) or project.secrets.keep(SEAL, secrets.token_hex(SEAL_BYTES))
    return bytes.fromhex(text)
