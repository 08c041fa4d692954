"""The command line of a user with rights in one namespace."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.command import operator_command
from tests.support.fleet import Fleet

QUEUE, OTHER_QUEUE = "utilitarian.tasks.default", "utilitarian.tasks.cleanup"
POOLS = [{"name": "work", "queues": [QUEUE]}, {"name": "other", "queues": [OTHER_QUEUE]}]
BROKER = {"urlFrom": {"secretKeyRef": {"name": "utilitarian-env", "key": "CELERY_BROKER_URL"}}}
API = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool"}


class Shell:
    """The command line of a user with rights in one namespace."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self._fleet, self._file = fleet, directory / "workerpool.yaml"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command."""
        where = ["-n", self._fleet.namespace]
        return operator_command(*words, *where, env={"KUBECONFIG": str(self._fleet.controlplane.kubeconfig)})

    def plan(self, *words: str, **spec: Any) -> subprocess.CompletedProcess[str]:
        """The plan of a file with this spec over image, broker and two pools."""
        whole = {"image": "utilitarian:dev", "broker": BROKER, "pools": POOLS, **spec}
        self._file.write_text(yaml.safe_dump({**API, "metadata": {"name": self._fleet.name}, "spec": whole}))
        return self.run("plan", "-f", str(self._file), *words)

    def changes(self, **spec: Any) -> dict[tuple[str, str], dict[str, Any]]:
        """What the plan of such a file would change, by kind and name."""
        done = self.plan("-o", "json", **spec)
        assert done.returncode == 0, done.stderr
        return {(change["kind"], change["name"]): change for change in json.loads(done.stdout)["changes"]}
