"""Reversible protection: AES-SIV (RFC 5297), deterministic, so that equal values stay equal within one key."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from penstock.errors import MissingSecret, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

_ENCRYPTED = re.compile(r"([a-z0-9]{1,16}):((?:[A-Za-z0-9+/]{4}){5,}[A-Za-z0-9+/]{2}[A-Za-z0-9+/=]{2})")
"""`<key id>:<ciphertext>`. The cipher's tag alone is 16 bytes."""


class KeyLike(Protocol):
    """A privacy key."""

    @property
    def id(self) -> str: ...
    @property
    def secret(self) -> bytes: ...


def _cipher(identity: str, secret: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"penstock encrypt " + identity.encode()
    return AESSIV(HKDF(algorithm=SHA512(), length=64, salt=None, info=info).derive(secret))


def encryptor(key: KeyLike) -> Callable[[str], str]:
    """A function from clear text to base64 ciphertext."""
    cipher = _cipher(key.id, key.secret)

    def penstock_encrypt(text: str) -> str:
        return base64.b64encode(cipher.encrypt(text.encode(), None)).decode()

    return penstock_encrypt


def decryptor(keys: Mapping[str, bytes]) -> Callable[[object], str]:
    """A function from a value of a column marked `encrypt()` to its clear text, under whichever key made it.

    `keys` holds the keys by their ids. The function raises `MissingSecret` for a value of another key, and `UsageError`
    for one that no key has encrypted; neither error quotes the value.
    """
    from cryptography.exceptions import InvalidTag

    ciphers = {identity: _cipher(identity, secret) for identity, secret in keys.items()}

    def decrypt(value: object) -> str:
        match = _ENCRYPTED.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise UsageError("a value is not encrypted", why="ps.encrypt() makes <key id>:<ciphertext>")
        if match[1] not in ciphers:
            raise _missing(match[1])
        try:
            return ciphers[match[1]].decrypt(base64.b64decode(match[2]), None).decode()
        except (InvalidTag, ValueError):
            raise _other(match[1]) from None

    return decrypt


def decrypt(key: KeyLike, value: str) -> str:
    """The clear text of a column marked `encrypt()`: `<key id>:<ciphertext>`."""
    return decryptor({key.id: key.secret})(value)


def _missing(identity: str) -> MissingSecret:
    return MissingSecret(
        f"there is no privacy key with the id {identity!r}",
        why="a value was encrypted under it, and nothing else opens it",
        fix=f"keep the old key as the secret privacy_key_{identity}",
    )


def _other(identity: str) -> UsageError:
    return UsageError(
        f"a value does not open with the key {identity!r}",
        why="it is a token, it was changed, or another key had this id when it was encrypted",
        fix="only columns that are marked ps.encrypt() can be read back",
    )
