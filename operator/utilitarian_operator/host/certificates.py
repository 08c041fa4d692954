"""Makes the certificate that the admission webhook is served with."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=120)
"""Long enough that an operator that was off for a summer still has a valid one."""

BACKDATED = timedelta(minutes=5)
"""Clocks of two machines differ."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its key and the authority that vouches for it, each in PEM.

    Args:
        certificate: of the server.
        key: of the certificate; never printed.
        authority: certificates that a client trusts; the newest first.
    """

    certificate: str
    key: str
    authority: str

    def __repr__(self) -> str:
        """Without the key."""
        return "Certificate(not shown)"


def make(names: Sequence[str], now: datetime, before: str = "") -> Certificate:
    """A new certificate of a new authority, whose own key is forgotten at once.

    Args:
        names: DNS names or addresses that it is valid for, at least one.
        now: from when it is valid; for a year.
        before: authorities that are trusted still, so that servers may go on with an older certificate for a while.
    """
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("utilitarian-operator admission")
    authority = (
        _builder(issuer, issuer, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _builder(_name(names[0][:64]), issuer, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    still = "".join(_pem(it) for it in _read_all(before)[:1] if it.not_valid_after_utc > now)
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(_pem(certificate), written.decode(), _pem(authority) + still)


def due(certificate: str, names: Sequence[str], now: datetime) -> bool:
    """Whether a certificate must be renewed: it ends soon, is for other names, or can't be read.

    Also one that is not valid yet: it was made while the clock was ahead, and no API server would take it until then.
    """
    found = _read_all(certificate)
    if not found or found[0].not_valid_after_utc - now < RENEWED_BEFORE or found[0].not_valid_before_utc > now:
        return True
    try:
        alternatives = found[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return True
    return {str(it.value) for it in alternatives} != set(names)


def belong_together(certificate: str, key: str, authority: str) -> bool:
    """Whether a certificate (with those between, if any) has this key, and one of these authorities vouches for it."""
    chain = _read_all(certificate)
    try:
        public = serialization.load_pem_private_key(key.encode(), None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError: it needs a password
        return False
    return (
        bool(chain)
        and public == chain[0].public_key()
        and any(_issued(it, by) for it in chain for by in _read_all(authority))
    )


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LIFETIME)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _read_all(text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return []
