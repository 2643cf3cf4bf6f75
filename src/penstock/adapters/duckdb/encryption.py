"""Reversible protection: AES-SIV (RFC 5297), deterministic, so that equal values stay equal within one key."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Protocol


class KeyLike(Protocol):
    """A privacy key."""

    @property
    def id(self) -> str: ...
    @property
    def secret(self) -> bytes: ...


def _cipher(key: KeyLike) -> object:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    from cryptography.hazmat.primitives.hashes import SHA512
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA512(), length=64, salt=None, info=b"penstock encrypt " + key.id.encode()).derive(
        key.secret
    )
    return AESSIV(derived)


def encryptor(key: KeyLike) -> Callable[[str], str]:
    """A function from clear text to base64 ciphertext."""
    cipher = _cipher(key)

    def penstock_encrypt(text: str) -> str:
        return base64.b64encode(cipher.encrypt(text.encode(), None)).decode()  # type: ignore[attr-defined]

    return penstock_encrypt


def decrypt(key: KeyLike, value: str) -> str:
    """The clear text of a column marked `encrypt()`: `<key id>:<ciphertext>`."""
    cipher = _cipher(key)
    return cipher.decrypt(base64.b64decode(value.partition(":")[2]), None).decode()  # type: ignore[attr-defined,no-any-return]
