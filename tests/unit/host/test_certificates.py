from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from utilitarian_operator.host.certificates import LIFETIME, RENEWED_BEFORE, belong_together, due, make

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NO_PEM = ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
NAMES = ["operator.system.svc", "127.0.0.1"]


def test_a_certificate_is_for_its_names_and_signed_by_its_authority() -> None:
    made = make(NAMES, NOW)
    [certificate] = x509.load_pem_x509_certificates(made.certificate.encode())
    [authority] = x509.load_pem_x509_certificates(made.authority.encode())
    certificate.verify_directly_issued_by(authority)
    alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(it.value) for it in alternatives] == NAMES
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc
    assert "PRIVATE" in made.key
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize(
    "names,later,renewed",
    [
        pytest.param(NAMES, timedelta(), False, id="new"),
        pytest.param(NAMES, LIFETIME - RENEWED_BEFORE - timedelta(days=1), False, id="long-enough"),
        pytest.param(NAMES, LIFETIME - RENEWED_BEFORE + timedelta(days=1), True, id="ends-soon"),
        pytest.param(NAMES, LIFETIME * 2, True, id="ended"),
        pytest.param(NAMES[:1], timedelta(), True, id="other-names"),
        pytest.param(NAMES, timedelta(days=-300), True, id="made-while-the-clock-was-ahead"),
    ],
)
def test_when_a_certificate_is_renewed(names: list[str], later: timedelta, *, renewed: bool) -> None:
    assert due(make(NAMES, NOW).certificate, names, NOW + later) is renewed


@pytest.mark.parametrize("text", NO_PEM)
def test_what_can_not_be_read_is_renewed(text: str) -> None:
    assert due(text, NAMES, NOW)
    assert make(NAMES, NOW, before=text).authority.count("BEGIN") == 1


def test_one_older_authority_stays_trusted_while_it_is_valid() -> None:
    first = make(NAMES, NOW)
    second = make(NAMES, NOW + timedelta(days=200), before=first.authority)
    third = make(NAMES, NOW + timedelta(days=300), before=second.authority)
    assert second.authority.endswith(first.authority)
    assert third.authority.count("BEGIN") == 2
    assert make(NAMES, NOW + LIFETIME * 2, before=first.authority).authority.count("BEGIN") == 1


ONE, OTHER = make(NAMES, NOW), make(NAMES, NOW)
LOCKED = serialization.load_pem_private_key(ONE.key.encode(), None).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"p")
)


@pytest.mark.parametrize(
    "certificate,key,authority,together",
    [
        pytest.param(ONE.certificate, ONE.key, ONE.authority, True, id="made"),
        pytest.param(ONE.certificate, ONE.key, OTHER.authority + ONE.authority, True, id="two-authorities"),
        pytest.param(OTHER.certificate + ONE.certificate, OTHER.key, ONE.authority, True, id="one-between"),
        pytest.param(ONE.certificate, OTHER.key, ONE.authority, False, id="another-key"),
        pytest.param(ONE.certificate, ONE.key, OTHER.authority, False, id="another-authority"),
        pytest.param(ONE.certificate, LOCKED.decode(), ONE.authority, False, id="a-key-with-a-password"),
        *(
            pytest.param(ONE.certificate, text, ONE.authority, False, id=f"key-{index}")
            for index, text in enumerate(NO_PEM)
        ),
        *(
            pytest.param(ONE.certificate, ONE.key, text, False, id=f"authority-{index}")
            for index, text in enumerate(NO_PEM)
        ),
        *(
            pytest.param(text, ONE.key, ONE.authority, False, id=f"certificate-{index}")
            for index, text in enumerate(NO_PEM)
        ),
    ],
)
def test_a_key_and_an_authority_belong_to_a_certificate(
    certificate: str, key: str, authority: str, *, together: bool
) -> None:
    assert belong_together(certificate, key, authority) is together
