"""Builds pinned programs from Go modules into the user cache, or takes fitting ones that are there; runs none."""

import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from hack.commands import run
from hack.console import say, step
from hack.failure import Failure
from hack.places import HACK_FOLDER, cache, key_of, published

PROVISIONER = "local-path-provisioner"
PINNED = "1.34"
"""The minor version of Kubernetes that is built unless K8S asks for another."""
FAST_TIER = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


@dataclass(frozen=True)
class Group:
    """Programs that one `go build` makes, from one module under hack/tools."""

    name: str
    module: str
    packages: Mapping[str, str]  # program -> Go package

    @property
    def folder(self) -> Path:
        """Where its go.mod and go.sum are."""
        return HACK_FOLDER / "tools" / self.module


def of_kubernetes(wanted: str | None) -> str:
    """The module under hack/tools with the sources of a version, as `1.35`: the pinned one where it has none."""
    other = f"kubernetes-{wanted}"
    return other if (HACK_FOLDER / "tools" / other).is_dir() else "kubernetes"


def versions() -> list[str]:
    """The minor versions of Kubernetes that are built from their sources, as `["1.34", "1.35"]`."""
    others = (HACK_FOLDER / "tools").glob("kubernetes-*")
    return sorted([PINNED, *(folder.name.removeprefix("kubernetes-") for folder in others)])


KUBERNETES = of_kubernetes(os.environ.get("K8S"))


def shelf(name: str, module: str) -> str:
    """Where the programs of a module are kept: each version apart, since what is made there takes away what was."""
    return name + module.removeprefix("kubernetes")


def _kubernetes(name: str, module: str, *programs: str) -> Group:
    return Group(name, module, {program: f"k8s.io/kubernetes/cmd/{program}" for program in programs})


GROUPS = (
    _kubernetes(shelf("control-plane", KUBERNETES), KUBERNETES, "kube-apiserver", "kube-controller-manager", "kubectl"),
    _kubernetes(shelf("node", KUBERNETES), KUBERNETES, "kubelet", "kube-proxy", "kube-scheduler", "kubeadm"),
    Group("etcd", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"}),
    Group("kind", "kind", {"kind": "sigs.k8s.io/kind"}),
    Group("helm", "helm", {"helm": "helm.sh/helm/v3/cmd/helm"}),
    Group("coredns", "coredns", {"coredns": "github.com/coredns/coredns"}),
    Group(PROVISIONER, PROVISIONER, {PROVISIONER: f"github.com/rancher/{PROVISIONER}"}),
    # For measurements alone: no test needs them, and they take many minutes to build.
    Group("kwok", "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Group(
        "keda", "keda", {f"keda-{part}": f"github.com/kedacore/keda/v2/cmd/{part}" for part in ("operator", "adapter")}
    ),
)

# How a program that is there already proves that it fits; what is not named here is always built.
_MINOR = KUBERNETES.removeprefix("kubernetes-") if KUBERNETES != "kubernetes" else PINNED
_OURS = re.escape(_MINOR)
FITS = {
    "etcd": ((), "--version", r"etcd Version: 3\.6\."),
    "kube-apiserver": ((), "--version", rf"Kubernetes v{_OURS}\."),
    "kube-controller-manager": ((), "--version", rf"Kubernetes v{_OURS}\."),
    "kubectl": (("version",), "--client", rf"Client Version: v{_OURS}\."),
    "kind": ((), "version", r"kind v0\.33\."),
    "helm": ((), "version", r"v3\.(1[6-9]|2\d)\."),
}


def kubernetes_version(module: str = "kubernetes") -> str:
    """The version of Kubernetes that a module under hack/tools builds, as `v1.34.4`: the pinned one unless given."""
    text = (HACK_FOLDER / "tools" / module / "go.mod").read_text()
    found = re.search(r"^(?:require|\t) ?k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    if found is None:
        raise Failure(f"hack/tools/{module}/go.mod names no version of k8s.io/kubernetes; restore the file")
    return found[1]


def program(name: str) -> Path:
    """The path of one program: what is there and fits, else built.

    Raises:
        Failure: it has to be built and Go is missing or too old, or the build fails.
    """
    return _present(name) or built(group_of(name)) / name


def missing(*names: str) -> list[str]:
    """Which of these programs would have to be built now."""
    return [name for name in names if _present(name) is None and not (_place(group_of(name)) / name).exists()]


def group_of(name: str) -> Group:
    """The group of programs that this one is built with."""
    return next(group for group in GROUPS if name in group.packages)


@once
def _present(name: str) -> Path | None:
    if name not in FITS:
        return None
    leading, option, pattern = FITS[name]
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for candidate in (shutil.which(name, path=assets) if assets else None, shutil.which(name)):
        if candidate and _says(candidate, leading, option, pattern):
            return Path(candidate)
    return None


def _says(candidate: str, leading: tuple[str, ...], option: str, pattern: str) -> bool:
    try:
        return re.search(pattern, run(candidate, *leading, option, within=20)) is not None
    except Failure:
        return False


def built(group: Group) -> Path:
    """The cache folder that holds the group's programs, built if they are not there yet."""
    return published(f"tools/{group.name}", _key(group), lambda folder: _build(group, folder))


def _place(group: Group) -> Path:
    return cache() / "tools" / group.name / _key(group)


def _key(group: Group) -> str:
    packages = " ".join(group.packages.values())
    return key_of(group.folder / "go.mod", group.folder / "go.sum", _link_flags(group), packages, platform.machine())


def _build(group: Group, folder: Path) -> None:
    check_go(group)
    with step(f"building {', '.join(group.packages)} with Go"):
        # All in one call, so that one program is compiled while another is linked.
        run(
            *("go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath"),
            *("-ldflags", _link_flags(group), "-o", f"{folder}/", *group.packages.values()),
            cwd=group.folder,
            env={"CGO_ENABLED": "0"},
            remedy="The first build fetches Go modules: is there a network, and room under the Go cache?",
        )
        for name, package in group.packages.items():
            folder.joinpath(_built_name(package)).rename(folder / name)


def _built_name(package: str) -> str:
    """What Go calls the program of a package: its last part that is no major version (etcd's is called `server`)."""
    *_, before, last = package.split("/")
    return before if re.fullmatch(r"v\d+", last) else last


def _link_flags(group: Group) -> str:
    flags = "-s -w"
    if group.module.startswith("kubernetes"):
        version = kubernetes_version(group.module)
        major, minor = version.removeprefix("v").split(".")[:2]
        about = "k8s.io/component-base/version"
        flags += f" -X {about}.gitVersion={version} -X {about}.gitMajor={major} -X {about}.gitMinor={minor}"
    return flags


def check_go(group: Group) -> None:
    """Refuse, in one sentence, to build a group without a Go that is new enough.

    Raises:
        Failure: Go is missing or older than the group's go.mod asks for.
    """
    needed = re.search(r"^go (\d+\.\d+)", (group.folder / "go.mod").read_text(), re.MULTILINE)
    wanted = needed[1] if needed else "1.26"
    what = f"{', '.join(group.packages)} must be built here, which needs Go {wanted} or newer"
    if shutil.which("go") is None:
        raise Failure(f"{what}, and there is no `go` on the PATH; install it and run this again")
    version = run("go", "env", "GOVERSION").strip()
    if _older(version.removeprefix("go"), wanted):
        raise Failure(f"{what}, and `go` on the PATH is {version}; install a newer one and run this again")


def _older(version: str, wanted: str) -> bool:
    have = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return have < [int(part) for part in wanted.split(".")]


def fast_tier() -> Path:
    """One folder with etcd, kube-apiserver, kube-controller-manager and kubectl: links to what `program` finds."""
    programs = {name: program(name) for name in FAST_TIER}
    folders = {path.parent for path in programs.values()}
    if len(folders) == 1:
        return folders.pop()
    return published(
        shelf("fast-tier", KUBERNETES),
        key_of(*(str(path) for path in programs.values())),
        lambda to: _link(programs, to),
    )


def _link(programs: Mapping[str, Path], folder: Path) -> None:
    for name, path in programs.items():
        (folder / name).symlink_to(path)
    say(f"linked {', '.join(programs)}")
