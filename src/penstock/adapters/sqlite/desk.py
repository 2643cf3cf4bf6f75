"""Where calls to the ledger are carried out, whoever makes them: alone, or many in one commit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from penstock.adapters.sqlite.store import SqliteLedger
from penstock.adapters.sqlite.wire import READS, WRITES, Answer, Call, pack, unpack
from penstock.errors import PenstockError, UsageError, unexpected

log = logging.getLogger("penstock")


class Desk:
    """Carries out calls on the ledger that this process holds."""

    def __init__(self, ledger: SqliteLedger) -> None:
        self._ledger = ledger

    def answer(self, call: Call) -> Answer:
        """Carry one call out; what it raises is its answer."""
        try:
            return Answer(self._carry_out(call))
        except PenstockError as error:
            return Answer(error=error)
        except Exception as error:
            log.exception("Call failed", extra={"action": "ledger_call_failed", "method": call.method})
            return Answer(error=unexpected(error))

    def answer_together(self, calls: Sequence[Call]) -> list[Answer]:
        """Carry writes out in one transaction: each is undone alone when it fails, and all are answered after the
        one commit. When that fails, nothing has happened, and all of them hear of it."""
        try:
            with self._ledger.store.writing():
                answers = [self.answer(call) for call in calls]
        except PenstockError as error:
            return [Answer(error=error)] * len(calls)
        return answers

    def _carry_out(self, call: Call) -> Any:
        if call.method not in READS | WRITES:
            raise UsageError(f"the ledger has no method {call.method!r}")
        if not call.memorable:
            return getattr(self._ledger, call.method)(*call.arguments, **call.named)
        with self._ledger.store.writing() as pages:
            kept = pages.answer(call.id)
            if kept is not None:
                return unpack(kept).value
            value = getattr(self._ledger, call.method)(*call.arguments, **call.named)
            pages.keep_answer(call.id, pack(Answer(value)))
            return value
