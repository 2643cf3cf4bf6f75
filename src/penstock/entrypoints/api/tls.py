"""The web server's certificate: read before anything starts, so that a mistake in it is said at once."""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from penstock.errors import SetupError
from penstock.model.settings import Server

BOTH = "--tls-cert FILE --tls-key FILE, both as PEM"
_CERTIFICATE, _KEY, _LOCKED = b"-----BEGIN CERTIFICATE-----", b"PRIVATE KEY-----", b"ENCRYPTED"


def context(server: Server, folder: Path) -> ssl.SSLContext | None:
    """What connections are encrypted with; None where no certificate is named. Raises `SetupError`.

    Relative names begin in `folder`. Without `tls_key`, the certificate's file holds the key, too.
    """
    if not server.tls_cert:
        if server.tls_key:
            raise SetupError("there is a TLS key, but no certificate", at=server.tls_key, fix=BOTH)
        return None
    cert = folder / server.tls_cert
    key = folder / server.tls_key if server.tls_key else cert
    _look(cert, key)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With an empty password nobody is asked for one at the terminal.
        found.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or ""
        if reason == "KEY_VALUES_MISMATCH":
            why, fix = f"the key {key} belongs to another certificate", BOTH
        else:
            why, fix = (reason.replace("_", " ").lower() or "one of the files is damaged"), f"openssl x509 -in {cert}"
        raise SetupError("the TLS certificate cannot be used", at=str(cert), why=why, fix=fix) from error
    return found


def ends(server: Server, folder: Path) -> datetime:
    """Until when the certificate is valid. Raises `SetupError`."""
    from cryptography.x509 import load_pem_x509_certificate

    cert = folder / server.tls_cert
    return load_pem_x509_certificate(_read("certificate", cert)).not_valid_after_utc


def _look(cert: Path, key: Path) -> None:
    if _CERTIFICATE not in _read("certificate", cert):
        raise SetupError("the TLS certificate cannot be used", at=str(cert), why="it holds no certificate", fix=BOTH)
    text = _read("key", key)
    if _KEY not in text:
        raise SetupError("the TLS key cannot be used", at=str(key), why="it holds no private key", fix=BOTH)
    if _LOCKED in text:
        raise SetupError(
            "the TLS key cannot be used",
            at=str(key),
            why="it is protected by a password",
            fix=f"(umask 077; openssl pkey -in {key} -out open.pem)   and name that one",
        )


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SetupError(
            f"the TLS {what} cannot be read",
            at=str(path),
            why=error.strerror or type(error).__name__,
            fix=f"the file must be readable by whoever runs penstock: ls -l {path}",
        ) from error
