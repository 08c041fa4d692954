"""Why a person has no answer, in one plain sentence: a login that is over, a missing right, no API server."""

import re

from utilitarian_operator.errors import ClusterError, Rejected

LOG_IN_AGAIN = (
    "the API server refuses the login of this kubeconfig (HTTP 401): it has expired or was withdrawn; log in again as "
    "for kubectl, or choose another by --context or --kubeconfig"
)
NOT_LOGGED_IN = (
    "this kubeconfig has no login, and without one nothing can be read: log in as for kubectl, or choose another by "
    "--context or --kubeconfig"
)

SEE_THE_WAY = "see that the cluster runs, that the network or VPN leads to it, and that its address is right"
NOT_ITS_CERTIFICATE = (
    "the kubeconfig's certificate-authority has not signed the API server's certificate, or that has expired: fetch "
    "the kubeconfig of the cluster anew"
)

_READING = {"get", "list", "watch"}
_ANONYMOUS = "system:anonymous"
_RBAC = re.compile(
    r'is forbidden: User "(?P<user>.*?)" cannot (?P<verb>\w+) resource "(?P<what>[^"]+)" in API group "[^"]*"'
    r'( in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)'
)
"""How RBAC says no; quotas, policies and webhooks use other words for the same status code."""


class NoRight(Rejected):
    """The person who asks lacks a right.

    Args:
        lacks: which one.
        remedy: what to do.
    """

    def __init__(self, lacks: str, remedy: str) -> None:
        super().__init__(f"{lacks}: {remedy}")
        self.lacks, self.remedy = lacks, remedy


def no_answer(error: Exception, what: str, *, untrusted: bool) -> ClusterError:
    """No answer to a request came.

    Args:
        error: of the connection.
        what: was asked for.
        untrusted: whether it is the server's certificate that is in the way.
    """
    if untrusted:
        return ClusterError(f"{what}: {NOT_ITS_CERTIFICATE}")
    said = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return ClusterError(f"{what}: {said}; {SEE_THE_WAY}")


def for_a_person(error: ClusterError, status: int) -> ClusterError:
    """An error of the API server as a person should read it.

    Args:
        error: as it was translated.
        status: of HTTP.
    """
    if status == 401 and not isinstance(error, Rejected):  # noqa: PLR2004 - HTTP's own number
        return ClusterError(LOG_IN_AGAIN)
    found = _RBAC.search(error.said) if isinstance(error, Rejected) else None
    if found is None:
        return error
    if found["user"] == _ANONYMOUS:
        return ClusterError(NOT_LOGGED_IN)
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in all namespaces"
    role = "view" if found["verb"] in _READING else "edit"
    return NoRight(
        f"{found['user']} may not {found['verb']} {found['what']} {where}",
        f"ask for the role {role} there, or for this right alone",
    )
