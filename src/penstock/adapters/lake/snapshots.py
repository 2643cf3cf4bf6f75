"""The lake's folders: snapshots of hard links, one link that is swapped, a lock, and what is collected when.

    curated/<table>/current                       → ../.snapshots/<pipeline>/current/<table>
    curated/.snapshots/<pipeline>/current         → 17
    curated/.snapshots/<pipeline>/newest          → 19      only while an older version is published
    curated/.snapshots/<pipeline>/17/.manifest.json
    curated/.snapshots/<pipeline>/17/<table>/*.parquet

A data file has one name in each snapshot that it belongs to, and is gone when the last of them is collected: there is
nothing to count. A load builds the snapshot with the next number; what a crash leaves stands in that place and is
swept by the next load.

Loads build on `newest`, readers follow `current`: two names for one snapshot, except while a person has brought an
older version back. Two other ways were weighed. Swinging the one link back would make the next load build on the old
snapshot: what was loaded since would be gone from the destination, while the ledger says that it is there. A generation
for each slot that differs would keep one link, but has to load again what the landing zone may not hold any more, and
the feed's next file would publish what the person has just taken back. So nothing is undone: what is accepted stays
loaded, exactly once, and only what is shown is chosen.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from penstock.adapters.lake.manifest import CONTRIBUTIONS, Manifest, dumped, loaded
from penstock.errors import SchemaConflict, StorageUnavailable
from penstock.model.faults import point
from penstock.model.shapes import taken

SNAPSHOTS = ".snapshots"
CURRENT = "current"
NEWEST = "newest"
MANIFEST = ".manifest.json"
SLOTS = ".slots"

_NO_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP)
"""Another filesystem, too many names, or a filesystem without links: the file is copied instead."""


@contextmanager
def storage(what: str) -> Iterator[None]:
    """Filesystem errors as ours."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(what, why=error.strerror or type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a replaced snapshot stays, how many stay in any case, and how many are removed in one go."""

    grace: timedelta
    keep: int
    at_once: int = 8
    """More than one load makes, so that a backlog shrinks; few, so that no load pays for all of it."""


class Ground:
    """The folder `curated/`, and where everything is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def home(self, pipeline: str) -> Path:
        return self.folder / SNAPSHOTS / _name(pipeline)

    def snapshot(self, manifest: Manifest) -> Path:
        return self.home(manifest.pipeline) / str(manifest.number)

    @contextmanager
    def locked(self, pipeline: str) -> Iterator[None]:
        """One publisher of a pipeline at a time; the system lets go of the lock when its holder dies."""
        home = self.home(pipeline)
        with storage("the lake cannot be locked"):
            home.mkdir(parents=True, exist_ok=True)
            lock = (home / "lock").open("wb")
        with lock:
            with storage("the lake cannot be locked"):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def current(self, pipeline: str, link: str = CURRENT) -> Manifest:
        """The published snapshot, the `NEWEST`, or one by its number; number 0 where there is none."""
        if link != NEWEST:
            return self._manifest(pipeline, link)
        newest = self.home(pipeline) / NEWEST
        while True:
            apart = newest.is_symlink()
            manifest = self._manifest(pipeline, NEWEST if apart else CURRENT)
            # A person may bring a version back, or let go of it, between two looks.
            if newest.is_symlink() is apart:
                return manifest

    def _manifest(self, pipeline: str, link: str) -> Manifest:
        try:
            with storage("the lake's manifest cannot be read"):
                return loaded((self.home(pipeline) / link / MANIFEST).read_text(encoding="utf-8"))
        except StorageUnavailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return Manifest(pipeline)
            raise

    def numbers(self, pipeline: str) -> list[int]:
        """The snapshots that are kept, in order."""
        home, newest = self.home(pipeline), self.current(pipeline, NEWEST).number
        with storage("the lake's folder cannot be read"):
            found = [int(path.name) for path in home.iterdir() if path.name.isdigit()] if newest else []
        return sorted(number for number in found if number <= newest)

    @contextmanager
    def leased(self, pipeline: str, link: str = CURRENT) -> Iterator[Manifest]:
        """A snapshot, by default the published one, kept from being collected meanwhile, however long that is."""
        while True:
            manifest = self.current(pipeline, link)
            if not manifest.number:
                yield manifest
                return
            path = self.snapshot(manifest) / MANIFEST
            try:
                lease = path.open("rb")
            except FileNotFoundError:
                continue
            with lease:
                fcntl.flock(lease, fcntl.LOCK_SH)
                if not path.exists():
                    continue
                yield manifest
                return

    def claim(self, table: str, pipeline: str) -> None:
        """Lead `<table>/current` to the pipeline. Raises `SchemaConflict` when another one has the table."""
        folder = self.folder / _name(table)
        link = folder / CURRENT
        target = f"../{SNAPSHOTS}/{_name(pipeline)}/{CURRENT}/{table}"
        with storage(f"the table {table!r} cannot be made"):
            if not link.is_symlink():
                folder.mkdir(exist_ok=True)
                with suppress(FileExistsError):
                    link.symlink_to(target)
                persist(folder)
                persist(self.folder)
            there = str(link.readlink()) if link.is_symlink() else ""
        if there != target:
            raise taken(table, Path(there).parts[2] if len(Path(there).parts) > 2 else "")

    def publish(self, manifest: Manifest) -> None:
        """The commit: one rename. While an older version is published, readers go on seeing that."""
        home = self.home(manifest.pipeline)
        with storage("the lake's snapshot cannot be published"):
            if self.brought_back(manifest.pipeline):
                self._lead(manifest.pipeline, NEWEST, manifest.number)
                return
            if (home / NEWEST).is_symlink():
                # Left by a `show` that was cut off, it leads where `current` does, and must not when that moves on.
                _dropped(home / NEWEST)
            self._lead(manifest.pipeline, CURRENT, manifest.number)

    def brought_back(self, pipeline: str) -> int:
        """The older version that is published in place of the newest, or 0."""
        published, newest = self.ends(pipeline)
        return published if published != newest else 0

    def ends(self, pipeline: str) -> tuple[int, int]:
        """The numbers of the published version and of the newest; 0 where there is none."""
        home = self.home(pipeline)
        newest = _leads_to(home / NEWEST)  # first: until it is there, all that is published is the newest
        published = _leads_to(home / CURRENT)
        return published, newest or published

    def show(self, pipeline: str, number: int) -> None:
        """Publish a version that is kept; with the newest, every later one is published again as it comes.

        Both links lead to the newest in between: wherever this is cut off, nothing is brought back, or all of it.
        """
        home, newest = self.home(pipeline), self.current(pipeline, NEWEST).number
        with storage("the lake's snapshot cannot be published"):
            if number != newest:
                self._lead(pipeline, NEWEST, newest)
            self._lead(pipeline, CURRENT, number)
            if number == newest:
                _dropped(home / NEWEST)

    def _lead(self, pipeline: str, name: str, number: int) -> None:
        home = self.home(pipeline)
        following = home / f".{name}"
        following.unlink(missing_ok=True)
        following.symlink_to(str(number))
        point("lake.before_flip")
        following.replace(home / name)
        point("lake.after_flip")
        persist(home)

    def collect(self, manifest: Manifest, now: datetime, retention: Retention) -> None:
        """Remove snapshots that have been replaced for longer than the grace period, up to the first leased one.

        One that was brought back stays.
        """
        home, shown = self.home(manifest.pipeline), self.brought_back(manifest.pipeline)
        first = self.oldest(manifest)
        if first == shown:
            first = self.oldest(manifest, first + 1)
        for number in range(first, min(manifest.number - retention.keep + 1, first + retention.at_once)):
            with suppress(FileNotFoundError):
                replaced = (home / str(number + 1) / MANIFEST).stat().st_mtime
                if now.timestamp() - replaced < retention.grace.total_seconds():
                    return
            if number == shown or not _removed(home / str(number)):
                return
            point("lake.collected")

    def oldest(self, manifest: Manifest, since: int = 0) -> int:
        """The lowest number that is still kept, of those since one."""
        number = since or manifest.oldest
        while number < manifest.number and not (self.home(manifest.pipeline) / str(number)).exists():
            number += 1
        return number


class Draft:
    """The snapshot that is being built beside the published one."""

    def __init__(self, ground: Ground, before: Manifest) -> None:
        self._old = ground.snapshot(before)
        self.folder = ground.home(before.pipeline) / str(before.number + 1)
        self._made: set[tuple[str, str]] = set()
        self._folders: dict[str, Path] = {}
        with storage("the lake cannot be written"):
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir()

    def place(self, relation: str) -> Path:
        """The folder for new files of a relation."""
        if relation not in self._folders:
            self._folders[relation] = self.folder / relation
            with storage("the lake cannot be written"):
                self._folders[relation].mkdir()
        return self._folders[relation]

    def made(self, relation: str, path: str) -> None:
        """A new file has been written."""
        self._made.add((relation, path))

    def path(self, relation: str, path: str) -> str:
        """Where a file of the draft can be read: new here, or kept from the snapshot before."""
        new = (relation, path) in self._made
        return f"{self.folder if new else self._old}/{relation}/{path}"

    def adopt(self, relation: str, file: str, name: str) -> None:
        """Take a file from elsewhere as it is."""
        with storage("a staged file cannot be taken into the lake"):
            _link(file, f"{self.place(relation)}/{name}")
        self.made(relation, name)

    def keep(self, relation: str, paths: Iterable[str]) -> None:
        """Let the relation consist of these files: what is old is linked, what was only a step on the way goes."""
        folder, wanted = self.place(relation), set(paths)
        made = {path for owner, path in self._made if owner == relation}
        with storage("the lake cannot be written"):
            for path in made - wanted:
                (folder / path).unlink()
                self._made.discard((relation, path))
            for path in wanted - made:
                if "/" in path:
                    (folder / path).parent.mkdir(parents=True, exist_ok=True)
                _link(f"{self._old}/{relation}/{path}", f"{folder}/{path}")

    def write(self, relation: str, name: str, text: str) -> None:
        """A small file of our own."""
        with storage("the lake cannot be written"):
            (self.place(relation) / name).write_text(text, encoding="utf-8")
        self.made(relation, name)

    def seal(self, manifest: Manifest) -> None:
        """Write the manifest and make everything durable."""
        with storage("the lake's snapshot cannot be written"):
            (self.folder / MANIFEST).write_text(dumped(manifest), encoding="utf-8")
            for relation, path in self._made:
                persist(f"{self.folder}/{relation}/{path}", os.fdatasync)
            persist(self.folder / MANIFEST, os.fdatasync)
            for folder, _, _ in os.walk(self.folder):
                persist(folder)
            persist(self.folder.parent)

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def persist(path: Path | str, sync: Callable[[int], None] = os.fsync) -> None:
    """Make a folder, or with `os.fdatasync` a file's content, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _leads_to(link: Path) -> int:
    with suppress(FileNotFoundError):
        return int(link.readlink().name)
    return 0


def _dropped(link: Path) -> None:
    link.unlink(missing_ok=True)
    persist(link.parent)


def _removed(snapshot: Path) -> bool:
    """Remove a snapshot, unless somebody holds a lease on it."""
    try:
        with (snapshot / MANIFEST).open("rb") as lease:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(snapshot, ignore_errors=True)
    except BlockingIOError:
        return False
    except OSError:
        shutil.rmtree(snapshot, ignore_errors=True)
    return True


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def _name(name: str) -> str:
    """A pipeline's or table's name as a folder's. Raises `SchemaConflict` where it cannot be one."""
    if not name or name[0] == "." or "/" in name or "\0" in name or name.endswith(CONTRIBUTIONS):
        raise SchemaConflict(f"the name {name!r} cannot be a folder of the lake", fix="choose another name")
    return name
