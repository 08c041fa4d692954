"""A client's certificate and key reach ssl without a file on any disk."""

import tempfile
from pathlib import Path

import pytest

from tests.support.authority import Authority
from utilitarian_operator.adapters.broker.tls import Tls, UnusablePem


def test_a_key_is_written_to_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = Authority()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there is none"))
    assert Tls(authority.certificate, *authority.issue("client")).context.get_ca_certs()
    assert list(tmp_path.iterdir()) == []


def test_another_ones_key_is_named_and_not_shown() -> None:
    authority = Authority()
    (certificate, _), (_, key) = authority.issue("one"), authority.issue("two")
    with pytest.raises(UnusablePem, match="it and the certificate are no pair") as refused:
        _ = Tls("", certificate, key).context
    assert key not in str(refused.value)
