"""`key`: API keys of the web server: create, list, revoke."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from penstock.adapters.keys import Keys
from penstock.entrypoints.api.project import paths
from penstock.entrypoints.cli.lookup import one_of, project_of
from penstock.entrypoints.cli.output import Output
from penstock.errors import UsageError

ACTIONS = ("list", "create", "revoke")


def arguments_key(parser: ArgumentParser) -> None:
    """The arguments of `key`."""
    parser.add_argument("action", nargs="?", default="list", help="list (the default), create or revoke")
    parser.add_argument("name", nargs="?", metavar="NAME", help="whose key it is")
    parser.add_argument("--allow", metavar="PATH", action="append", default=[], help="open this path only (repeatable)")


def key(options: Namespace, out: Output) -> int:
    """Create, list or revoke; a new key is printed once and kept as a hash."""
    action = one_of("action", options.action, ACTIONS)
    with project_of(options) as project:
        keys = Keys(project.store)
        if action == "list":
            _list(keys, out)
            return 0
        if not options.name:
            raise UsageError(f"penstock key {action} needs a name", fix=f"penstock key {action} NAME")
        if action == "revoke":
            keys.revoke(options.name)
            out.say(f"{out.mark('good')} the key {options.name!r} opens nothing any more")
            out.event("key_revoked", name=options.name)
            return 0
        allow = tuple(one_of("path", path, paths(project)) for path in options.allow)
        text = keys.create(options.name, allow)
        out.say(text)
        out.note("keep it: it is not shown again")
        out.event("key_created", name=options.name, key=text, allow=list(allow))
    return 0


def _list(keys: Keys, out: Output) -> None:
    known = keys.all()
    if not known:
        out.say("there is no API key yet: penstock key create NAME")
        return
    out.table(
        ["name", "opens", "created"], [[item.name, " ".join(item.allow) or "all", item.created_at] for item in known]
    )
    for item in known:
        out.record({"name": item.name, "allow": list(item.allow), "created_at": item.created_at})
