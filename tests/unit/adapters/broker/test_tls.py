"""A client's certificate and key reach ssl without a file on any disk."""

import ssl
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


def test_no_server_chooses_a_finite_field() -> None:
    """It would choose one of 10,000 bits of its own, for which a processor works a second: each time it is asked."""
    kinds = {it["kea"] for it in Tls(Authority().certificate).context.get_ciphers()}
    assert kinds == {"kx-any", "kx-ecdhe"}, "TLS 1.3 and elliptic curves"
    before = {it["name"] for it in ssl.create_default_context().get_ciphers() if it["kea"] != "kx-dhe"}
    assert {it["name"] for it in Tls().context.get_ciphers()} == before


def test_another_ones_key_is_named_and_not_shown() -> None:
    authority = Authority()
    (certificate, _), (_, key) = authority.issue("one"), authority.issue("two")
    with pytest.raises(UnusablePem, match="it and the certificate are no pair") as refused:
        _ = Tls("", certificate, key).context
    assert key not in str(refused.value)
