"""Certificates that are thrown away after the test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

PLAIN = serialization.NoEncryption()
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path

    def both(self) -> Path:
        """One file that holds both."""
        file = self.cert.with_suffix(".both.pem")
        file.write_bytes(self.key.read_bytes() + self.cert.read_bytes())
        return file


class Authority:
    """Vouches for names, as long as somebody believes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = _name("throw-away authority")
        holds = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(self._name, self._name, self._key, DAY).add_extension(holds, critical=True)
        self.cert = folder / "authority.pem"
        self.cert.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def issue(self, *names: str, valid: timedelta = DAY, password: bytes = b"") -> Pair:
        """A certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        holds = x509.SubjectAlternativeName([_alternative(name) for name in names])
        builder = _builder(_name(names[0]), self._name, key, valid).add_extension(holds, critical=False)
        files = Pair(self.folder / f"{names[0]}.pem", self.folder / f"{names[0]}.key")
        files.cert.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))
        locked = serialization.BestAvailableEncryption(password) if password else PLAIN
        files.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
        files.key.chmod(0o600)
        return files


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta):
    now = datetime.now(UTC)
    first = min(now, now + valid) - DAY
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key.public_key(), serial, first, now + valid)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
