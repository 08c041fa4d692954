"""Certificates for servers and clients of the tests, signed by an authority of the test's own; it serves nothing."""

import ipaddress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

A_DAY = timedelta(days=1)
_BOTH = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


class Pair(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: str
    key: str


class Authority:
    """Signs certificates that are valid for a day, unless it is told otherwise."""

    def __init__(self) -> None:
        self._key, self._name = ec.generate_private_key(ec.SECP256R1()), _name("authority of the tests")
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        certificate = self._sign(self._name, self._key.public_key(), constraints)
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, name: str, *alternatives: str, valid_for: timedelta = A_DAY) -> Pair:
        """A certificate for servers and clients; `alternatives` are the names or addresses of a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage(_BOTH)]
        if alternatives:
            extensions.append(x509.SubjectAlternativeName([_general(it) for it in alternatives]))
        constraints = x509.BasicConstraints(ca=False, path_length=None)
        certificate = self._sign(_name(name), key.public_key(), constraints, *extensions, valid_for=valid_for)
        written = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(certificate.public_bytes(serialization.Encoding.PEM).decode(), written.decode())

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *extensions: x509.ExtensionType,
        valid_for: timedelta = A_DAY,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + valid_for)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
