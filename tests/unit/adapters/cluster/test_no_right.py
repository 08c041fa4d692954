"""What the API server refuses to a person is one plain sentence with its remedy; the sentences are a real one's."""

import pytest

from utilitarian_operator.adapters.cluster.no_right import (
    LOG_IN_AGAIN,
    NOT_LOGGED_IN,
    SEE_THE_WAY,
    NoRight,
    for_a_person,
    no_answer,
)
from utilitarian_operator.errors import ClusterError, Conflict, Gone, Rejected

FLEETS = "utilitarianworkerpools"
IN_GROUP = f'resource "{FLEETS}" in API group "utilitarian.io"'


def rejected(said: str) -> Rejected:
    return Rejected(f"GET x: HTTP 403: {said}", said)


@pytest.mark.parametrize(
    "said,sentence",
    [
        pytest.param(
            f'{FLEETS}.utilitarian.io "u" is forbidden: User "jo" cannot patch {IN_GROUP} in the namespace "m"',
            f"jo may not patch {FLEETS} in namespace m: ask for the role edit there, or for this right alone",
            id="a write",
        ),
        pytest.param(
            f'{FLEETS}.utilitarian.io is forbidden: User "jo" cannot list {IN_GROUP} at the cluster scope: RBAC: '
            'clusterrole.rbac.authorization.k8s.io "x" not found',
            f"jo may not list {FLEETS} in all namespaces: ask for the role view there, or for this right alone",
            id="everywhere",
        ),
        pytest.param(
            'pods "p" is forbidden: User "system:serviceaccount:m:v" cannot get resource "pods/log" in API group "" '
            'in the namespace "m"',
            "system:serviceaccount:m:v may not get pods/log in namespace m: "
            "ask for the role view there, or for this right alone",
            id="a subresource",
        ),
        pytest.param(
            f'{FLEETS}.utilitarian.io is forbidden: User "system:anonymous" cannot get {IN_GROUP} in the namespace "m"',
            NOT_LOGGED_IN,
            id="no login",
        ),
    ],
)
def test_a_missing_right(said: str, sentence: str) -> None:
    assert str(for_a_person(rejected(said), 403)) == sentence


def test_a_login_that_is_over() -> None:
    assert str(for_a_person(ClusterError("GET x: HTTP 401: Unauthorized"), 401)) == LOG_IN_AGAIN


@pytest.mark.parametrize(
    "error,said",
    [(TimeoutError(), "no answer in time"), (OSError(111, "refused"), "[Errno 111] refused"), (OSError(), "OSError")],
    ids=["in time", "refused", "silent"],
)
def test_no_answer(error: Exception, said: str) -> None:
    assert str(no_answer(error, "GET x", untrusted=False)) == f"GET x: {said}; {SEE_THE_WAY}"


@pytest.mark.parametrize(
    "error,status",
    [
        (
            rejected(
                'pods "w" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=2, limited: pods=2'
            ),
            403,
        ),
        (rejected('admission webhook "x" denied the request: User "jo" cannot scale'), 403),
        (rejected('admission webhook "x" denied the request: who are you?'), 401),
        (rejected("spec.pools: two pools have one name"), 422),
        (Conflict("GET x: HTTP 409"), 409),
        (Gone("GET x: HTTP 404"), 404),
        (ClusterError("GET x: HTTP 500: etcdserver: request timed out"), 500),
    ],
    ids=["quota", "webhook", "webhook that says 401", "spec", "conflict", "gone", "server"],
)
def test_all_else_is_said_as_before(error: ClusterError, status: int) -> None:
    assert for_a_person(error, status) is error
    assert not isinstance(error, NoRight)
