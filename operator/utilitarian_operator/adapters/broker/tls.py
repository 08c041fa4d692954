"""Makes TLS contexts of PEM texts; a file that this needs for a moment is removed before it returns."""

import ssl
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


class UnusablePem(ValueError):
    """A PEM text can't be used.

    Args:
        field: of `Tls`.
        why: what is wrong with it, and nothing of it.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


@dataclass(frozen=True)
class Tls:
    """How servers are checked, and what they are shown; each a PEM text, or empty.

    Args:
        ca: certificates of the authorities to trust; the system's own where it is empty.
        certificate: of the client, with those that lead to its authority.
        key: of the certificate, without a passphrase.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __repr__(self) -> str:
        """Without what it holds."""
        return "Tls(not shown)"

    @cached_property
    def context(self) -> ssl.SSLContext:
        """For clients; a server must show a certificate of a trusted authority, for the name that it was asked by.

        Raises:
            UnusablePem: one of the texts is no PEM, or the key is not the certificate's.
        """
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
        except (ssl.SSLError, TypeError):  # TypeError: it is not ASCII
            raise UnusablePem("ca", "it holds no certificate; write -----BEGIN CERTIFICATE----- …") from None
        if self.certificate or self.key:
            try:
                load_key_pair(context, self.certificate, self.key)
            except (ssl.SSLError, OSError):
                raise UnusablePem(
                    "key",
                    "it and the certificate are no pair; write both in PEM, the key without a passphrase",
                ) from None
        return context


SYSTEM = Tls()
"""The system's own authorities, and no client certificate."""


def load_key_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have a context show a certificate.

    Args:
        context: of a server or a client.
        certificate: PEM text, with those that lead to its authority.
        key: of the certificate, PEM.

    Raises:
        OSError: they can't be used; ssl says no more than that.
    """
    with tempfile.TemporaryDirectory() as folder:  # ssl reads files only; 0700, and gone at once
        files = Path(folder, "tls.crt"), Path(folder, "tls.key")
        for file, text in zip(files, (certificate, key), strict=True):
            file.write_text(text)
        context.load_cert_chain(*files, password="")  # a key with a passphrase would be asked for on the terminal
