"""The clocks of the machine are those that they say."""

import time
from datetime import UTC

from utilitarian_operator.host.clocks import boot_seconds, utc_now


def test_the_clock_goes_on_in_suspend() -> None:
    assert abs(boot_seconds() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 60


def test_the_wall_clock_says_its_zone() -> None:
    assert utc_now().tzinfo is UTC
