"""Spans of an operator whose traces are switched off: nothing is made, kept or held up."""

import pytest

from utilitarian_operator.adapters.spans import UNTRACED


def test_what_is_not_kept_is_not_made() -> None:
    with UNTRACED("look", {"utilitarian.fleet": "fleet"}) as span:
        span.tell(lambda: pytest.fail("made"))


def test_an_error_goes_on_to_who_asked() -> None:
    with pytest.raises(OSError, match="away"), UNTRACED("request api", alone=True, answered=lambda _: True):
        raise OSError("away")
