"""The command line with an API server in memory."""

import pytest

from tests.support.fake_shell import FakeShell


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> FakeShell:
    """No fleet is there yet, and no operator at work."""
    return FakeShell(monkeypatch)
