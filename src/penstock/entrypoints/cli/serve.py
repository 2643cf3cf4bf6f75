"""`serve`: the supervisor with its workers. `dev`: the same on one's desk, with pipeline files reloaded on edit."""

from __future__ import annotations

import logging
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from penstock.entrypoints.api.project import paths, web
from penstock.entrypoints.cli.logs import events_after, last_sequence, show
from penstock.entrypoints.cli.lookup import folder_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import PenstockError
from penstock.wiring.repeating import repeated

if TYPE_CHECKING:
    from penstock.runtime.supervisor import Supervisor
    from penstock.wiring.local import Project

TELL_SECONDS = 0.2
LOOK_SECONDS = 0.3
FLUSH_SECONDS = 0.25

log = logging.getLogger("penstock")


def arguments_serve(parser: ArgumentParser) -> None:
    """The arguments of `serve`."""
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (setting workers)")
    parser.add_argument("--port", type=int, metavar="N", help="the web server's port (setting server.port; 0: any)")
    _arguments_tls(parser)


def _arguments_tls(parser: ArgumentParser) -> None:
    parser.add_argument("--tls-cert", metavar="FILE", help="the web server's certificate: it speaks TLS then")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key, where the certificate's file has none")


def _typed(options: Namespace) -> dict[str, str | None]:
    """The settings of the web server that were typed. Their names begin where the command was given."""
    files = {"server.tls_cert": options.tls_cert, "server.tls_key": options.tls_key}
    return {key: str(Path(name).absolute()) if name else None for key, name in files.items()}


def serve(options: Namespace, out: Output) -> int:
    """Work until SIGTERM or Ctrl-C; each worker finishes its stage."""
    with project_of(options, workers=options.workers, **_typed(options)) as project:
        _work(project, _Way("serving", project.settings.workers, options.port), out)
    return 0


def arguments_dev(parser: ArgumentParser) -> None:
    """The arguments of `dev`."""
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: this process does it all)")
    parser.add_argument("--port", type=int, metavar="N", help="the web server's port (default: the usual, or any)")
    _arguments_tls(parser)


def dev(options: Namespace, out: Output) -> int:
    """Work until Ctrl-C, and begin again with the new definitions whenever they were edited and are right."""
    folder = folder_of(options)
    word = "watching"
    while word:
        with project_of(options, **_typed(options)) as project:
            edited = _Edits(folder, out)
            _work(project, _Way(word, options.workers or 0, options.port, patient=True), out, edited)
            word = "reloaded" if edited.seen else ""
    return 0


@dataclass(frozen=True, slots=True)
class _Way:
    """How to work: the word for it, the workers, the web server's port."""

    word: str
    workers: int
    port: int | None
    patient: bool = False


class _Edits:
    """Looks for edits of definitions; a mistake is shown, and what ran goes on running."""

    def __init__(self, folder: Path, out: Output) -> None:
        from penstock.wiring.definitions import stamps

        self._folder, self._out = folder, out
        self._known = stamps(folder)
        self.seen = False

    def look(self) -> bool:
        """Whether there are new definitions that can run."""
        from penstock.wiring import definitions

        now = definitions.stamps(self._folder)
        if now == self._known:
            return False
        self._known = now
        try:
            definitions.check(self._folder)
        except PenstockError as error:
            self._out.fail(error)
            self._out.say("the definitions before the edit go on working")
            return False
        self.seen = True
        return True


def _work(project: Project, way: _Way, out: Output, edits: _Edits | None = None) -> None:
    supervisor = project.supervisor(workers=way.workers)
    watcher = project.watcher(supervisor)
    project.sweep()
    watcher.start()
    try:
        with (
            _stopped_by_signals(supervisor),
            _told(project, out),
            _looking(supervisor, edits),
            project.telling_meanwhile(),
            _flushing(project),
            web(project, way.port, patient=way.patient) as url,
        ):
            _announce(project, way.word, url, out)
            supervisor.run()
    finally:
        watcher.stop()
        project.sweep()


def _announce(project: Project, word: str, url: str, out: Output) -> None:
    zones = project.zones_folder
    out.say(f"{out.mark('good')} {word} {', '.join(project.pipelines)}: files in {zones}/landing (Ctrl-C ends it)")
    if url:
        out.say(f"{out.mark('good')} answering at {url}: {', '.join(paths(project))}")
    facts = {"url": url} if url else {}
    out.event("serving", word=word, pipelines=list(project.pipelines), landing=zones / "landing", **facts)


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        supervisor.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _told(project: Project, out: Output) -> Iterator[None]:
    """Print what the ledger records, as it is recorded."""
    after = last_sequence(project.ledger)

    def tell() -> None:
        nonlocal after
        for event in events_after(project.ledger, after):
            after = event.sequence
            show(event, out)

    with repeated(tell, TELL_SECONDS):
        yield
    tell()


@contextmanager
def _looking(supervisor: Supervisor, edits: _Edits | None) -> Iterator[None]:
    if edits is None:
        yield
        return

    def look() -> None:
        if edits.look():
            supervisor.stop()

    with repeated(look, LOOK_SECONDS):
        yield


@contextmanager
def _flushing(project: Project) -> Iterator[None]:
    """Write streams' files as they come due; what cannot be written now waits in the buffer."""
    if not project.streams:
        yield
        return

    def flush() -> None:
        try:
            project.flusher.flush()
        except PenstockError as error:
            log.warning("Flush failed", extra={"action": "flush_failed", "code": error.code, "error": error.facts()})

    _ = project.buffers  # opened before several threads ask for them
    with repeated(flush, FLUSH_SECONDS):
        yield
