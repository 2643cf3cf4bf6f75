"""Row identity: one number leads from a loaded row to its slot and its line.

A slot owns the range `[base, base + span)`, where `base` is 62 bits of SHA-256 over the slot's name and `span` the
number of physical lines of its file plus one. A source row is `base + line` (lines count from 1); a row that comes
from a whole slot (a wide step's) is `base` itself. The number is the same on every target, ranges are contiguous
(so replacing a slot is one range delete), and a destination refuses two slots whose ranges overlap.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

ROW = "_row"
SLOT = "_slot"
SEQUENCE = "_sequence"
RESERVED = (ROW, SLOT, SEQUENCE)

_BASE_BITS = 62


def digest(*values: str) -> bytes:
    """SHA-256 over length-prefixed texts, so that ("ab", "c") and ("a", "bc") differ."""
    hasher = hashlib.sha256()
    for value in values:
        data = value.encode()
        hasher.update(b"s%d:" % len(data))
        hasher.update(data)
    return hasher.digest()


@lru_cache(maxsize=16_384)  # a run asks a dozen times for each of its thousands of slots
def slot_base(pipeline: str, address: str) -> int:
    """The first row identity of a slot: the leading 62 bits of its digest (0 ≤ base < 2⁶²)."""
    return int.from_bytes(digest("slot", pipeline, address)[:8], "big") >> (64 - _BASE_BITS)
