"""Makes base images from Debian packages where no image can be pulled; it puts nothing of the product into them."""

import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hack import packages, preflight
from hack.commands import run
from hack.console import step
from hack.engine import Engine
from hack.failure import Failure
from hack.places import cache, key_of, locked

SUITE = "bookworm"  # its Python is 3.11, which the wheels for the images are chosen for
TRIMMED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man", "var/log")


@dataclass(frozen=True)
class Base:
    """An image of a minimal Debian with these packages."""

    name: str
    packages: tuple[str, ...]

    @property
    def image(self) -> str:
        """Its name in the engine, which changes with what is in it."""
        return f"utilitarian-{self.name}-base:{key_of(SUITE, *self.packages, platform.machine())}"


NODE = Base(
    "node",
    (
        *("systemd", "systemd-sysv", "containerd", "runc", "containernetworking-plugins", "ca-certificates"),
        *("iproute2", "iptables", "ebtables", "conntrack", "ethtool", "socat", "hostname"),
        *("mount", "kmod", "procps", "util-linux", "jq"),
    ),
)
# One base for all that runs in pods: a node stores its layer once, so RabbitMQ and kube-proxy cost the others nothing.
PODS = Base(
    "pods", ("python3", "python3-venv", "ca-certificates", "tzdata", "rabbitmq-server", "iptables", "conntrack", "kmod")
)

# Debian's wrapper insists on being root; the server itself does not. A node name of its own host keeps DNS out of it.
RABBITMQ_RECIPE = """FROM {base}
ENV HOME=/var/lib/rabbitmq LANG=C.UTF-8
ENV RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_LOGS=- RABBITMQ_LOG_BASE=/var/lib/rabbitmq/log
USER rabbitmq
ENTRYPOINT ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
"""


def rabbitmq_image() -> str:
    """The name of the RabbitMQ image, which changes with what is in it."""
    return f"utilitarian-rabbitmq:{key_of(PODS.image, RABBITMQ_RECIPE)}"


def rabbitmq(engine: Engine) -> str:
    """The name of the RabbitMQ image, made if the engine does not have it: Debian's package, nothing more."""
    if not engine.has_image(rabbitmq_image()):
        recipe = RABBITMQ_RECIPE.format(base=ensure(PODS, engine))
        build = ("build", "--quiet", "--network", "none", "--tag", rabbitmq_image(), "-")
        run("docker", *build, env=engine.env, feed=recipe)
    return rabbitmq_image()


def ensure(base: Base, engine: Engine) -> str:
    """The name of the base image, made if the engine does not have it.

    Raises:
        Failure: not root, debootstrap missing, no mirror known, or no network.
    """
    with locked(cache() / f"base-{base.name}.lock", f"the {base.name} base image being made"):
        if not engine.has_image(base.image):
            preflight.check_root("a base system must be made with debootstrap")
            packages.ensure(packages.BASE)
            with step(f"making the {base.name} base image from Debian packages"):
                _make(base, engine)
    return base.image


def _make(base: Base, engine: Engine) -> None:
    folder = Path(tempfile.mkdtemp(prefix=".base-", dir=cache()))
    try:
        debootstrap(folder, SUITE, base.packages)
        _import(folder, base.image, engine)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def debootstrap(folder: Path, suite: str, wanted: Iterable[str]) -> None:
    """Install a minimal Debian with some packages into a folder, without what only a person would read.

    Args:
        folder: where to; owned by root.
        suite: of Debian, such as `trixie`.
        wanted: names of packages.

    Raises:
        Failure: no mirror known, or no network.
    """
    debs = cache() / "debs"
    debs.mkdir(exist_ok=True)
    # One at a time: two that fetch the same package into the same folder spoil it for each other.
    with locked(cache() / "debs.lock", "another base system being made"):
        # Its own mounts and processes, so that nothing of them outlives it, however it ends.
        run(
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"),
            *(f"--cache-dir={debs}", f"--include={','.join(wanted)}", suite, folder, mirror()),
            remedy=f"Its log is in {folder}/debootstrap while it runs. Is there a network?",
        )
    for path in TRIMMED:
        shutil.rmtree(folder / path, ignore_errors=True)
        (folder / path).mkdir(parents=True)


def _import(folder: Path, image: str, engine: Engine) -> None:
    with subprocess.Popen(["tar", "-C", str(folder), "-c", "."], stdout=subprocess.PIPE) as packing:
        run("docker", "import", "-", image, env=engine.env, feed=packing.stdout)
    if packing.returncode != 0:
        raise Failure(f"packing {folder} for {image} failed (tar exit {packing.returncode}); is the disk full?")


def mirror() -> str:
    """The Debian mirror that this machine's apt uses.

    Raises:
        Failure: the apt sources name none.
    """
    etc = Path("/etc/apt")
    texts = [
        path.read_text() for path in sorted([etc / "sources.list", *etc.glob("sources.list.d/*")]) if path.is_file()
    ]
    found = next((uri for text in texts for uri in mirrors_in(text)), None)
    if found is None:
        raise Failure(
            "no Debian mirror with `main` is named in /etc/apt/sources.list or sources.list.d; "
            "add one, or use a Docker engine that can pull images"
        )
    return found


def mirrors_in(text: str) -> Iterator[str]:
    """The addresses in an apt source, one-line or deb822, that serve a Debian release's `main`."""
    for found in re.finditer(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+([a-z]+)\s.*\bmain\b", text, re.MULTILINE):
        if found[1].rstrip("/").endswith("/debian"):
            yield found[1]
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", paragraph, re.MULTILINE))
        for uri in fields.get("URIs", "").split():
            if uri.rstrip("/").endswith("/debian") and "main" in fields.get("Components", "").split():
                yield uri
