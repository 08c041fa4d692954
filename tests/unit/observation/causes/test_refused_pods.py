import pytest

from utilitarian_operator.core.observation.causes.refused_pods import cure


@pytest.mark.parametrize(
    "said,remedy",
    [
        (
            'pods "w" is forbidden: failed quota: compute: must specify cpu for: worker',
            "ResourceQuota compute asks for",
        ),
        (
            'pods "w" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "set pod.securityContext and pod.containerSecurityContext",
        ),
        (
            'pods "w" is forbidden: error looking up service account ns/x: serviceaccount "x" not found',
            "make the ServiceAccount x, or correct pod.serviceAccountName",
        ),
        (
            'pods "w" is forbidden: maximum memory usage per Container is 64Mi, but limit is 2Gi',
            "give worker.resources what the LimitRange allows",
        ),
        (
            'pods "w" is forbidden: memory max limit to request ratio per Pod is 2, but provided ratio is 4',
            "give worker.resources what the LimitRange allows",
        ),
        (
            'pods "w" is forbidden: no PriorityClass with name urgent was found',
            "make the PriorityClass urgent, or correct pod.priorityClassName",
        ),
        (
            'Pod "w" is invalid: spec.containers[0].resources.requests: must be less than or equal to memory limit',
            "a LimitRange may have filled in what it leaves open",
        ),
        ("admission webhook said no", "change what it complains of"),
    ],
)
def test_what_to_do_about_pods_that_are_refused(said: str, remedy: str) -> None:
    assert remedy in cure(said)
