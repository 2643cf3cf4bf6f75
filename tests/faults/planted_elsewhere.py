"""Bugs in what the café does not use: several inputs, keys, streams, times. Planted like those of `planted`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from tests.faults.planted import KeepsOldContributions, Wrapped, in_destinations, in_engine, in_ledger, rewritten

from penstock.model.streams import Appended
from penstock.runtime.ports import Preparation, Prepared
from penstock.testing.views import Opened

NUMBERS = itertools.count()


class TakesUtcForLocal(Wrapped):
    """Some times are an hour late."""

    def prepare(self, work: Preparation) -> Prepared:
        prepared = self.port.prepare(work)
        late = "if(hours_worked > 4, checked_in_at + INTERVAL 1 HOUR, checked_in_at)"
        for file in (file for item in prepared.staged for file in item.files):
            rewritten(file, f"SELECT * REPLACE ({late} AS checked_in_at) FROM staged")
        return prepared


class ForgetsTheOtherSource(Wrapped):
    """Once a day has waited, it is no longer looked at."""

    def prepare(self, work: Preparation) -> Prepared:
        prepared = self.port.prepare(work)
        if not work.earlier:
            return prepared
        for item in prepared.staged:
            for file in item.files:
                rewritten(file, "SELECT * FROM staged ORDER BY date LIMIT greatest(count(*) OVER () - 1, 0)")
        return prepared


class NothingIsEverTheSame(Wrapped):
    """Whatever is loaded counts as changed for those who read it."""

    def prepare(self, work: Preparation) -> Prepared:
        prepared = self.port.prepare(work)
        fresh = [
            replace(each, digests={name: f"{next(NUMBERS):x}" for name in each.digests}) for each in prepared.results
        ]
        return replace(prepared, results=tuple(fresh))


class ReadsOtherKeys(Wrapped):
    """Who reads a table of a key gets that of others, too."""

    def extract(self, pipeline: str, table: str, _slots: Sequence[str], path: Path) -> None:
        everything = [held.slot.address for held in self.port.holdings(pipeline, [table])]
        self.port.extract(pipeline, table, everything, path)


class FiresOnlyOnce(Wrapped):
    """A key that has fired is not fired again."""

    def published(self, run, epoch, now, triggers=()):
        waiting = [trigger for trigger in triggers if not self.port.slots(trigger.pipeline)]
        return self.port.published(run, epoch, now, waiting)

    def completed(self, run, epoch, now, results, staged, fingerprint, triggers=()):
        waiting = [trigger for trigger in triggers if not self.port.slots(trigger.pipeline)]
        return self.port.completed(run, epoch, now, results, staged, fingerprint, waiting)


class AcknowledgesTooSoon(Wrapped):
    """A sender is answered, and nothing is kept."""

    def submit(self, records):
        if next(NUMBERS) % 3:
            return self.port.submit(records)
        answered: Future[Appended] = Future()
        answered.set_result(Appended(len(records)))
        return answered


class WritesTwice(Wrapped):
    """What was written is sealed once more under another name."""

    def release(self, sealed, forget):
        self.port.release(sealed, forget)
        file = self.landing / sealed.address
        file.with_name(f"again-{file.name}").write_bytes(file.read_bytes())


def in_buffers(kind: type[Wrapped]):
    def rig(project: Opened) -> None:
        project.buffers = {name: kind(buffer) for name, buffer in project.buffers.items()}
        for buffer in project.buffers.values():
            buffer.landing = project.zones_folder

    return rig


BUGS = {
    "checkins": {"some times are an hour late": in_engine(TakesUtcForLocal)},
    "covid": {
        "a correction keeps days that are not known any more": in_destinations(KeepsOldContributions),
        "a day is lost once another has waited": in_engine(ForgetsTheOtherSource),
    },
    "taxis": {
        "records are acknowledged before they are kept": in_buffers(AcknowledgesTooSoon),
        "a file is written twice": in_buffers(WritesTwice),
    },
    "banking": {
        "senders mix": in_destinations(ReadsOtherKeys),
        "what has not changed fires": in_engine(NothingIsEverTheSame),
        "what has changed does not fire": in_ledger(FiresOnlyOnce),
    },
}
