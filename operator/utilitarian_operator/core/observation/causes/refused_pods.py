"""What to change when the API server doesn't let a ReplicaSet make its pods, by its message."""

import re

_CURES = (
    (r"exceeded quota: (?P<name>[^,]+)", "raise the ResourceQuota {name}, or lower scaling.max or worker.resources"),
    (r"failed quota: (?P<name>[^:]+)", "give worker.resources what the ResourceQuota {name} asks for"),
    (
        r"violates PodSecurity",
        "set pod.securityContext and pod.containerSecurityContext to what the namespace's level asks for",
    ),
    (
        r'serviceaccount "(?P<name>[^"]+)" not found',
        "make the ServiceAccount {name}, or correct pod.serviceAccountName",
    ),
    (
        r"(?:maximum|minimum|max limit|min)\b.*\bper (?:Container|Pod)\b",
        "give worker.resources what the LimitRange allows",
    ),
    (r"is invalid: \S+resources", "correct worker.resources: a LimitRange may have filled in what it leaves open"),
    (r"no PriorityClass with name (?P<name>\S+)", "make the PriorityClass {name}, or correct pod.priorityClassName"),
)


def cure(said: str) -> str:
    """What to do.

    Args:
        said: the API server's sentence.
    """
    for pattern, remedy in _CURES:
        found = re.search(pattern, said)
        if found:
            return remedy.format(**found.groupdict())
    return "change what it complains of: no worker is made before"
