"""A broker without an address sees nothing and says why, in everything that it is asked."""

from collections.abc import Awaitable, Callable

import pytest

from utilitarian_operator.adapters.broker.fake import FakeBroker
from utilitarian_operator.adapters.broker.unreachable import UnreachableBroker
from utilitarian_operator.core.observation.broker import Questions
from utilitarian_operator.errors import BrokerUnreachable, SecretMissing

BROKER = UnreachableBroker(SecretMissing("there is no Secret broker"))


async def test_a_look_has_the_reason_alone() -> None:
    BROKER.ask("fleet", Questions(around=True))
    seen = await BROKER.look(["q"])
    assert (str(seen.failed), seen.depths, dict(seen.answers)) == ("there is no Secret broker", {}, {})
    assert BROKER.known.failed is None
    await BROKER.close()


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda: BROKER.cancel_consumers("celery@a", ["q"]), id="cancel"),
        pytest.param(lambda: BROKER.add_consumers("celery@a", ["q"]), id="consume"),
        pytest.param(lambda: BROKER.is_same(FakeBroker()), id="compare"),
    ],
)
async def test_nothing_can_be_done_there(act: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(BrokerUnreachable, match="there is no Secret broker"):
        await act()
