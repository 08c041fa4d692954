"""Makes the node image that kind runs, from our builds, where none can be pulled; it starts no cluster."""

import io
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hack import base, registry, tools
from hack.commands import environment, run
from hack.console import step
from hack.engine import Engine
from hack.places import HACK_FOLDER, cache, key_of, locked, published

ON_NODE = ("kubeadm", "kubelet", "kubectl")
IN_PODS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "etcd",
    "coredns",
    tools.PROVISIONER,
)
PROGRAMS = ON_NODE + IN_PODS
SANDBOX = "registry.k8s.io/pause:3.10.1"
FILES = HACK_FOLDER / "node-image"
SCRATCH_PATH = "ENV PATH=/usr/local/bin"
UNITS = "etc/systemd/system"
PROVISIONER = "docker.io/local/local-path-provisioner:1"
# kind insists on applying a network, and pods' network is 10-bridge.conflist.
NOTHING = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: default-cni, namespace: kube-system}\n"


def official(engine: Engine) -> bool:
    """Whether the published node image serves on this engine."""
    return registry.serves(engine, fallback=name())


def name() -> str:
    """The name of our node image, which changes with what is in it."""
    builds = [key_of(tools.group_of(program).folder) for program in PROGRAMS]
    shelf = tools.shelf("utilitarian-node", tools.KUBERNETES)  # the image of another version stays
    return f"{shelf}:{key_of(base.NODE.image, base.rabbitmq_image(), FILES, Path(__file__), *builds)}"


def ensure(engine: Engine) -> str:
    """The name of the node image to give to kind, made if the engine does not have it."""
    if official(engine):
        return registry.NODE
    with locked(cache() / "node-image.lock", "the node image being made"):
        if not engine.has_image(name()):
            node_base, pods_base = base.ensure(base.NODE, engine), base.ensure(base.PODS, engine)
            programs = _programs()
            with step("making the node image"):
                system = list(_system_images(engine, pods_base, programs))
                _make(engine, node_base, [*system, pods_base, base.rabbitmq(engine)], programs)
                engine.docker("image", "rm", *system)
                engine.remove_others(name())
    return name()


def _programs() -> Mapping[str, Path]:
    found = {program: tools.program(program) for program in PROGRAMS}
    pause = FILES / "pause.go"
    folder = published("tools/pause", key_of(pause), lambda to: _build_pause(pause, to))
    return {**found, "pause": folder / "pause"}


def _build_pause(source: Path, folder: Path) -> None:
    run("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", folder / "pause", source, env={"CGO_ENABLED": "0"})


def _system_images(engine: Engine, pods_base: str, programs: Mapping[str, Path]) -> Iterator[str]:
    """Make the control plane's images under the names that kubeadm looks for."""
    version = tools.kubernetes_version(tools.KUBERNETES)
    listed = run(programs["kubeadm"], "config", "images", "list", "--kubernetes-version", version)
    for image in listed.split():
        program = image.rsplit("/", 1)[-1].split(":")[0]
        if program == "kube-proxy":  # it calls iptables
            _layer(engine, image, pods_base, {"usr/local/bin/kube-proxy": programs[program]})
        else:
            entry = [f'ENTRYPOINT ["/usr/local/bin/{program}"]'] if program in {"coredns", "pause"} else []
            _scratch(engine, image, programs[program], [SCRATCH_PATH, *entry])
        yield image
    if SANDBOX not in listed:
        _scratch(engine, SANDBOX, programs["pause"], [SCRATCH_PATH, 'ENTRYPOINT ["/usr/local/bin/pause"]'])
        yield SANDBOX
    _scratch(engine, PROVISIONER, programs[tools.PROVISIONER], [SCRATCH_PATH])
    yield PROVISIONER


def _scratch(engine: Engine, image: str, program: Path, changes: Iterable[str]) -> None:
    options = [part for change in changes for part in ("--change", change)]
    archive = _archive({f"usr/local/bin/{program.name}": program})
    run("docker", "import", *options, "-", image, env=engine.env, feed=archive)


def _archive(files: Mapping[str, Path | bytes], executable: Iterable[str] = ()) -> bytes:
    """A tar archive of these files; bytes are files of mode 644 unless named as executable."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for target, content in files.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry = tarfile.TarInfo(target)
            runs = target in executable or (isinstance(content, Path) and content.stat().st_mode & 0o100)
            entry.size, entry.mode = len(data), 0o755 if runs else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@contextmanager
def _container(engine: Engine, image: str, *options: str) -> Iterator[str]:
    """A container that does nothing, to be filled and committed."""
    create = ("run", "--detach", "--network", "none", *options, "--entrypoint", "sleep", image, "infinity")
    container = engine.docker(*create).strip()
    try:
        yield container
    finally:
        engine.docker("rm", "--force", "--volumes", container)


def _layer(engine: Engine, image: str, on: str, files: Mapping[str, Path | bytes]) -> None:
    with _container(engine, on) as container:
        run("docker", "cp", "-", f"{container}:/", env=engine.env, feed=_archive(files))
        engine.docker("commit", "--pause=false", container, image)


def _make(engine: Engine, node_base: str, images: list[str], programs: Mapping[str, Path]) -> None:
    with _container(engine, node_base, "--privileged", "--stop-signal", "SIGRTMIN+3") as container:
        run("docker", "cp", "-", f"{container}:/", env=engine.env, feed=_archive(_node_files(programs)))
        engine.docker("exec", container, "sh", "-ec", _SETTLE)
        with subprocess.Popen(
            ["docker", "save", *images], stdout=subprocess.PIPE, env=environment(engine.env)
        ) as saving:
            importing = ("exec", "--interactive", container, "sh", "-ec", _IMPORT)
            run("docker", *importing, env=engine.env, feed=saving.stdout)
        changes = ['ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]', "CMD []", "ENV container=docker"]
        options = [part for change in changes for part in ("--change", change)]
        engine.docker("commit", "--pause=false", *options, container, name())


_SETTLE = """
systemctl enable containerd.service kubelet.service
rm -f /etc/machine-id /var/lib/dbus/machine-id; touch /etc/machine-id
"""
# Unpacking needs mounts that a build may not make; the node unpacks what it runs.
_IMPORT = """
containerd >/var/log/containerd-import.log 2>&1 & daemon=$!
until ctr version >/dev/null 2>&1; do kill -0 $daemon; done
ctr --namespace k8s.io images import --no-unpack - >/dev/null
kill $daemon; wait $daemon || true
rm -rf /run/containerd /var/log/containerd-import.log
"""


def _node_files(programs: Mapping[str, Path]) -> dict[str, Path | bytes]:
    return {
        **{f"usr/bin/{program}": programs[program] for program in ON_NODE},
        **{f"usr/local/bin/{script}": FILES / script for script in ("entrypoint", "kubelet-cgroups")},
        "etc/containerd/config.toml": FILES / "containerd.toml",
        "etc/cni/net.d/10-bridge.conflist": FILES / "10-bridge.conflist",
        f"{UNITS}/kubelet.service": FILES / "kubelet.service",
        "kind/version": tools.kubernetes_version(tools.KUBERNETES).encode(),
        "kind/manifests/default-cni.yaml": NOTHING,
        "kind/manifests/default-storage.yaml": _storage(),
    }


def _storage() -> bytes:
    text = (FILES / "default-storage.yaml").read_text()
    helper = f"docker.io/library/{base.PODS.image}"
    return text.replace("HELPER_IMAGE", helper).replace("PROVISIONER_IMAGE", PROVISIONER).encode()
