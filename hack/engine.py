"""Finds a Docker engine, or starts a private one and takes away all it made; it knows nothing of clusters or images."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hack import packages, preflight, snapshot
from hack.commands import environment, run, succeeds
from hack.console import say, step
from hack.failure import Failure
from hack.places import HACK_FOLDER, cache, locked, replace_file

READY_WITHIN = 60.0  # seconds
GONE_WITHIN = 60.0  # seconds
SYS_RESOURCE = 24  # the number of CAP_SYS_RESOURCE, see capabilities(7)
# What only dockerd and kind put into the packet rules.
OURS = re.compile(r"\b(DOCKER|KIND)\b|\bDOCKER-|\bdocker0\b|\bbr-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers; `host` is its DOCKER_HOST, empty for the client's own default."""

    host: str
    private: bool

    @property
    def env(self) -> dict[str, str]:
        """What docker and kind need in their environment; the classic builder, as the other is a plugin of its own."""
        return {"DOCKER_BUILDKIT": "0"} | ({"DOCKER_HOST": self.host} if self.host else {})

    def docker(self, *arguments: str | Path, within: float | None = None) -> str:
        """Run a docker command and return its output."""
        return run("docker", *arguments, env=self.env, within=within)

    def has_image(self, name: str) -> bool:
        """Whether the engine holds this image."""
        return succeeds("docker", "image", "inspect", name, env=self.env)

    def remove_others(self, *keep: str) -> None:
        """Remove the images of the same repository that are superseded; one that a container uses stays."""
        repository = keep[0].rsplit(":", 1)[0]
        for image in self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository).split():
            if image not in keep:
                succeeds("docker", "image", "rm", image, env=self.env)
        if self.private:
            # Younger ones are the stages that the next build takes its layers from.
            self.docker("image", "prune", "--force", "--filter", "until=72h")


# One private engine a machine, with its data in any user's cache: two would flush each other's packet rules.
# Short, since the names of sockets are limited.
STATE = Path("/run/utilitarian-operator")


def _socket() -> Path:
    return STATE / "docker.sock"


def _data() -> Path:
    """Where the engine that runs keeps its data, or one that is started would."""
    noted = STATE / "data-root"
    return Path(noted.read_text()) if noted.exists() else cache() / "engine" / "data"


@contextmanager
def exclusively() -> Iterator[None]:
    """Hold the lock that keeps one command from stopping the engine while another begins to use it."""
    folder = STATE.parent if os.geteuid() == 0 else cache()
    with locked(folder / f"{STATE.name}.lock", "`make up` or `make down`"):
        yield


def _answers(host: str = "") -> bool:
    env = {"DOCKER_HOST": host} if host else {}
    return succeeds("docker", "version", "--format", "{{.Server.Version}}", env=env, within=20)


def running() -> Engine | None:
    """The engine that answers now: the one that docker finds by itself, else our private one."""
    if _answers():
        return Engine(os.environ.get("DOCKER_HOST", ""), private=False)
    host = f"unix://{_socket()}"
    return Engine(host, private=True) if os.access(_socket(), os.W_OK) and _answers(host) else None


def check_startable() -> None:
    """Refuse what would keep a private engine from starting; no-op where an engine answers.

    Raises:
        Failure: not root, or the disk is too full.
    """
    if running() is None:
        preflight.check_root("no Docker engine answers, so a private one must be started")
        preflight.check_room(cache())


def find_or_start() -> Engine:
    """An engine that answers, started if there is none.

    Raises:
        Failure: there is none and it can't be started.
    """
    found = running()
    if found is not None:
        return found
    check_startable()
    packages.ensure(packages.ENGINE)
    with step("starting a private Docker engine"):
        _start()
    return Engine(f"unix://{_socket()}", private=True)


def revive() -> Engine | None:
    """Start again a private engine that was killed, since only it can remove the containers that live on without it."""
    return find_or_start() if STATE.exists() else None


def _start() -> None:
    STATE.mkdir(mode=0o700, exist_ok=True)
    if not (STATE / "before.json").exists():
        replace_file(STATE / "before.json", snapshot.take().to_json(), mode=0o600)
    replace_file(STATE / "data-root", str(_data()))
    (STATE / "docker.pid").unlink(missing_ok=True)  # of an engine that was killed: dockerd would refuse to start
    log = cache() / "engine" / "dockerd.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as output:
        # A session of its own: an interrupt from the terminal is for the command, not for the engine.
        process = subprocess.Popen(
            _command(),
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
    deadline = time.monotonic() + READY_WITHIN
    while not _answers(f"unix://{_socket()}"):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = "\n".join("  | " + line for line in log.read_text(errors="replace").splitlines()[-15:])
            stop()
            raise Failure(f"the private Docker engine did not come up; its log {log} ends with\n{tail}")
        time.sleep(0.1)


def _command() -> list[str]:
    command = ["dockerd", "--data-root", str(_data()), "--exec-root", str(STATE / "exec")]
    command += ["--pidfile", str(STATE / "docker.pid"), "--host", f"unix://{_socket()}"]
    # No default bridge: kind makes a network of its own, and image builds here need none.
    command += ["--bridge", "none"]
    if not _may(SYS_RESOURCE):
        command += ["--add-runtime", f"stripped={_runtime()}", "--default-runtime", "stripped"]
    return command


def _may(capability: int) -> bool:
    """Whether the bounding set of this process has a capability."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> capability & 1)


def _runtime() -> Path:
    """A copy of the runtime wrapper that outlives the checkout."""
    source = HACK_FOLDER / "engine" / "runc-without-sys-resource"
    target = cache() / "engine" / source.name
    replace_file(target, source.read_text(), mode=0o755)
    return target


def stop() -> list[str]:
    """End the private engine and remove what it left; returns what is still there that was not before it started."""
    if not STATE.exists():
        return []
    _end_process(STATE / "docker.pid")
    before = snapshot.Snapshot.from_json((STATE / "before.json").read_text())
    _unmount_below(_data(), STATE)
    _remove_bridges(before)
    _remove_rules(before)
    if before.forwarding == "0":
        snapshot.FORWARDING.write_text("0\n")
    shutil.rmtree(STATE)
    return snapshot.left_over(before, snapshot.take())


def _end_process(pid_file: Path) -> None:
    try:
        pid = int(pid_file.read_text())
        if b"dockerd" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + GONE_WITHIN
    while _alive(pid):
        if time.monotonic() > deadline:
            raise Failure(
                f"the private Docker engine (pid {pid}) does not end; its log is {cache()}/engine/dockerd.log"
            )
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child would stay a zombie otherwise
    return Path(f"/proc/{pid}").exists()


def _unmount_below(*folders: Path) -> None:
    for mount in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        target = Path(mount.split()[1])
        if any(target.is_relative_to(folder) for folder in folders):
            run("umount", "--lazy", target)


def _remove_bridges(before: snapshot.Snapshot) -> None:
    for name in snapshot.take().links:
        if name not in before.links and OURS.search(name):
            run("ip", "link", "delete", name)


def _remove_rules(before: snapshot.Snapshot) -> None:
    for program in ("iptables", "ip6tables"):
        added = snapshot.added_rules(before.rules.get(program, ()), snapshot.saved_rules(program))
        for arguments in removals(added):
            run(program, *arguments)


def removals(added: list[tuple[str, str]]) -> list[list[str]]:
    """The iptables arguments that take away what is ours of these (table, line): rules, chains, policies."""
    rules = [
        ["-t", table, "-D", *shlex.split(line)[1:]] for table, line in added if line[:2] == "-A" and OURS.search(line)
    ]
    chains = [(table, line.split()[0][1:]) for table, line in added if line[:1] == ":" and line.endswith(" -")]
    ours = [["-t", table, "-X", chain] for table, chain in chains if OURS.search(chain)]
    policies = [["-t", table, "-P", "FORWARD", "ACCEPT"] for table, line in added if line == ":FORWARD DROP"]
    return rules + ours + policies


def forget() -> None:
    """Delete the private engine's stored images; it must not be running."""
    shutil.rmtree(_data(), ignore_errors=True)
    say(f"deleted {_data()}")
