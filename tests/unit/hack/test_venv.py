"""The Python environment of a checkout: what installs it, and from where."""

import re

import pytest

from hack.venv import locked_lines, settings_of_pip


def test_the_installer_is_the_locked_one_with_its_hashes() -> None:
    (line,) = locked_lines("uv").splitlines()
    assert re.fullmatch(r"uv==[\d.]+\s+(--hash=sha256:[0-9a-f]{64}\s*)+", line)


@pytest.mark.thorough
def test_the_installer_fetches_from_where_pip_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_CERT", "/etc/ssl/ours.crt")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = settings_of_pip()
    assert found["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert found["SSL_CERT_FILE"] == "/etc/ssl/ours.crt"


@pytest.mark.thorough
def test_what_is_set_for_the_installer_itself_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://other.example/simple")
    assert "UV_DEFAULT_INDEX" not in settings_of_pip()
