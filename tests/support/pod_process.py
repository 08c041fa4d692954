"""Runs the first container of one pod as a process and says what a kubelet would say of it; talks to no API server.

It never blocks: `step` looks at the pod and at its process, does what is due, and returns.
"""

import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.containers import ContainerConfigError, Read, exec_command, launch
from tests.support.controlplane import REPOSITORY
from tests.support.processes import Process
from tests.support.times import ago
from utilitarian_operator.api.objects import Object

FIRST_BACK_OFF_S = 0.5
LONGEST_BACK_OFF_S = 5.0
TERMINATION_MESSAGE = "/dev/termination-log"
AFTER_LONG_PRE_STOP_S = 2.0
"""What a kubelet gives a container at least after SIGTERM, also where its preStop hook took all of the grace period."""


class PodProcess:
    """The containers of one pod.

    Args:
        pod: bound to this node.
        directory: of this pod's logs and volumes.
        read: of Secrets and ConfigMaps.
        claim: the folder that stands for a PersistentVolumeClaim.
    """

    def __init__(self, pod: Object, directory: Path, read: Read, claim: Callable[[str], Path]) -> None:
        self.pod = pod
        self.process: Process | None = None
        self.restarts = 0
        self.gone = False
        self._directory, self._read, self._claim = directory, read, claim
        self._started_at = ""
        self._env: Mapping[str, str] = {}
        self._begun = ago()
        self._inits_done = 0
        self._inits_ended: list[Object] = []
        self._not_before = 0.0
        self._waiting = {"reason": "ContainerCreating"}
        self._last: Object = {}
        self._stopping_since: float | None = None
        self._pre_stop: Process | None = None
        self._killed_at: float | None = None
        """When the container is killed, from SIGTERM on."""
        self._killed_for = ""

    @property
    def name(self) -> str:
        """Of the pod."""
        return str(self.pod["metadata"]["name"])

    @property
    def running(self) -> bool:
        """Whether the pod's container (not one of its init containers) runs."""
        return self._initialized and self.process is not None and self.process.running

    def step(self, pod: Object) -> None:
        """Does what is due; `gone` becomes True when the pod has ended and may be deleted."""
        self.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            self._stop()
        elif self.process is None or not self.process.running:
            self._go_on()

    def kill(self) -> None:
        """Ends everything at once."""
        for process in (self._pre_stop, self.process):
            if process is not None:
                process.kill()

    def out_of_memory(self) -> None:
        """Ends the container as the kernel does that has used all of its memory limit."""
        if self.process is not None:
            self._killed_for = "OOMKilled"
            self.process.kill()

    def log(self) -> str:
        """The end of the container's log."""
        return self.process.tail() if self.process else f"--- {self.name} was not started: {self._waiting}"

    def status(self) -> Object:
        """The status without conditions, as a kubelet writes it."""
        return {
            "phase": "Running" if self._initialized and (self.process or self.restarts) else "Pending",
            "startTime": self._begun,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "initContainerStatuses": self._init_statuses(),
            "containerStatuses": [self._container_status()],
        }

    def conditions(self) -> dict[str, bool]:
        """The kubelet's conditions; `Ready` waits for the pod's readiness gates."""
        there = {it["type"]: it["status"] == "True" for it in self.pod.get("status", {}).get("conditions", [])}
        gates = [gate["conditionType"] for gate in self.pod["spec"].get("readinessGates", [])]
        return {
            "PodScheduled": True,
            "Initialized": self._initialized,
            "ContainersReady": self.running,
            "Ready": self.running and all(there.get(gate) for gate in gates),
        }

    @property
    def _inits(self) -> list[Object]:
        return list(self.pod["spec"].get("initContainers", []))

    @property
    def _initialized(self) -> bool:
        return self._inits_done == len(self._inits)

    @property
    def _container(self) -> Object:
        """The one that is due: the init containers in their order, then the first container."""
        due: Object = [*self._inits, self.pod["spec"]["containers"][0]][self._inits_done]
        return due

    def _go_on(self) -> None:
        if self.process is not None:
            self._ended(self.process)
        if time.monotonic() >= self._not_before:
            self._start()

    def _ended(self, process: Process) -> None:
        code = process.kill()
        self.process = None
        if not self._initialized and code == 0:
            self._inits_ended.append(self._terminated(code) | {"finishedAt": ago()} | self._message())
            self._inits_done += 1
            return
        self._last = {"terminated": self._terminated(code)}
        self._put_off(FIRST_BACK_OFF_S * 2**self.restarts, "CrashLoopBackOff", f"it ended with {code}")
        self.restarts += 1

    def _start(self) -> None:
        container = self._container
        if container["image"].startswith("missing:"):
            self._put_off(FIRST_BACK_OFF_S, "ImagePullBackOff", f'Back-off pulling image "{container["image"]}"')
            return
        try:
            found = launch(self.pod, container, self._read, self._folder)
        except ContainerConfigError as error:
            self._put_off(FIRST_BACK_OFF_S, "CreateContainerConfigError", str(error))
            return
        self._message_file.unlink(missing_ok=True)
        words = [word.replace(TERMINATION_MESSAGE, str(self._message_file)) for word in found.command]
        self._env = found.env
        self.process = self._run(container["name"], words, self._env)
        self._started_at, self._killed_for = ago(), ""

    def _put_off(self, seconds: float, reason: str, message: str) -> None:
        self._not_before = time.monotonic() + min(seconds, LONGEST_BACK_OFF_S)
        self._waiting = {"reason": reason, "message": message}

    def _stop(self) -> None:
        """PreStop, SIGTERM, SIGKILL: each in its time, all of them within the grace period."""
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            self._start_pre_stop()
        if self.process is None or not self.process.running:
            self.kill()
            self.gone = True
            return
        end = self._stopping_since + self.pod["metadata"].get("deletionGracePeriodSeconds", 0)
        in_hook = self._pre_stop is not None and self._pre_stop.running
        if self._killed_at is None and (not in_hook or now >= end):
            self.process.signal(signal.SIGTERM)
            self._killed_at = max(end, now + AFTER_LONG_PRE_STOP_S)
        if self._killed_at is not None and now >= self._killed_at:
            self.process.kill()

    def _start_pre_stop(self) -> None:
        command = self._container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if command and self.running and self.process is not None:
            words = exec_command(command, self.pod, self._container, self._folder)
            # In a container the first process is number 1; here it has a number of its own.
            words = [word.replace("/proc/1/", f"/proc/{self.process.pid}/") for word in words]
            # With the container's environment as it began: what it came from may be gone.
            self._pre_stop = self._run("pre-stop", words, self._env)

    def _run(self, name: str, command: list[str], env: Mapping[str, str]) -> Process:
        # Started by the node's own thread: when that ends, and be it by a crash, the kernel ends the container.
        setpriv = shutil.which("setpriv")
        ended_with_us = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        own = {"PYTHONPATH": str(REPOSITORY / "worker"), "PYTHONUNBUFFERED": "1"}
        log = self._directory / f"{name}.log"
        process = Process(f"{self.name}/{name}", [*ended_with_us, *command], log=log, env={**own, **env})
        return process.start()

    def _folder(self, volume: Mapping[str, Any]) -> Path:
        claim = volume.get("persistentVolumeClaim")
        folder = self._claim(claim["claimName"]) if claim else self._directory / "volumes" / volume["name"]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def _message_file(self) -> Path:
        return self._directory / "termination-log"

    def _message(self) -> Object:
        return {"message": self._message_file.read_text()} if self._message_file.exists() else {}

    def _init_statuses(self) -> list[Object]:
        """Of the init containers that have ended well; no more is needed."""
        return [
            {"name": it["name"], "image": it["image"], "imageID": it["image"], "ready": True, "restartCount": 0}
            | {"state": {"terminated": ended}}
            for it, ended in zip(self._inits, self._inits_ended, strict=False)
        ]

    def _container_status(self) -> Object:
        container = self.pod["spec"]["containers"][0]
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": container["image"],
            "containerID": f"process://{self.process.pid}" if self.running and self.process else "",
            "ready": self.running,
            "started": self.running,
            "restartCount": self.restarts if self._initialized else 0,
            "state": self._state(),
            "lastState": self._last,
        }

    def _state(self) -> Object:
        if self.running:
            return {"running": {"startedAt": self._started_at}}
        if self.gone and self.process is not None:
            return {"terminated": self._terminated(self.process.exit_code)}
        return {
            "waiting": self._waiting if self._initialized or self.process is None else {"reason": "PodInitializing"}
        }

    def _terminated(self, code: int | None) -> Object:
        # A container runtime has no negative exit codes: a signal's is 128 and its number.
        shown = 128 - code if code is not None and code < 0 else code or 0
        reason = self._killed_for or ("Error" if shown else "Completed")
        return {"exitCode": shown, "reason": reason, "startedAt": self._started_at}
