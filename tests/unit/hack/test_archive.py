"""What goes into an image archive for a node that has some layers; archives are made by hand, no engine is asked."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from hack.archive import without

BASE, OPERATOR, WORKER = b"the base", b"the operator", b"the worker"
NAMES = {"operator:1": "docker.io/library/operator:1", "worker:1": "docker.io/library/worker:1"}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Two images on one base, as the classic engine saves them: the second has a link to the base's layer."""
    path = tmp_path / "saved.tar"
    with tarfile.open(path, "w") as archive:

        def add(name: str, content: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

        add("b/layer.tar", BASE)
        add("o/layer.tar", OPERATOR)
        link = tarfile.TarInfo("x/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../b/layer.tar"
        archive.addfile(link)
        add("w/layer.tar", WORKER)
        images = []
        for name, first, own, content in (("operator", "b", "o", OPERATOR), ("worker", "x", "w", WORKER)):
            config = {"rootfs": {"diff_ids": [digest(BASE), digest(content)]}, "name": name}
            add(f"{name}.json", json.dumps(config).encode())
            layers = [f"{first}/layer.tar", f"{own}/layer.tar"]
            images.append({"Config": f"{name}.json", "RepoTags": [f"{name}:1"], "Layers": layers})
        add("manifest.json", json.dumps(images).encode())
    return path


def written(saved: Path, held: frozenset[str]) -> dict[str, bytes]:
    out = io.BytesIO()
    without(held, saved, out, NAMES)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        files = {}
        for member in archive.getmembers():
            reading = archive.extractfile(member)
            assert reading is not None
            files[member.name] = reading.read()
        return files


def blobs(files: dict[str, bytes]) -> set[bytes]:
    return {content for name, content in files.items() if name.startswith("blobs/")}


def test_every_blob_is_named_by_its_digest_and_written_once(saved: Path) -> None:
    files = written(saved, frozenset())
    layers = [content for content in files.values() if content in {BASE, OPERATOR, WORKER}]
    assert sorted(layers) == sorted([BASE, OPERATOR, WORKER])
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert digest(content) == name.removeprefix("blobs/").replace("/", ":")


def test_what_the_node_has_is_left_out_and_still_named_in_the_manifest(saved: Path) -> None:
    files = written(saved, frozenset({digest(BASE), digest(WORKER)}))
    assert OPERATOR in blobs(files)
    assert not {BASE, WORKER} & blobs(files)
    index = json.loads(files["index.json"])
    for entry, content in zip(index["manifests"], (OPERATOR, WORKER), strict=True):
        manifest = json.loads(files[f"blobs/{entry['digest'].replace(':', '/')}"])
        assert [layer["digest"] for layer in manifest["layers"]] == [digest(BASE), digest(content)]
        assert [layer["size"] for layer in manifest["layers"]] == [len(BASE), len(content)]


def test_each_image_gets_its_full_name(saved: Path) -> None:
    index = json.loads(written(saved, frozenset())["index.json"])
    names = [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]]
    assert names == list(NAMES.values())
