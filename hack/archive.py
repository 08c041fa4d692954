"""Turns what `docker save` wrote into an image archive without the layers that a node has.

A node holds the base and the dependencies of most images already: a change of the source is then a few megabytes
instead of hundreds.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class _Blob:
    """A piece of an image; `content` is read from the saved archive only when it is written."""

    media_type: str
    digest: str
    size: int
    content: bytes | tarfile.TarInfo

    @property
    def descriptor(self) -> dict[str, object]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def without(held: frozenset[str], saved: Path, out: IO[bytes], full_names: dict[str, str]) -> None:
    """Write an OCI archive of the images in `saved`, leaving out the blobs whose digests are in `held`.

    Args:
        held: digests, as `sha256:…`, that the reader of the archive has.
        saved: the file that `docker save` wrote.
        out: where the archive goes, in one pass.
        full_names: the name to give to each image, by its tag in `saved`.
    """
    written = set(held)
    with tarfile.open(saved) as source, tarfile.open(fileobj=out, mode="w|") as target:
        _add(target, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        manifests = []
        for image in json.load(_member(source, "manifest.json")):
            config, layers = _blobs(source, image)
            parts = [blob.descriptor for blob in layers]
            text = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor, "layers": parts}
            manifest = _of_bytes(MANIFEST, json.dumps(text).encode())
            for blob in (config, *layers, manifest):
                if blob.digest not in written:
                    written.add(blob.digest)
                    _write(source, target, blob)
            names = [{"io.containerd.image.name": full_names[tag]} for tag in image["RepoTags"]]
            manifests += [{**manifest.descriptor, "annotations": name} for name in names]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        _add(target, "index.json", json.dumps(index).encode())


def _blobs(source: tarfile.TarFile, image: dict[str, list[str]]) -> tuple[_Blob, list[_Blob]]:
    config = _of_bytes(CONFIG, _member(source, str(image["Config"])).read())
    assert isinstance(config.content, bytes)  # noqa: S101 - for the type checker
    diff_ids = json.loads(config.content)["rootfs"]["diff_ids"]
    return config, list(_layers(source, image["Layers"], diff_ids))


def _layers(source: tarfile.TarFile, paths: list[str], diff_ids: list[str]) -> Iterator[_Blob]:
    """A plain layer's digest is its diff id; a packed one (newer engines) is named by its digest."""
    for path, diff_id in zip(paths, diff_ids, strict=True):
        member = source.getmember(path)
        while member.issym() or member.islnk():  # a layer that two images share
            member = source.getmember(str(_beside(path, member.linkname) if member.issym() else member.linkname))
        packed = _member(source, member.name).read(2) == GZIP
        digest = f"sha256:{Path(path).name}" if packed else diff_id
        yield _Blob(LAYER + "+gzip" * packed, digest, member.size, member)


def _beside(path: str, link: str) -> Path:
    """Where a relative link in an archive leads: `a/layer.tar` to `../b/layer.tar` is `b/layer.tar`."""
    parts = [*Path(path).parent.parts]
    for part in Path(link).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return Path(*parts)


def _of_bytes(media_type: str, content: bytes) -> _Blob:
    return _Blob(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), content)


def _member(source: tarfile.TarFile, name: str) -> IO[bytes]:
    found = source.extractfile(name)
    if found is None:
        raise KeyError(name)
    return found


def _write(source: tarfile.TarFile, target: tarfile.TarFile, blob: _Blob) -> None:
    name = f"blobs/{blob.digest.replace(':', '/')}"
    if isinstance(blob.content, bytes):
        _add(target, name, blob.content)
        return
    entry = tarfile.TarInfo(name)
    entry.size = blob.size
    target.addfile(entry, source.extractfile(blob.content))


def _add(target: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    target.addfile(entry, io.BytesIO(content))
