"""More than one release on a real cluster: from an earlier version to this one and back, and two side by side."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.bed import ROOT, Bed
from demo.broker import Lot
from hack import cluster, images
from hack.chart import RELEASE
from hack.commands import run
from hack.engine import running
from tests.support.chart import CHART
from tests.support.release import WAITED, fleet, installed, pods, release

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

BEFORE = os.environ.get("BEFORE", "HEAD~100")
"""The version before, as git knows it."""

SOON = 180.0
SLOW = {"distribution": "uniform", "low": 40, "high": 60}
QUICK = {"distribution": "uniform", "low": 1, "high": 2}


@contextmanager
def operator_uninstalled(bed: Bed) -> Iterator[dict[str, Any]]:
    """The test bed without its operator for the time of the block; yields the values it was installed with."""
    values = yaml.safe_load(release(bed, "get", "values", RELEASE, "--output", "yaml"))
    release(bed, "uninstall", RELEASE, *WAITED)
    try:
        yield values
    finally:
        release(bed, "uninstall", RELEASE, "--ignore-not-found", *WAITED)
        installed(bed, RELEASE, values)


def built(sources: Path, folder: Path) -> dict[str, Any]:
    """The values of the chart for the image of other sources, which is in the cluster then."""
    engine, tag = running(), "before"
    assert engine is not None
    run(sys.executable, "-m", "hack.release_context", folder / "context", platform.machine(), cwd=sources)
    image = f"{images.OPERATOR.name}:{tag}"
    base = ("--network", "none", "--build-arg", f"BASE={images.base_image(engine)}")
    engine.docker("build", "--quiet", *base, "--tag", image, folder / "context")
    cluster.load(engine, cluster.ours(), [image])
    return {"image": {"repository": images.OPERATOR.name, "tag": tag, "pullPolicy": "IfNotPresent"}}


def test_an_upgrade_from_an_earlier_version_and_the_way_back_touch_no_busy_worker(bed: Bed, tmp_path: Path) -> None:
    before = tmp_path / "before"
    run("git", "worktree", "add", "--detach", before, BEFORE, cwd=ROOT)
    (before / "build").mkdir()
    (before / "build" / "venv").symlink_to(ROOT / "build" / "venv")
    with ExitStack() as stack:
        stack.callback(run, "git", "worktree", "remove", "--force", before, cwd=ROOT)
        earlier = built(before, tmp_path)
        values = stack.enter_context(operator_uninstalled(bed))
        watcher = stack.enter_context(fleet(bed, "e2e-versions"))
        installed(bed, RELEASE, earlier, chart=before / CHART.relative_to(ROOT))
        [queue] = watcher.resource["spec"]["pools"][0]["queues"]
        sent = watcher.broker.send([Lot(queue, 6, SLOW)])
        watcher.cluster.make_fleet(watcher.resource)
        watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
        busy = pods(watcher.cluster)

        upgrade = ("upgrade", RELEASE, str(CHART), "--reset-values", "--values", "-", *WAITED)
        release(bed, *upgrade, values=values)
        assert busy <= pods(watcher.cluster)
        release(bed, "rollback", RELEASE, *WAITED)
        assert busy <= pods(watcher.cluster)
        release(bed, *upgrade, values=values)
        watcher.until(lambda seen: seen.asleep, within=600.0, what="the fleet did not finish and sleep")
        summary = watcher.ledger.summary(task for part in sent for task in part.ids)
        assert summary.each_finished_once, summary


def test_two_releases_with_namespaces_of_their_own_work_side_by_side(bed: Bed) -> None:
    with ExitStack() as stack:
        values = stack.enter_context(operator_uninstalled(bed))
        queues = {"e2e-one": "utilitarian.tasks.default", "e2e-two": "utilitarian.tasks.cleanup"}
        fleets = {name: stack.enter_context(fleet(bed, name, queue)) for name, queue in queues.items()}
        for namespace in fleets:
            own = values | {"watchNamespaces": [namespace], "crds": {"enabled": False}}
            installed(bed, "uo", own, namespace=namespace)
            stack.callback(release, bed, "uninstall", "uo", *WAITED, namespace=namespace)
        for namespace, watcher in fleets.items():
            sent = watcher.broker.send([Lot(queues[namespace], 4, QUICK)])
            watcher.cluster.make_fleet(watcher.resource)
            watcher.until(lambda seen: seen.pools[0].ready >= 1, within=SOON, what="no worker came")
            watcher.until(lambda seen: seen.asleep, within=SOON, what="the fleet did not finish and sleep")
            summary = watcher.ledger.summary(task for part in sent for task in part.ids)
            assert summary.each_finished_once, summary
