"""Addresses that brokers may have, and may not."""

import pytest

from utilitarian_operator.adapters.broker.bounded.reach import AddressRefused, Reach


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
    ],
)
def test_what_serves_a_machine_itself_is_refused_unless_allowed(address: str) -> None:
    with pytest.raises(AddressRefused, match="refused"):
        Reach().check(address)
    assert passes(Reach(link_local=True), address)


@pytest.mark.parametrize("address", ["10.0.0.9", "127.0.0.1", "192.168.1.1", "2001:db8::1", "rabbit.example"])
def test_others_pass(address: str) -> None:
    assert passes(Reach(), address)
