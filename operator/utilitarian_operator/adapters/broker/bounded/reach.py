"""Which addresses a broker may have: not those that serve what a machine may know of itself."""

import ipaddress
from dataclasses import dataclass

from utilitarian_operator.adapters.broker.bounded.refused import Ours

METADATA = tuple(map(ipaddress.ip_address, ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254")))
"""Where clouds other than by link-local addresses serve what a machine may know of itself, and its credentials."""


class AddressRefused(Ours):
    """The address is one that no broker has, and others must not be led to."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which addresses may be spoken to.

    Args:
        link_local: whether also link-local and metadata addresses.
    """

    link_local: bool = False

    def check(self, address: str) -> None:
        """Raise AddressRefused for an address that may not be spoken to; a name passes."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return
        mapped = getattr(found, "ipv4_mapped", None) or found
        refused = mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified or mapped in METADATA
        if refused and not self.link_local:
            raise AddressRefused("its address is link-local or of a metadata service, which is refused")


ROUTED = Reach()
"""Addresses that are routed, and those of this host."""
