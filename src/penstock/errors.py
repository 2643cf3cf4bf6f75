"""Every error that Penstock raises, in one tree.

The type decides what happens next: `retry` says whether the same work may succeed later, `exit_code` what a
command returns. A message carries what happened, where, why, and the way out; none may hold a value from the data.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any


class PenstockError(Exception):
    """The root: `error[E204]: what`, then `at`, `why` and `fix` where they are known."""

    code = "E000"
    exit_code = 1
    retry = False

    def __init__(self, what: str, *, at: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.at, self.why, self.fix = what, at, why, fix

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders with all their parts."""
        return _rebuild, (type(self), self.what, self.at, self.why, self.fix)

    def facts(self) -> dict[str, str]:
        """The error as one flat record, for the ledger and for `--json`."""
        parts = {"code": self.code, "message": self.what, "at": self.at, "why": self.why, "fix": self.fix}
        return {name: text for name, text in parts.items() if text}


def _rebuild(kind: type[PenstockError], what: str, at: str, why: str, fix: str) -> PenstockError:
    return kind(what, at=at, why=why, fix=fix)


def unexpected(error: BaseException) -> PenstockError:
    """What a person is told about a mistake of ours. The original message may hold data, so it is left out."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f"{os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else ""  # noqa: PTH119
    return PenstockError(
        f"unexpected {type(error).__name__}",
        at=place,
        why="this is a mistake in Penstock, not in your project",
        fix="add --verbose for the traceback, and report it with the output of penstock doctor",
    )


# --- what a person typed -----------------------------------------------------------------------------------------


class UsageError(PenstockError):
    """A command or a call that cannot be carried out as written."""

    code = "E001"
    exit_code = 2


class UnknownName(UsageError):
    """A pipeline, run, table or command of that name does not exist."""

    code = "E002"

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str], *, at: str = "") -> UnknownName:
        """The error with its way out: the nearest known name, or all of them."""
        return cls(f"there is no {kind} {name!r}", at=at, fix=nearest(name, known))


def nearest(name: str, known: Iterable[str]) -> str:
    """“did you mean …?”, or what there is to choose from."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else ""


# --- what an author declared -------------------------------------------------------------------------------------


class DefinitionError(PenstockError):
    """A pipeline file, or the project's settings, cannot be right."""

    code = "E100"
    exit_code = 3


class SettingsError(DefinitionError):
    """A setting is unknown or has a value that it cannot have."""

    code = "E101"


class StepError(DefinitionError):
    """A step names an unknown input, stands in a cycle, or is not what it claims to be."""

    code = "E110"


class RuleError(DefinitionError):
    """A check is not a rule that Penstock knows."""

    code = "E120"


class TriggerError(DefinitionError):
    """A path template or event pattern cannot match anything, or is malformed."""

    code = "E130"


# --- what arrived ------------------------------------------------------------------------------------------------


class DataError(PenstockError):
    """The data itself is at fault: trying again changes nothing."""

    code = "E200"
    exit_code = 3


class RefusedFile(DataError):
    """A whole file cannot be read as what it is declared to be; the ledger keeps the reason."""

    code = "E201"


class ContractBroken(DataError):
    """The columns of a file are not the declared ones."""

    code = "E202"


class CheckStopped(DataError):
    """A check of severity `stop` failed."""

    code = "E203"


class Suspended(DataError):
    """A `quarantine` check failed and the pipeline is `hard`: a person decides."""

    code = "E204"


class StepFailed(DataError):
    """A step raised, or the engine refused its SQL on this data."""

    code = "E205"
    exit_code = 1


class RowsUnaccounted(DataError):
    """Promise 4 is broken: the fates of a run's rows do not add up to its input."""

    code = "E206"
    exit_code = 1


class SourceRefused(DataError):
    """A source answers, but not with what the pipeline reads: not there, not allowed, too large."""

    code = "E207"
    exit_code = 1


# --- what may pass -----------------------------------------------------------------------------------------------


class Unavailable(PenstockError):
    """Something outside cannot be reached or has no room now; the work is tried again."""

    code = "E300"
    retry = True


class StorageUnavailable(Unavailable):
    """A file could not be read or written: permissions, a full disk, a mount that went away."""

    code = "E301"


class DestinationUnavailable(Unavailable):
    """The destination does not answer, or went away in the middle."""

    code = "E302"


class ChannelUnavailable(Unavailable):
    """A message could not be handed over now; it stays in the outbox and is tried again."""

    code = "E306"


class LedgerBusy(Unavailable):
    """Another process holds the ledger for longer than the time limit."""

    code = "E304"


class BufferFull(Unavailable):
    """A stream's buffer has no room now: whoever sent the records keeps them and sends them again."""

    code = "E305"


class SourceUnavailable(Unavailable):
    """A source that is pulled does not answer, or breaks off. It may ask to be left alone for `wait` seconds."""

    code = "E307"

    def __init__(self, what: str, *, at: str = "", why: str = "", fix: str = "", wait: float = 0.0) -> None:
        super().__init__(what, at=at, why=why, fix=fix)
        self.wait = wait

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), self.what, at=self.at, why=self.why, fix=self.fix, wait=self.wait), ()


# --- what another worker did -------------------------------------------------------------------------------------


class ClaimLost(PenstockError):
    """The claim's epoch has passed: another worker owns this run now, and this one must let go."""

    code = "E310"


class WorkersLost(PenstockError):
    """Workers vanish whenever they work on this run: they were killed, or ran out of memory."""

    code = "E311"


class LedgerDamaged(PenstockError):
    """The ledger contradicts itself, or its file is no longer a database."""

    code = "E312"


# --- what a destination refuses ----------------------------------------------------------------------------------


class DestinationError(PenstockError):
    """The destination refuses the load as it is."""

    code = "E400"


class SchemaConflict(DestinationError):
    """The table there has a type or a column that the load would narrow."""

    code = "E401"
    exit_code = 3


class KeyCollision(DestinationError):
    """Two different natural keys share one surrogate key, or two slots share row identities."""

    code = "E402"


class EntityConflict(DestinationError):
    """Two deliveries disagree about an entity that is declared `conflict="reject"`."""

    code = "E403"
    exit_code = 3


class DestinationAhead(DestinationError):
    """The destination holds a newer generation of a slot than the ledger knows: the ledger is not the one it had."""

    code = "E404"


class RowsRefused(DestinationError):
    """The destination refuses some rows of a load for what they hold: `rows` says which, and it might take the others.

    They are set aside, and what is left is loaded; somebody hears of this error only where that does not help.
    """

    code = "E405"

    def __init__(self, what: str, *, at: str = "", why: str = "", fix: str = "", rows: Sequence[Any] = ()) -> None:
        super().__init__(what, at=at, why=why, fix=fix)
        self.rows = tuple(rows)

    def __reduce__(self) -> tuple[object, ...]:
        """With the rows."""
        return partial(RowsRefused, at=self.at, why=self.why, fix=self.fix, rows=self.rows), (self.what,)


class ChannelRefused(PenstockError):
    """A message's receiver refuses it, or the channel's URL cannot be one: trying again changes nothing."""

    code = "E410"


# --- what is missing on this machine -----------------------------------------------------------------------------


class SetupError(PenstockError):
    """A package, a key or a service that the project needs is not there."""

    code = "E500"
    exit_code = 3


class MissingSecret(SetupError):
    """The secret store has no value under a name that the project uses."""

    code = "E501"


class MissingExtra(SetupError):
    """An optional package is not installed."""

    code = "E502"
