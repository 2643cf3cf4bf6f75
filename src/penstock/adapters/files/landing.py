"""The landing zone as a folder: raw objects, as received."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from penstock.errors import PenstockError, StorageUnavailable, UnknownName, UsageError
from penstock.model.slots import Content
from penstock.runtime.ports import Found

LANDING = "landing"
_DRAFT = ".penstock.part"
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_BLOCK = 1 << 20


def is_final(name: str) -> bool:
    """Whether a file of this name is meant to be read: hidden and temporary names are still being written."""
    return not (name.startswith((".", "_")) or name.lower().endswith(_UNFINISHED))


class FolderLanding:
    """`landing/` below a project's folder. Addresses are POSIX paths that begin with `landing/`."""

    def __init__(self, zones: Path) -> None:
        self.zones, self._zones = zones, str(zones)
        self.root = zones / LANDING

    def scan(self, prefix: str = f"{LANDING}/") -> Iterator[Found]:
        """Every final object below a prefix, in the order of names. Links are followed for files, not for folders."""
        start = self._path(prefix.rstrip("/") or LANDING)
        if not start.exists():
            return
        if start == self.root and not start.is_dir():
            what = "the landing zone is a file, not a folder"
            raise StorageUnavailable(what, at=str(start), fix="move it away: files land below landing/")
        try:
            yield from self._walk(start)
        except OSError as error:
            raise _unavailable(error, prefix) from error

    def _walk(self, place: Path) -> Iterator[Found]:
        address = place.relative_to(self.zones).as_posix()
        if place.is_file():
            yield _found(address, place.stat())
        else:
            yield from _below(str(place), address)

    def stat(self, address: str) -> Found | None:
        """One object as it is now; None when it is not there or not final."""
        place = self._place(address)
        try:
            status = os.stat(place)  # noqa: PTH116 - for each file that lands
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(error, address) from error
        return _found(address, status) if S_ISREG(status.st_mode) and is_final(place.rpartition("/")[2]) else None

    def content(self, address: str) -> Content:
        """See `penstock.runtime.ports.Landing`."""
        try:
            descriptor = os.open(self._place(address), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return _content(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._refusal(error, address) from error

    def open(self, address: str) -> BinaryIO:
        """See `penstock.runtime.ports.Landing`."""
        try:
            return open(self._place(address), "rb")  # noqa: PTH123 - costs half as much, for each file
        except OSError as error:
            raise self._refusal(error, address) from error

    def _refusal(self, error: OSError, address: str) -> PenstockError:
        if not isinstance(error, FileNotFoundError):
            return _unavailable(error, address)
        if not self.root.exists():
            return StorageUnavailable("the landing zone is not there", at=str(self.root))
        return UnknownName(f"there is no object {address!r}", fix="penstock status shows what arrived")

    def receive(self, source: Path, address: str) -> str:
        """See `penstock.runtime.ports.Landing`."""
        target = self._path(address)
        if source.resolve() == target.resolve():
            return address
        try:
            with source.open("rb") as reader:
                self._put(reader, target)
        except OSError as error:
            raise _unavailable(error, str(source)) from error
        return address

    def store(self, data: bytes, address: str) -> str:
        """Put bytes in, as `receive` does with a file."""
        try:
            self._put(io.BytesIO(data), self._path(address))
        except OSError as error:
            raise _unavailable(error, address) from error
        return address

    def _put(self, reader: BinaryIO, target: Path) -> None:
        """Under a temporary name, made durable, then renamed into place."""
        temporary = target.with_name(f".{target.name}{_DRAFT}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with _draft(temporary) as writer:
            try:
                shutil.copyfileobj(reader, writer, _BLOCK)
                writer.flush()
                os.fsync(writer.fileno())
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        _sync_folder(target.parent)

    def sweep(self) -> int:
        """Remove what writers began that were killed. Returns how many."""
        return sum(_abandoned(path) for path in self.root.rglob(f".*{_DRAFT}"))

    def addresses_of(self, paths: Iterable[Path]) -> list[str | None]:
        """The addresses of files that lie in the landing zone already; None for each that does not."""
        root = f"{self.root.resolve()}/"
        folders: dict[str, str] = {}
        places = [_resolved(path, folders) for path in paths]
        return [f"{LANDING}/{place.removeprefix(root)}" if place.startswith(root) else None for place in places]

    def _path(self, address: str) -> Path:
        return Path(self._place(address))

    def _place(self, address: str) -> str:
        """As text: to make a path of it costs as much as to open it."""
        if not address.startswith(LANDING) or ".." in address.split("/"):
            raise UsageError(f"{address!r} is not an address in the landing zone", fix=f"it begins with {LANDING}/")
        return f"{self._zones}/{address}"


def _content(descriptor: int) -> Content:
    """Hash a file. One that is read at once, as most are, has ended where it gives less than was asked for."""
    expected = os.fstat(descriptor).st_size
    block = os.read(descriptor, min(_BLOCK, expected + 1))
    digest, size = hashlib.sha256(block), len(block)
    while block and not size == expected < _BLOCK:
        block = os.read(descriptor, _BLOCK)
        digest.update(block)
        size += len(block)
    return Content(digest.hexdigest(), size, version(os.fstat(descriptor)))


def _draft(path: Path) -> BinaryIO:
    """What is to become a file, empty and locked. What a killed writer left of it is begun again."""
    while True:
        file = path.open("ab")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Whoever held the lock before may have renamed it or removed it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                return file
        file.close()


def _abandoned(path: Path) -> bool:
    """Remove a draft that nobody writes."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return True
    return False


def _below(folder: str, address: str) -> Iterator[Found]:
    """Every final object below a folder. As strings: a landing zone may hold tens of thousands, looked at every few
    seconds."""
    with os.scandir(folder) as listed:
        entries = sorted((entry for entry in listed if is_final(entry.name)), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{address}/{entry.name}")
        elif entry.is_file():
            yield _found(f"{address}/{entry.name}", entry.stat())


def _found(address: str, status: os.stat_result) -> Found:
    return Found(address, status.st_size, version(status))


def _resolved(path: Path, folders: dict[str, str]) -> str:
    """Where a path leads to. To resolve a folder costs many times as much as to look at a file, so they are kept."""
    folder, name = os.path.split(path)
    if name in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114 - for each file
        return os.path.realpath(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return f"{folders[folder]}/{name}"


def version(stat: os.stat_result) -> str:
    """Changes whenever the file is written or replaced (a hint: identity is the hash)."""
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _unavailable(error: OSError, where: str) -> StorageUnavailable:
    return StorageUnavailable("the landing zone cannot be used", at=where, why=error.strerror or type(error).__name__)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
