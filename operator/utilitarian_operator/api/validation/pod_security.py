"""What pods of a fleet may ask for: the baseline of the Pod Security Standards, and no service account but `default`.

Who may edit a resource may have pods started by the operator, which has rights that the person may not have. So what
the baseline forbids is refused unless the chart allows it. The controls and their names of fields
are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/ as of Kubernetes 1.34.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from utilitarian_operator.api.kubernetes import PodSpec
from utilitarian_operator.api.problem import Problem
from utilitarian_operator.api.resource import UtilitarianWorkerPoolSpec

Pod: TypeAlias = Mapping[str, Any]
Found: TypeAlias = Iterator[tuple[str, str]]
"""Paths within what was looked at, each with the name of what would have to be allowed."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "privileged": "a privileged container has every right on its node",
        "hostPath": "a hostPath volume shows the pod its node's files",
        "hostNetwork": "hostNetwork gives the pod its node's network",
        "hostPID": "hostPID shows the pod every process of its node",
        "hostIPC": "hostIPC shares memory with every process of the node",
        "hostPort": "hostPort opens a port of the node",
        "hostProcess": "hostProcess runs the container on the node itself",
        "hostProbe": "a probe or hook with a host makes the kubelet ask another address",
        "capabilities": "this capability goes beyond those of the Pod Security baseline",
        "appArmor": "it takes AppArmor's profile away",
        "seLinux": "it chooses an SELinux user, role or type of its own",
        "seccomp": "Unconfined takes the filter of system calls away",
        "procMount": "it unmasks /proc",
        "sysctls": "this sysctl is none of those that concern the pod alone",
        "serviceAccountName": "it gives the pods the rights of that ServiceAccount on the API server",
    }
)
"""What can be allowed, each with why it is refused."""

NOTHING: frozenset[str] = frozenset()
EVERYTHING: frozenset[str] = frozenset(REASONS)

_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        *(f"net.ipv4.{name}" for name in ("ip_local_port_range", "ip_unprivileged_port_start", "tcp_syncookies")),
        *(f"net.ipv4.{name}" for name in ("ping_group_range", "ip_local_reserved_ports", "tcp_keepalive_time")),
        *(f"net.ipv4.{name}" for name in ("tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes")),
        *(f"net.ipv4.{name}" for name in ("tcp_rmem", "tcp_wmem")),
    }
)
_VOLUMES = frozenset(
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"]
)
"""Kinds of volumes that the restricted standard lets in."""
_ASKED = "spec.podSecurity: Restricted"
_SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_FILTERED = (None, "RuntimeDefault", "Localhost")
"""Types of AppArmor and seccomp profiles; compared one by one, since what stands in a resource may be no text."""
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


@dataclass(frozen=True)
class Allowances:
    """What fleets may ask for beyond the baseline, by the names in REASONS.

    Args:
        everywhere: in every namespace.
        by_namespace: more, in one.
    """

    everywhere: frozenset[str] = NOTHING
    by_namespace: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, namespace: str) -> frozenset[str]:
        """What fleets of one namespace may ask for."""
        return self.everywhere | self.by_namespace.get(namespace, NOTHING)

    @classmethod
    def read(cls, words: Collection[str]) -> "Allowances":
        """Of words such as `hostPath`, for every namespace, or `metering/hostPath`, for one.

        Raises:
            ValueError: a word names nothing that can be allowed, of which the message lists what can; or no namespace.
        """
        everywhere, by_namespace = NOTHING, dict[str, frozenset[str]]()
        for word in words:
            namespace, slash, name = word.rpartition("/")
            if slash and name in REASONS and not _NAMESPACE.fullmatch(namespace):
                raise ValueError(f"{word}: write {name} for every namespace, or NAMESPACE/{name}")
            if name not in REASONS:
                raise ValueError(f"{word}: can't be allowed; what can: {', '.join(REASONS)}")
            if namespace:
                by_namespace[namespace] = by_namespace.get(namespace, NOTHING) | {name}
            else:
                everywhere |= {name}
        return cls(everywhere, by_namespace)


BASELINE = Allowances()
"""Nothing beyond it, anywhere."""


def check_pod_security(spec: UtilitarianWorkerPoolSpec, allowed: Collection[str]) -> Iterator[Problem]:
    """What of a spec is refused, each with its field.

    Args:
        spec: as written.
        allowed: names of REASONS.
    """
    for at, pod in _written(spec):
        for path, name in _in_short(pod):
            if name not in allowed:
                yield Problem(f"{at}.{path}", "", _remedy(name))


def check_made_pods(pods: Mapping[str, Pod], allowed: Collection[str]) -> Iterator[Problem]:
    """What of pod templates as they would be applied is refused: whatever field of the spec it came by.

    Args:
        pods: by the path of the part of the spec that asks for each; `{"metadata": …, "spec": …}`.
        allowed: names of REASONS.
    """
    for at, pod in pods.items():
        for path, name in violations(pod):
            if name not in allowed:
                yield Problem(at, "", f"{path} of its pods: {_remedy(name)}")


def check_restricted(pods: Mapping[str, Pod]) -> Iterator[Problem]:
    """What keeps pod templates from the restricted standard, where the fleet asks for it.

    Args:
        pods: by the path of the part of the spec that asks for each.
    """
    for at, pod in pods.items():
        for path in _unrestricted(_map(pod.get("spec"))):
            yield Problem(
                at, "", f"{path} of its pods is not let in by the restricted standard, which {_ASKED} asks for"
            )


def _unrestricted(pod: Pod) -> Iterator[str]:
    context = _map(pod.get("securityContext"))
    yield from (f"volumes[{n}]" for n, it in _list(pod.get("volumes")) if not _VOLUMES.issuperset(it.keys() - {"name"}))
    if context.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot"
    if _map(context.get("seccompProfile")).get("type") is None:
        yield "securityContext.seccompProfile"
    if context.get("runAsUser") == 0:
        yield "securityContext.runAsUser"
    for kind in ("initContainers", "containers"):
        for number, container in _list(pod.get(kind)):
            own = _map(container.get("securityContext"))
            capabilities = _map(own.get("capabilities"))
            wrong = {
                "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
                "runAsNonRoot": own.get("runAsNonRoot") is False,
                "runAsUser": own.get("runAsUser") == 0,
                "capabilities.drop": "ALL" not in (capabilities.get("drop") or ()),
                "capabilities.add": any(it != "NET_BIND_SERVICE" for it in capabilities.get("add") or ()),
            }
            yield from (f"{kind}[{number}].securityContext.{name}" for name, it in wrong.items() if it)


def violations(template: Pod) -> Found:
    """What a pod template asks for beyond the baseline, with paths below `spec` of the template."""
    pod = _map(template.get("spec"))
    yield from ((name, name) for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    # The API server takes the older name of the field where the newer one is empty.
    if any(pod.get(name) not in (None, "", "default") for name in ("serviceAccountName", "serviceAccount")):
        yield "serviceAccountName", "serviceAccountName"
    yield from ((f"volumes[{n}].hostPath", "hostPath") for n, it in _list(pod.get("volumes")) if it.get("hostPath"))
    yield from _of_context("securityContext", _map(pod.get("securityContext")))
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for number, container in _list(pod.get(kind)):
            yield from _of_container(f"{kind}[{number}]", container)
    for name, value in _map(_map(template.get("metadata")).get("annotations")).items():
        if str(name).startswith(_APPARMOR_ANNOTATION) and not str(value).startswith(("runtime/default", "localhost/")):
            yield f"annotations[{name}]", "appArmor"


def _written(spec: UtilitarianWorkerPoolSpec) -> Iterator[tuple[str, PodSpec]]:
    defaults = spec.defaults.pod if spec.defaults else None
    pools = [(f"spec.pools[{number}].pod", pool.pod) for number, pool in enumerate(spec.pools or ())]
    parts = [("spec.pod", spec.pod), ("spec.defaults.pod", defaults), *pools, ("spec.beat.pod", spec.beat.pod)]
    yield from ((at, pod) for at, pod in parts if pod is not None)


def _in_short(pod: PodSpec) -> Found:
    """The violations of the short fields, by their own names."""
    inner = {
        "securityContext": pod.security_context,
        "volumes": pod.volumes,
        "serviceAccountName": pod.service_account_name,
        "containers": [{"securityContext": pod.container_security_context}],
    }
    own = "containers[0].securityContext"
    for path, name in violations({"metadata": {"annotations": pod.annotations}, "spec": inner}):
        yield path.replace(own, "containerSecurityContext", 1), name


def _of_container(at: str, container: Pod) -> Found:
    context = _map(container.get("securityContext"))
    yield from _of_context(f"{at}.securityContext", context)
    if context.get("privileged"):
        yield f"{at}.securityContext.privileged", "privileged"
    if context.get("procMount") not in (None, "", "Default"):
        yield f"{at}.securityContext.procMount", "procMount"
    added = _map(context.get("capabilities")).get("add") or ()
    for number, name in enumerate(added if isinstance(added, list | tuple) else ("",)):
        if str(name) not in _CAPABILITIES:
            yield f"{at}.securityContext.capabilities.add[{number}]", "capabilities"
    yield from (
        (f"{at}.ports[{n}].hostPort", "hostPort") for n, it in _list(container.get("ports")) if it.get("hostPort")
    )
    hooks = {f"lifecycle.{name}": hook for name, hook in _map(container.get("lifecycle")).items()}
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        hooks[name] = container.get(name)
    for name, hook in hooks.items():
        for kind in ("httpGet", "tcpSocket"):
            if _map(_map(hook).get(kind)).get("host"):
                yield f"{at}.{name}.{kind}.host", "hostProbe"


def _of_context(at: str, context: Pod) -> Found:
    """What a pod's security context and a container's have in common."""
    if _map(context.get("windowsOptions")).get("hostProcess"):
        yield f"{at}.windowsOptions.hostProcess", "hostProcess"
    if _map(context.get("appArmorProfile")).get("type") not in _FILTERED:
        yield f"{at}.appArmorProfile.type", "appArmor"
    if _map(context.get("seccompProfile")).get("type") not in _FILTERED:
        yield f"{at}.seccompProfile.type", "seccomp"
    linux = _map(context.get("seLinuxOptions"))
    own: dict[str, Callable[[Any], bool]] = {"type": lambda it: it in _SELINUX_TYPES, "user": lambda it: it == ""}
    own["role"] = own["user"]
    yield from ((f"{at}.seLinuxOptions.{k}", "seLinux") for k, right in own.items() if not right(linux.get(k) or ""))
    for number, sysctl in _list(context.get("sysctls")):
        if str(sysctl.get("name")) not in _SYSCTLS:
            yield f"{at}.sysctls[{number}]", "sysctls"


def _remedy(name: str) -> str:
    allow = f"podSecurity.allow: [{name}]"
    return f"{REASONS[name]}: leave it out, or have it allowed where the operator is installed ({allow})"


def _map(value: object) -> Mapping[str, Any]:
    """What is no object is left to the API server, which refuses it."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[tuple[int, Mapping[str, Any]]]:
    return [(number, _map(it)) for number, it in enumerate(value)] if isinstance(value, list | tuple) else []
