"""What the admission webhook answers, and when its certificate is made anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from tests.support.resources import resource
from utilitarian_operator.host.admission_webhook import review
from utilitarian_operator.host.certificates import LIFETIME, RENEWED_BEFORE, due, make

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NAMES = ["operator.system.svc", "127.0.0.1"]
BAD = resource("timeZone: Mars")
TIGHT = resource(
    "pools: [{name: a, queues: [q],"
    " worker: {concurrency: 9, maxMemoryPerChild: 1Gi, resources: {limits: {memory: 2Gi}}}}]"
)


def answer(operation: str, new: Any = None, old: Any = None) -> dict[str, Any]:
    request = {"uid": "u", "operation": operation, "object": new, "oldObject": old}
    body = review({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    assert (body["apiVersion"], body["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    response: dict[str, Any] = body["response"]
    assert response.pop("uid") == "u"
    return response


@pytest.mark.parametrize(
    "operation,new,old",
    [
        pytest.param("CREATE", resource(), None, id="right"),
        pytest.param("UPDATE", resource(), BAD, id="mended"),
        pytest.param("UPDATE", BAD | {"metadata": {"name": "fleet", "labels": {"a": "b"}}}, BAD, id="only-labelled"),
        pytest.param("DELETE", None, BAD, id="deleted"),
    ],
)
def test_what_may_run_or_does_not_change_is_let_through(operation: str, new: Any, old: Any) -> None:
    assert answer(operation, new, old) == {"allowed": True}


@pytest.mark.parametrize("operation,old", [("CREATE", None), ("UPDATE", resource())])
def test_what_can_not_run_is_refused_with_path_and_remedy(operation: str, old: Any) -> None:
    response = answer(operation, BAD, old)
    assert not response["allowed"]
    assert response["status"]["code"] == 422
    assert response["status"]["message"].startswith("spec.timeZone: no such time zone: write one of")


def test_what_will_probably_not_work_is_warned_of() -> None:
    response = answer("CREATE", TIGHT)
    assert response["allowed"]
    [warning] = response["warnings"]
    assert warning.startswith("spec.pools[0].worker.maxMemoryPerChild: 10 processes of 1Gi may take more")
    assert len(warning) <= 256


@pytest.mark.parametrize("body", [{}, [], None, {"request": None}, {"request": {"operation": "CREATE"}}, "x"])
def test_what_is_no_review_is_an_error(body: Any) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        review(body)


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
    ],
)
def test_when_a_certificate_is_renewed(names: list[str], later: timedelta, *, renewed: bool) -> None:
    assert due(make(NAMES, NOW).certificate, names, NOW + later) is renewed


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
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
