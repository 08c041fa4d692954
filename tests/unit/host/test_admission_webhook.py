"""What the admission webhook answers, and when its certificate is made anew."""

from typing import Any

import pytest

from tests.support.resources import resource
from utilitarian_operator.host.admission_webhook import review

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
