"""What a project has been told about itself and its machine. `penstock.wiring.settings` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts and waits after a failure that may pass."""

    attempts: int = 5
    first_seconds: float = 1.0
    longest_seconds: float = 300.0
    deaths: int = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one batch may hold, and which files are refused as too large for their size (zip bombs)."""

    batch_files: int = 10_000
    batch_bytes: int = 128_000_000
    expanded_bytes: int = 100_000_000_000
    expansion: int = 200
    refused_rows: int = 1000
    """So many rows of a load may a database refuse for what they hold, and the others are loaded."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Which versions of tables are kept, so that readers go on and people can go back."""

    keep: int = 3
    """So many of the newest."""
    keep_seconds: float = 3600.0
    """And those that were replaced less than so long ago."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the web server of `serve` listens, and what it lets in."""

    host: str = "127.0.0.1"
    port: int = 8700
    """0 is any that is free."""
    names: str = ""
    """Names, with commas between them, under which it may be asked besides its host and this machine's own."""
    body_bytes: int = 5_000_000
    proxies: str = ""
    """Addresses, with commas between them, of proxies that are believed when they say whom they speak for."""
    tls_cert: str = ""
    """The file of a certificate, and of those that vouch for it; with one, the server speaks TLS."""
    tls_key: str = ""
    """The file of its private key; empty where the certificate's file holds both."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a destination is, and how it is used."""

    url: str = field(default="", repr=False)
    """May hold a password, so it is never printed."""
    foreign_keys: bool = False
    """Declare the references of normalised tables as constraints, where the destination can."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a channel hears of by the project's settings: which ends of runs, of which pipelines (none named: all)."""

    on: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one project in one environment."""

    folder: Path
    """The project's own folder; every other path is below it or absolute."""
    environment: str = LOCAL
    project: str = ""
    default_env: str = LOCAL
    store: Path = Path(".penstock")
    """Ledger, locks, secrets."""
    zones: Path = Path()
    """The folder that holds `landing/`, `staging/`, `quarantine/` and `curated/`."""
    hard: bool | None = None
    """Overrides what pipelines say; `None` leaves it to them."""
    workers: int = 1
    threads: int = 0
    """The engine's threads in each worker; 0 is one for each core."""
    memory_limit: int = 1_000_000_000
    """Bytes that the engine may use in each worker."""
    chunk_bytes: int = 32_000_000
    rescan_seconds: float = 5.0
    lease_seconds: float = 60.0
    retry: Retry = Retry()
    limits: Limits = Limits()
    versions: Retention = Retention()
    server: Server = Server()
    destinations: Mapping[str, Place] = field(default_factory=dict)
    notify: Mapping[str, Announcement] = field(default_factory=dict)
    """By the channel's name."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each setting's value comes from, by its dotted name."""
