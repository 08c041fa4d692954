"""Which addresses a broker may have: not those that serve what a machine may know of itself."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from utilitarian_operator.adapters.broker.bounded.refused import Ours

METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("100.100.100.200", "192.0.0.192", "168.63.129.16"),  # Alibaba, Oracle, Azure
            *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42"),  # AWS, its pod identity, GCP, Scaleway
        ),
    )
)
"""Where clouds other than by link-local addresses serve what a machine may know of itself, and its credentials."""

TRANSLATED = tuple(
    map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"))
)
"""IPv6 addresses that a host or a network translates to the IPv4 address in their last 32 bits."""


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
        if not self.link_local and any(map(_serves_a_machine, (found, *_translated(found)))):
            raise AddressRefused("its address is link-local or of a metadata service, which is refused")


def _serves_a_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA


def _translated(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """The IPv4 address that a packet to an IPv6 address may end at."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback:
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if any(address in network for network in TRANSLATED):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


ROUTED = Reach()
"""Addresses that are routed, and those of this host."""
