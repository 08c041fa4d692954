"""Addresses that brokers may have, and may not."""

import pytest

from utilitarian_operator.adapters.broker.bounded.reach import AddressRefused, Reach

ROUTED_TOO = ["64:ff9b::10.0.0.9", "2002:a00:9::1", "::ffff:10.0.0.9", "fd00:ec2:1::1", "64:ff9b:2::a9fe:a9fe"]


def passes(reach: Reach, address: str) -> bool:
    try:
        reach.check(address)
    except AddressRefused:
        return False
    return True


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"),
        *("0.0.0.0", "224.0.0.1"),  # noqa: S104 - not listened on
        *("fd00:ec2::23", "fd20:ce::254", "fd00:42::42"),
        *("::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe"),
        *("2002:a9fe:a9fe::1", "64:ff9b::168.63.129.16", "::ffff:100.100.100.200"),
    ],
)
def test_what_serves_a_machine_itself_is_refused_unless_allowed(address: str) -> None:
    with pytest.raises(AddressRefused, match="refused"):
        Reach().check(address)
    assert passes(Reach(link_local=True), address)


@pytest.mark.parametrize(
    "address", ["10.0.0.9", "127.0.0.1", "192.168.1.1", "2001:db8::1", "rabbit.example", "::1", *ROUTED_TOO]
)
def test_others_pass(address: str) -> None:
    assert passes(Reach(), address)
