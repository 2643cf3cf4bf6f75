"""`penstock VERB …`: finds the verb, reads its arguments, runs it, and turns every outcome into an exit code.

Verbs live in modules of their own and are imported when they are called, so that `--help` costs nothing.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from penstock.entrypoints.cli.output import Output
from penstock.errors import PenstockError, UnknownName, UsageError, nearest, unexpected

if TYPE_CHECKING:
    from argparse import ArgumentParser

OK, FAILED, INTERRUPTED = 0, 1, 130
EXIT_CODES = (
    "0 ok · 1 run failed · 2 wrong usage · 3 definition or data contract wrong · 4 differences · 130 interrupted"
)


class Verb(NamedTuple):
    """One verb: where it stands in the help, and the module that has its `arguments_VERB` and `VERB` functions."""

    group: str
    module: str
    summary: str
    examples: tuple[str, ...]


VERBS = {
    "demo": Verb("Begin", "demo", "make a sample project, drop files, watch them arrive", ("penstock demo",)),
    "init": Verb(
        "Begin",
        "init",
        "create a project, empty, from an example or from a file of yours",
        ("penstock init shop --example cafe", "penstock init shop", "penstock init shop --from sales.csv"),
    ),
    "test": Verb(
        "Begin",
        "proof",
        "run the project's fixtures: split equals whole, every row accounted for",
        ("penstock test", "penstock test cafe sample.csv"),
    ),
    "dev": Verb("Begin", "serve", "watch the landing zone, reload pipelines on edit", ("penstock dev",)),
    "run": Verb(
        "Run",
        "run",
        "run a pipeline now, on given files or on all that wait",
        ("penstock run cafe till.csv", "penstock run", "penstock run cafe till.csv --reload --hard",
         "penstock run covid --at 2020-06-04"),
    ),
    "serve": Verb("Run", "serve", "the same as dev for production: a supervisor and its workers", ("penstock serve",)),
    "key": Verb(
        "Run",
        "key",
        "API keys of the web server: list, create, revoke",
        ("penstock key create shop-window", "penstock key create till --allow /sales", "penstock key revoke till"),
    ),
    "replay": Verb(
        "Run",
        "rows",
        "run rejected rows again, as they are or with edits",
        ("penstock replay cafe", "penstock replay --run cafe-7 --fixes fixed.csv", "penstock replay cafe --rule total"),
    ),
    "withdraw": Verb(
        "Run",
        "deliveries",
        "take a delivered file's rows out of the tables again",
        ("penstock withdraw cafe landing/leeds_01-01-2020_09-00-00.csv",),
    ),
    "redrive": Verb(
        "Run",
        "deliveries",
        "send dead or suspended work on its way again, or give it up",
        ("penstock redrive", "penstock redrive cafe-7", "penstock redrive cafe-7 --drop"),
    ),
    "backfill": Verb(
        "Run",
        "keys",
        "let a pipeline catch up on what was loaded before it was declared",
        ("penstock backfill taxes", "penstock backfill taxes 20220201..20220228 --yes"),
    ),
    "publish": Verb(
        "Run",
        "publish",
        "versions of the lake's tables: list, bring one back",
        ("penstock publish taxis", "penstock publish taxis 17", "penstock publish taxis newest"),
    ),
    "schedule": Verb(
        "Run",
        "schedule",
        "what is due when; switch schedules on and off",
        ("penstock schedule", "penstock schedule disable taxis", "penstock schedule enable taxis"),
    ),
    "status": Verb(
        "Look",
        "status", "pipelines and their last runs, what failed first", ("penstock status", "penstock status --check")
    ),
    "logs": Verb(
        "Look",
        "logs",
        "what happened, in order: of everything, a pipeline or a run",
        ("penstock logs", "penstock logs cafe-7", "penstock logs cafe --follow"),
    ),
    "quarantine": Verb(
        "Look",
        "rows",
        "rejected rows: list, show, export",
        ("penstock quarantine", "penstock quarantine show cafe-7", "penstock quarantine export --to rejected.csv"),
    ),
    "query": Verb(
        "Look",
        "query",
        "SQL over the tables, and the catalog of them",
        ('penstock query "select * from branches"', "penstock query --file report.sql --csv",
         "penstock query --tables"),
    ),
    "chart": Verb(
        "Look",
        "chart",
        "charts: list, numbers, pictures; dashboards for Grafana",
        ("penstock chart", "penstock chart revenue-by-hour --out revenue.png", "penstock chart shop --out shop.json"),
    ),
    "verify": Verb("Look", "proof", "reconcile landing zone, ledger and destinations", ("penstock verify",)),
    "trace": Verb(
        "Look",
        "proof",
        "lead a loaded row back to its file and line",
        ("penstock trace orders 5129034455102938", "penstock trace products 'Chai latte' Large"),
    ),
    "doctor": Verb(
        "Look",
        "doctor",
        "check this machine and project, and say how to fix them",
        ("penstock doctor", "penstock doctor --privacy landing/leeds.csv"),
    ),
}  # fmt: skip


GENERAL = ("--project", "--env", "--json", "-v", "--verbose", "-h", "--help", "--version")
"""What may stand without a verb."""

COLLECTED_AFTER = 50_000
"""New objects; Python's own 700 has the collector look some hundred times while modules are imported."""


def command() -> int:
    """`main` in a process of its own. What it imports lives until it ends: looking for garbage among that would take a
    tenth of a short command's time."""
    gc.set_threshold(COLLECTED_AFTER)
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; prints every error itself."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    variables = os.environ
    verbose = bool({"-v", "--verbose"} & set(words)) or bool(variables.get("PENSTOCK_DEBUG"))
    out = Output(json="--json" in words, verbose=verbose, variables=variables)
    try:
        return _dispatch(words, out)
    except PenstockError as error:
        _fail(error, error, out)
        return error.exit_code
    except KeyboardInterrupt:
        out.note("\nstopped; what was finished is kept, and penstock run goes on from there")
        out.event("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read this output has gone; nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # noqa: BLE001  the last line of defence: no traceback, no data
        _fail(error, unexpected(error), out)
        return FAILED


def _fail(raised: BaseException, told: PenstockError, out: Output) -> None:
    if out.verbose:
        from penstock.entrypoints.cli.tracing import trace

        trace(raised, out.stderr)
    out.fail(told)


def _dispatch(words: list[str], out: Output) -> int:
    verb, rest = split(words)
    if not verb and "--version" in rest:
        out.say(f"penstock {version()}")
        out.record({"version": version()})
        return OK
    if not verb:
        _check_general(rest)
    if verb in ("", "help"):
        wanted = next((word for word in rest if not word.startswith("-")), "")
        if not wanted:
            out.say(overview(out))
            for name, item in VERBS.items():
                out.record({"verb": name, "group": item.group, "summary": item.summary})
            return OK
        verb, rest = wanted, ["--help"]
    if verb not in VERBS:
        raise UnknownName(
            f"there is no command {verb!r}", fix=f"{nearest(verb, VERBS)}   (penstock --help lists them all)"
        )
    return _call(verb, rest, out)


def _check_general(words: Sequence[str]) -> None:
    """Without a verb only general options may stand there: a misspelt one is no wish for help."""
    for word in words:
        name = word.partition("=")[0]
        if word.startswith("-") and name not in GENERAL:
            raise UsageError(f"penstock has no option {name!r}", fix=f"{nearest(name, GENERAL)}   (penstock --help)")


def _call(verb: str, rest: list[str], out: Output) -> int:
    from importlib import import_module

    module = import_module(f"penstock.entrypoints.cli.{VERBS[verb].module}")
    parser = make_parser(verb)
    getattr(module, f"arguments_{verb}")(parser)
    try:
        options = parser.parse_intermixed_args(rest)
    except SystemExit:  # --help has printed itself; errors are raised as UsageError
        return OK
    options.verbose = out.verbose
    code: int = getattr(module, verb)(options, out)
    return code


def split(words: Sequence[str]) -> tuple[str, list[str]]:
    """The verb, and everything else in its order: general options may stand before the verb, too."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in ("--env", "--project") else 1
    if index >= len(words):
        return "", list(words)
    return words[index], [*words[:index], *words[index + 1 :]]


def make_parser(verb: str) -> ArgumentParser:
    """A verb's parser with the options that every verb has."""
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    class Parser(ArgumentParser):
        def error(self, message: str) -> None:  # type: ignore[override]  # argparse exits, we raise
            raise _usage(verb, message, self)

    item = VERBS[verb]
    parser = Parser(
        prog=f"penstock {verb}",
        description=item.summary[0].upper() + item.summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  {example}" for example in item.examples),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    general = parser.add_argument_group("general options")
    general.add_argument(
        "--project", metavar="FOLDER", help="the project (default: this folder or the nearest above it)"
    )
    general.add_argument(
        "--env", metavar="NAME", help="the environment (default: default_env of the project, or local)"
    )
    general.add_argument("--json", action="store_true", help="one JSON object a line")
    general.add_argument("-v", "--verbose", action="store_true", help="tracebacks with unexpected errors")
    return parser


def _usage(verb: str, message: str, parser: ArgumentParser) -> UsageError:
    unknown = message.removeprefix("unrecognized arguments: ").split()[0]
    fix = f"penstock {verb} --help"
    if message.startswith("unrecognized") and unknown.startswith("-"):
        known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001  no public way
        near = nearest(unknown.partition("=")[0], known)
        fix = f"{near}   ({fix})" if near.startswith("did you mean") else fix
    return UsageError(f"penstock {verb}: {message}", fix=fix)


def overview(out: Output) -> str:
    """`penstock --help`."""
    lines = ["Penstock: event-driven ETL", "", "usage: penstock VERB [--env NAME] [--project FOLDER] [--json] [-v]"]
    group = ""
    for name, verb in VERBS.items():
        if verb.group != group:
            group = verb.group
            lines += ["", out.paint("bold", group)]
        lines.append(f"  {name:<11} {verb.summary}")
    return "\n".join([*lines, "", "penstock VERB --help shows examples.", f"Exit codes: {EXIT_CODES}"])


def version() -> str:
    """The installed version."""
    from penstock import __version__

    return __version__
