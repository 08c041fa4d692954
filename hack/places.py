"""Where things are kept: the checkout, its build folder, and the user's cache, keyed by what things are made from."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.console import say
from hack.failure import Failure

ROOT = Path(__file__).resolve().parent.parent
HACK_FOLDER = ROOT / "hack"
BUILD = ROOT / "build"
KEY_LENGTH = 12


def cache() -> Path:
    """The user's cache folder of this project; made if it is not there."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "utilitarian-operator"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key_of(*parts: Path | str) -> str:
    """A short name for the content of files and folders (names included) and for plain strings."""
    digest = hashlib.sha256()
    for part in parts:
        for name, content in _pieces(part):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:KEY_LENGTH]


def _pieces(part: Path | str) -> Iterator[tuple[str, bytes]]:
    if isinstance(part, str):
        yield "", part.encode()
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(part)), path.read_bytes()
    else:
        yield part.name, part.read_bytes()


def published(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder `name/key` of the cache; where missing, `make` fills a temporary one that is renamed when complete.

    Other keys of the same name are superseded and go. Two runs at once make it once: the second waits.
    """
    shelf = cache() / name
    wanted = shelf / key
    if wanted.is_dir():
        return wanted
    shelf.mkdir(parents=True, exist_ok=True)
    with locked(cache() / f"{name.replace('/', '-')}.lock", f"{name} being made"):
        if wanted.is_dir():
            return wanted
        for old in shelf.iterdir():
            shutil.rmtree(old)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=shelf))
        make(unfinished)
        unfinished.chmod(0o755)  # mkdtemp makes it private
        unfinished.rename(wanted)
    return wanted


@contextmanager
def locked(file: Path, what: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock for the time of the block; the kernel frees it even if the process is killed.

    Raises:
        Failure: another process holds it and `wait` is false.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            if not wait:
                raise Failure(f"{what} is already under way (pid {holder}); wait for it to end, or end it") from None
            say(f"waiting for {what} by pid {holder}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old content or the new, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=mode)
    unfinished.write_text(text)
    unfinished.replace(path)
