"""What is told of requests: how long each took and whether it failed, and nothing of one that was called off."""

import asyncio
import contextlib

import pytest

from utilitarian_operator.adapters.requests import UNTOLD, Requests, Target


@pytest.mark.parametrize(
    "error, told",
    [
        pytest.param(None, [(Target.API, 2.0, False)], id="answered"),
        pytest.param(OSError("away"), [(Target.API, 2.0, True)], id="failed"),
        pytest.param(KeyError("none such"), [(Target.API, 2.0, False)], id="an answer, though an error"),
        pytest.param(asyncio.CancelledError(), [], id="called off"),
    ],
)
def test_what_is_told_of_a_request(error: BaseException | None, told: list[tuple[Target, float, bool]]) -> None:
    heard, now = [], iter([5.0, 7.0])
    requests = Requests(lambda *it: heard.append(it), lambda: next(now))
    with contextlib.suppress(OSError, KeyError, asyncio.CancelledError):  # noqa: SIM117 - the inner one is what is tried
        with requests.to(Target.API, lambda error: isinstance(error, KeyError)):
            if error is not None:
                raise error
    assert heard == told


def test_an_error_goes_on_to_who_asked() -> None:
    with pytest.raises(OSError, match="away"), UNTOLD.to(Target.BROKER):
        raise OSError("away")
