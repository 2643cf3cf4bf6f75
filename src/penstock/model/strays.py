"""Strays: objects of the landing zone that fit no pipeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stray:
    """An object that is left where it is. `near`: the pipeline whose paths it resembles most, and `why` it is none."""

    address: str
    version: str
    size: int = 0
    near: str = ""
    why: str = ""
