"""Starts a real Kubernetes control plane (etcd, API server, controller manager) as processes; it runs no pods.

Deployments get ReplicaSets and those get Pods, owner references are collected and namespaces finalize, as in any
cluster; pods stay Pending because there is no node. RBAC is on.
"""

import base64
import contextlib
import os
import secrets
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.authority import Authority
from tests.support.http import HttpError, request_json
from tests.support.ports import LOOPBACK, free_port
from tests.support.processes import Process
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
START_WITHIN = timedelta(seconds=60)
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# Nothing here has nodes, volumes or certificates to look after.
_IDLE_CONTROLLERS = (
    "node-ipam-controller",
    "node-lifecycle-controller",
    "persistentvolume-attach-detach-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-expander-controller",
    "certificatesigningrequest-signing-controller",
    "certificatesigningrequest-approving-controller",
    "certificatesigningrequest-cleaner-controller",
    "token-cleaner-controller",
)
_MOST_CONTROLLERS = f"*,{','.join(f'-{name}' for name in _IDLE_CONTROLLERS)}"


def binaries() -> Path:
    """The folder with etcd, kube-apiserver, kube-controller-manager and kubectl; builds them when they are missing.

    Raises:
        subprocess.CalledProcessError: they can't be built; the tool's own message stands above on stderr.
    """
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if given:
        return Path(given)
    found = subprocess.run([REPOSITORY / "hack" / "tool-path"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(found.stdout.strip())


@dataclass
class ControlPlane:
    """A running control plane; `kubeconfig` is the administrator's.

    `crds` are installed before the controller manager starts: its garbage collector looks for new kinds only every
    30 s, and until then it doesn't delete what a resource of a new kind owns. Client certificates that `authority` has
    signed are taken for logins.
    """

    directory: Path
    crds: Sequence[Path] = ()
    tools: Path = field(default_factory=binaries)
    authority: Authority = field(default_factory=Authority)
    apiserver: Process = field(init=False)
    etcd: Process = field(init=False)
    controller_manager: Process = field(init=False)

    def __post_init__(self) -> None:
        self.directory = self.directory.resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._etcd_port = free_port()
        self._token = secrets.token_hex(16)
        self._make_credentials()
        self.etcd = self._process("etcd", self._etcd_flags())
        self.apiserver = self._process("kube-apiserver", self._apiserver_flags())
        self.controller_manager = self._process("kube-controller-manager", self._controller_manager_flags())
        self._tls = ssl.create_default_context(cafile=self._certificate)

    @property
    def url(self) -> str:
        """The address of the API server."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the administrator (a token in system:masters)."""
        return self.directory / "kubeconfig"

    def start(self) -> Self:
        """Starts everything and returns when a pod could be created in the namespace `default`.

        Raises:
            ProcessEndedError: one of the programs ended.
            NotInTimeError: one of them is not ready; the message ends with its log.
        """
        self.etcd.start()
        self.start_apiserver()
        self.apply_crds(*self.crds)
        self.controller_manager.start()
        self.controller_manager.wait_ready(lambda: self._service_account("default"), within=START_WITHIN)
        return self

    def start_apiserver(self) -> None:
        """Starts the API server (again) and waits until it says that it is ready.

        Raises:
            ProcessEndedError: it ended.
            NotInTimeError: it is not ready.
        """
        self.apiserver.start()
        self.apiserver.wait_ready(
            lambda: self.request("GET", "/readyz"), within=START_WITHIN, ignoring=(OSError, HttpError)
        )

    def stop(self) -> None:
        """Ends everything at once; there is nothing to save."""
        for process in (self.controller_manager, self.apiserver, self.etcd):
            process.kill()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def looking_after_nodes(self, grace: timedelta) -> Iterator[None]:
        """For the time of the block nodes are called lost that were silent for so long.

        Raises:
            ProcessEndedError: the program that does so ended.
        """
        flags = self._controller_manager_flags("node-lifecycle-controller")
        often = [f"--node-monitor-grace-period={grace.total_seconds():g}s", "--node-monitor-period=200ms"]
        program = self._process("kube-controller-manager", [*flags, *often, "--node-eviction-rate=10"], "nodes")
        program.start()
        try:
            yield
        finally:
            program.kill()

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, content_type: str = "application/json"
    ) -> Any:
        """Sends one request to the API server and returns its JSON (or text) answer.

        Raises:
            HttpError: the API server refused it.
            OSError: no answer comes.
        """
        return request_json(method, self.url + path, body, content_type=content_type, token=self._token, tls=self._tls)

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Runs kubectl as the administrator and returns what it prints.

        Raises:
            AssertionError: kubectl failed; the message holds what it said.
        """
        command = [str(self.tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise AssertionError(f"kubectl {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def apply_crds(self, *files: Path) -> None:
        """Applies CRD files (or folders of them) and waits until their resources are served.

        Raises:
            HttpError: a CRD was refused.
            NotInTimeError: a CRD was not established within 30 s.
        """
        definitions = [crd for file in files for crd in _documents(file)]
        for crd in definitions:
            name = crd["metadata"]["name"]
            path = f"{_CRDS}/{name}?fieldManager=tests&force=true&fieldValidation=Strict"
            self.request("PATCH", path, crd, APPLY_PATCH)
        for crd in definitions:
            self._wait_served(crd)

    def make_namespace(self, prefix: str = "test") -> str:
        """Makes a namespace in which pods can be created, and returns its name.

        Raises:
            NotInTimeError: its service account did not appear within 30 s.
        """
        body = {"metadata": {"generateName": f"{prefix}-"}}
        name = str(self.request("POST", "/api/v1/namespaces", body)["metadata"]["name"])
        wait_until(lambda: self._service_account(name), within=timedelta(seconds=30))
        return name

    def delete_namespace(self, name: str) -> None:
        """Asks for the deletion of a namespace and does not wait for it."""
        self.request("DELETE", f"/api/v1/namespaces/{name}")

    @contextlib.contextmanager
    def namespace(self, prefix: str = "test") -> Iterator[str]:
        """A namespace for the time of the block."""
        name = self.make_namespace(prefix)
        try:
            yield name
        finally:
            self.delete_namespace(name)

    def pods(self, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        """The pods of a namespace that match a label selector (URL-encoded by the caller where needed)."""
        query = f"?labelSelector={selector}" if selector else ""
        items: list[dict[str, Any]] = self.request("GET", f"/api/v1/namespaces/{namespace}/pods{query}")["items"]
        return items

    def mark_pod_ready(self, namespace: str, name: str, *, ready: bool = True) -> None:
        """Writes the status that a kubelet writes when all containers of a pod run and are (not) ready."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        pod = self.request("GET", path)
        self.request("PATCH", f"{path}/status", {"status": _running_status(pod, ready=ready)}, MERGE_PATCH)

    def _service_account(self, namespace: str) -> bool:
        try:
            self.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/default")
        except HttpError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _wait_served(self, crd: Mapping[str, Any]) -> None:
        spec = crd["spec"]
        version = next(version["name"] for version in spec["versions"] if version["served"])
        path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
        wait_until(
            lambda: self.request("GET", path),
            within=timedelta(seconds=30),
            ignoring=(HttpError,),
            describe=lambda: self.request("GET", f"{_CRDS}/{crd['metadata']['name']}").get("status"),
        )

    def _process(self, program: str, flags: list[str], name: str = "") -> Process:
        return Process(program, [self.tools / program, *flags], log=self.directory / f"{name or program}.log")

    def _make_credentials(self) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        names = f"subjectAltName=IP:{LOOPBACK},DNS:localhost,DNS:kubernetes.default.svc"
        files = ["-keyout", str(self.signing_key), "-out", str(self._certificate)]
        made = subprocess.run(
            [*command, "-days", "2", "-subj", "/CN=tests", "-addext", names, *files],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"openssl could not make the API server's certificate: {made.stderr}")
        self._client_authority.write_text(self.authority.certificate)
        self._tokens.write_text(f'{self._token},admin,admin,"system:masters"\n')
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig()))

    @property
    def signing_key(self) -> Path:
        """The key of the API server's certificate, which signs tokens of service accounts as well."""
        return self.directory / "server.key"

    @property
    def _client_authority(self) -> Path:
        return self.directory / "client-ca.crt"

    @property
    def _certificate(self) -> Path:
        return self.directory / "server.crt"

    @property
    def _tokens(self) -> Path:
        return self.directory / "tokens.csv"

    def _kubeconfig(self) -> dict[str, Any]:
        authority = base64.b64encode(self._certificate.read_bytes()).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "clusters": [{"name": "tests", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "admin", "user": {"token": self._token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
        }

    def _etcd_flags(self) -> list[str]:
        client = f"http://{LOOPBACK}:{self._etcd_port}"
        peer = f"http://{LOOPBACK}:{free_port()}"
        return [
            "--unsafe-no-fsync",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver_flags(self) -> list[str]:
        return [
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            "--endpoint-reconciler-type=none",  # a loopback address may not stand in the endpoints of `kubernetes`
            f"--secure-port={self.port}",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={self._certificate}",
            f"--tls-private-key-file={self.signing_key}",
            f"--token-auth-file={self._tokens}",
            f"--client-ca-file={self._client_authority}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={self._certificate}",
            f"--service-account-signing-key-file={self.signing_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--allow-privileged",
        ]

    def _controller_manager_flags(self, controllers: str = _MOST_CONTROLLERS) -> list[str]:
        return [
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.directory}",
            f"--service-account-private-key-file={self.signing_key}",
            f"--root-ca-file={self._certificate}",
            # The defaults (20 a second) are for a shared API server; here they would only make tests wait.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--concurrent-namespace-syncs=20",
            f"--controllers={controllers}",
        ]


_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    for file in files:
        yield from (document for document in yaml.safe_load_all(file.read_text()) if document)


def _running_status(pod: Mapping[str, Any], *, ready: bool) -> dict[str, Any]:
    now = pod["metadata"]["creationTimestamp"]
    true_when = {True: "True", False: "False"}
    kinds = {"Initialized": True, "PodScheduled": True, "ContainersReady": ready, "Ready": ready}
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": "192.0.2.1",
        "conditions": [
            {"type": kind, "status": true_when[state], "lastTransitionTime": now} for kind, state in kinds.items()
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": container["image"],
                "containerID": f"tests://{pod['metadata']['uid']}/{container['name']}",
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for container in pod["spec"]["containers"]
        ],
    }
