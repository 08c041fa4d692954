"""etcd is restored from a snapshot: versions go back, and what the operator has seen before is no longer so."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.controlplane import REPOSITORY, ControlPlane
from tests.support.fleet import Fleet
from tests.support.operator import in_process
from tests.support.waiting import wait_until
from utilitarian_operator.errors import HistoryWentBack
from utilitarian_operator.host.watched import listing

SOON = timedelta(seconds=60)
NO_BROKER = "amqp://user:password@127.0.0.1:1/"
# Versions tell that history went back only while the restored one is behind what was seen: these are more than the API
# server and its controllers make of their own until the operator reaches it again.
LOST_WRITES = 300


def restarted(plane: ControlPlane, directory: Path, *, restored: bool) -> None:
    """End etcd and the API server, keep what etcd has or bring it back, and start both again."""
    plane.apiserver.kill()
    plane.etcd.kill()
    data = plane.directory / "etcd"
    if restored:
        shutil.rmtree(data)
        shutil.copytree(directory, data)
    else:
        shutil.copytree(data, directory)
    plane.etcd.start()
    plane.start_apiserver()


def test_the_process_ends_and_the_next_one_sees_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LISTED_AGAIN_S", 1.0)
    crds = sorted((REPOSITORY / "crds").glob("*.yaml"))
    with ControlPlane(tmp_path / "plane", crds=crds) as plane, plane.namespace() as namespace:
        kept, lost = Fleet(plane, namespace, "kept"), Fleet(plane, namespace, "lost")
        kept.create(NO_BROKER, pools=[{"name": "work", "queues": ["kept"]}], beat={"enabled": False})
        with in_process(plane, namespace):
            wait_until(lambda: kept.deployment("work"), within=SOON)
        restarted(plane, tmp_path / "snapshot", restored=False)
        with pytest.raises(AssertionError) as ended, in_process(plane, namespace, resync=timedelta(seconds=2)) as first:  # noqa: PT012 - it ends in the middle of it
            lost.create(None, pools=[{"name": "work", "queues": ["lost"]}], beat={"enabled": False})
            for number in range(LOST_WRITES):
                lost.annotate({"example.com/write": str(number)})
            lost.edit(pools=[{"name": "work", "queues": ["lost"]}, {"name": "last", "queues": ["last"]}])
            wait_until(lambda: lost.deployment("last"), within=SOON)
            restarted(plane, tmp_path / "snapshot", restored=True)
            wait_until(lambda: not first.healthy(), within=SOON)
        assert isinstance(ended.value.__cause__, HistoryWentBack)
        assert lost.deployment("work") is None
        with in_process(plane, namespace):
            kept.edit(pools=[{"name": "other", "queues": ["kept"]}])
            wait_until(lambda: kept.deployment("other"), within=SOON)
