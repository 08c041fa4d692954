"""Which version of Kubernetes the test bed has."""

import re
from dataclasses import dataclass
from typing import cast

import pytest

from hack import registry
from hack.engine import Engine
from hack.failure import Failure
from hack.tools import kubernetes_version


@dataclass
class Images:
    """What is asked of an engine: whose it is, and which images it has."""

    private: bool = False
    has: tuple[str, ...] = ()

    def has_image(self, name: str) -> bool:
        return name in self.has


def test_the_pinned_version_is_the_one_that_is_built() -> None:
    assert kubernetes_version().startswith(f"v{registry.PINNED}.")


@pytest.mark.parametrize("version", registry.NODES)
def test_each_version_has_its_image_by_digest(version: str) -> None:
    assert re.fullmatch(rf"kindest/node:v{version}\.\d+@sha256:[0-9a-f]{{64}}", registry.NODES[version])


@pytest.mark.parametrize(
    "version,node,images,says",
    [
        ("1.12", "", Images(), "K8S=1.12: no node image is known for it; there are 1.31, 1.32, 1.33, 1.34, 1.35"),
        ("1.33", registry.NODES["1.33"], Images(private=True), "K8S=1.33 needs a published node image"),
        ("1.33", registry.NODES["1.33"], Images(has=("own",)), "K8S=1.33 needs a published node image"),
    ],
    ids=["unknown", "own-engine", "own-image"],
)
def test_a_version_that_can_not_be_had_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str, node: str, images: Images, says: str
) -> None:
    monkeypatch.setattr(registry, "WANTED", version)
    monkeypatch.setattr(registry, "NODE", node)
    with pytest.raises(Failure) as refused:
        registry.serves(cast(Engine, images), fallback="own")
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("images", [Images(), Images(private=True)], ids=["any-engine", "own-engine"])
def test_a_version_without_a_published_image_is_built(monkeypatch: pytest.MonkeyPatch, images: Images) -> None:
    monkeypatch.setattr(registry, "WANTED", "1.35")
    monkeypatch.setattr(registry, "NODE", "")
    assert not registry.serves(cast(Engine, images), fallback="own")


def test_published_images_serve_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WANTED", "1.34")
    monkeypatch.setattr(registry, "NODE", registry.NODES["1.34"])
    monkeypatch.setattr(registry, "ALL", ("node", *registry.ALL[1:]))
    assert registry.serves(cast(Engine, Images(has=registry.ALL)), fallback="own")
    assert not registry.serves(cast(Engine, Images(private=True)), fallback="own")
