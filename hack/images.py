"""Builds the images of the operator and of the reference application, named by their content; it deploys nothing."""

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from hack import base, node_image, registry, venv
from hack.commands import run
from hack.console import step
from hack.engine import Engine
from hack.failure import Failure
from hack.places import BUILD, ROOT, key_of, published

PYTHON_VERSION = "3.11"
MANYLINUX = ("2014", "_2_17", "_2_28", "_2_34")  # what wheels may ask for; Debian 12 has glibc 2.36
SOURCES = (ROOT / "operator" / "utilitarian_operator", ROOT / "worker" / "utilitarian", ROOT / "pyproject.toml")


@dataclass(frozen=True)
class Product:
    """An image of ours: its name, its Dockerfile, and the lock file of what goes into it."""

    name: str
    folder: str

    @property
    def dockerfile(self) -> Path:
        """Where its recipe is."""
        return ROOT / self.folder / "Dockerfile"

    @property
    def requirements(self) -> Path:
        """Its locked requirements, with hashes."""
        return ROOT / "requirements" / f"{self.folder}.txt"

    @property
    def dev(self) -> str:
        """The name that is always the latest build's."""
        return f"{self.name}:dev"

    def image(self, on: str) -> str:
        """The name that changes with what is in the image."""
        return f"{self.name}:dev-{key_of(self.dockerfile, self.requirements, on, *SOURCES)}"


OPERATOR = Product("utilitarian-operator", "operator")
WORKER = Product("utilitarian", "worker")
PRODUCTS = (OPERATOR, WORKER)


def base_image(engine: Engine) -> str:
    """The Python base: the official image where images can be pulled, else the one made from packages."""
    return registry.PYTHON if node_image.official(engine) else base.ensure(base.PODS, engine)


def ensure(engine: Engine) -> dict[str, str]:
    """Build what changed; returns the content name of each image by its plain name.

    Raises:
        Failure: packages can't be fetched, or a build fails.
    """
    on = base_image(engine)
    return {product.name: _ensure(product, on, engine) for product in PRODUCTS}


def _ensure(product: Product, on: str, engine: Engine) -> str:
    image = product.image(on)
    if not engine.has_image(image):
        with step(f"building the image {product.dev}"):
            context = _context(product)
            arguments = ("--network", "none", "--build-arg", f"BASE={on}", "--tag", image, context)
            engine.docker("build", "--quiet", "--force-rm", *arguments)
    engine.docker("tag", image, product.dev)
    engine.remove_others(image, product.dev)
    return image


def _context(product: Product) -> Path:
    return context(product, BUILD / "images" / product.folder, platform.machine())


def context(product: Product, folder: Path, *machines: str) -> Path:
    """A folder, made anew, with all that the Dockerfile may copy: requirements/, wheels/, project/ and the Dockerfile.

    Args:
        product: whose image is to be built.
        folder: that is made.
        machines: the processors that it is built for, as `platform.machine()` names them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "requirements").mkdir(parents=True)
    shutil.copy(product.dockerfile, folder / "Dockerfile")
    shutil.copy(product.requirements, folder / "requirements")
    for machine in machines:
        found = wheels(product, machine)
        shutil.copytree(found, folder / "wheels", copy_function=_link_or_copy, dirs_exist_ok=True)
    run(
        *(venv.PYTHON, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder / "project", ROOT),
    )
    return folder


def _link_or_copy(source: str, target: str) -> str:
    if Path(target).exists():  # a package for every processor
        return target
    try:
        os.link(source, target)
    except OSError:  # the cache may be another disk
        shutil.copyfile(source, target)
    return target


def wheels(product: Product, machine: str = "") -> Path:
    """The cache folder with the locked packages of an image for a processor, this one's unless given; fetched once."""
    machine = machine or platform.machine()
    if not product.requirements.exists():
        raise Failure(f"{product.requirements.relative_to(ROOT)} is missing; restore it from the repository")
    key = key_of(product.requirements, PYTHON_VERSION, machine)
    # One place a processor, since a new one takes the place of what was there.
    place = product.folder if machine == platform.machine() else f"{product.folder}-{machine}"
    return published(f"wheels/{place}", key, lambda folder: _download(product, folder, machine))


def _download(product: Product, folder: Path, machine: str) -> None:
    platforms = [f"--platform=manylinux{version}_{machine}" for version in MANYLINUX]
    with step(f"fetching the Python packages of {product.dev}"):
        run(
            *(venv.PYTHON, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:"),
            *(f"--python-version={PYTHON_VERSION}", "--implementation=cp", *platforms),
            *("--dest", folder, "--requirement", product.requirements),
            remedy="Is there a network?",
        )
