"""Makes TLS contexts of PEM texts; a key never comes to a disk."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from utilitarian_operator.adapters.broker.bounded.greetings import Greeting


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
        # Without finite fields, which other clients know no more, either: there a server chooses a group of its own, of
        # up to 10,000 bits, for which a processor works a second at each connection.
        context.set_ciphers(":".join(it["name"] for it in context.get_ciphers() if it["kea"] != "kx-dhe"))
        context.sslobject_class = Greeting
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
    with _in_memory(certificate) as chain, _in_memory(key) as private:
        context.load_cert_chain(
            chain, private, password=""
        )  # a key with a passphrase would be asked for on the terminal


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """The path of a file with this text that is in memory alone, for the time of the block; ssl reads files only."""
    number = os.memfd_create("pem")
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(text.encode())
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)
