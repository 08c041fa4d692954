"""A random walk through valid edits on a real API server: what is there is what a fresh apply of the same makes."""

import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import yaml

from tests.support.children import children, difference
from tests.support.controlplane import ControlPlane
from tests.support.fleet import SECRET, URL_KEY, Fleet
from tests.support.http import HttpError
from tests.support.operator import in_process
from tests.support.rabbitmq import RabbitMQ
from tests.support.random_edits import QUEUES, edited, first
from tests.support.waiting import wait_until
from utilitarian_operator.api.objects import Object

SOON = timedelta(seconds=40)
TICK = timedelta(milliseconds=200)
SLICE, STEPS, EACH = 1, 8, 4
"""Of a walk: its seed, its edits, and after how many of them it is compared."""

LONG = 12
"""Edits of a walk of the soak, which is compared after each."""

AWAY = 0.15
"""Part of these edits that an operator finds when it starts."""

MINUTES = float(os.environ.get("MINUTES", "10"))


@dataclass
class Walk:
    """A resource that is edited, and another one that is made anew for each comparison."""

    walked: Fleet
    fresh: Fleet
    said: list[str] = field(default_factory=list)
    operator: ExitStack = field(default_factory=ExitStack)

    def start_operator(self) -> None:
        """Have one that looks more often than each second."""
        namespaces = self.walked.namespace, self.fresh.namespace
        self.operator.enter_context(in_process(self.walked.controlplane, *namespaces, tick=TICK))

    def begin(self, body: Object) -> None:
        """Make the resource that is edited."""
        self.walked.controlplane.request("POST", _path(self.walked), body)

    def edit(self, body: Object) -> bool:
        """Replace spec and annotations; whether the API server takes it."""
        patch = [
            {"op": "replace", "path": "/spec", "value": body["spec"]},
            {"op": "add", "path": "/metadata/annotations", "value": body["metadata"]["annotations"]},
        ]
        try:
            path = f"{_path(self.walked, self.walked.name)}?fieldValidation=Strict"
            self.walked.controlplane.request("PATCH", path, patch, "application/json-patch+json")  # type: ignore[arg-type]
        except HttpError as refusal:
            if refusal.status != 422:
                raise
            return False
        return True

    def compare(self, body: Object) -> None:
        """Make the same anew in the other namespace, wait until both are equal, and take it away again."""
        paused = body["spec"].get("mode") == "Paused" or "utilitarian.io/paused" in body["metadata"]["annotations"]
        self.fresh.controlplane.request("POST", _path(self.fresh), body)
        pools = len(body["spec"]["pools"])

        def equal() -> bool:
            both = [children(it, scaled=not paused) for it in (self.walked, self.fresh)]
            complete = sum(name.startswith("deployments/") for name in both[1]) == pools
            return complete and all(map(_judged, (self.walked, self.fresh))) and both[0] == both[1]

        wait_until(equal, within=SOON, describe=lambda: self._describe(body, scaled=not paused))
        self.fresh.delete()
        wait_until(lambda: not children(self.fresh), within=SOON)

    def _describe(self, body: Object, *, scaled: bool) -> str:
        both = [children(it, scaled=scaled) for it in (self.walked, self.fresh)]
        steps = "\n".join(self.said)
        statuses = [it.describe() for it in (self.walked, self.fresh)]
        return f"{steps}\n{difference(*both)}\n{yaml.safe_dump(body)}\n" + "\n---\n".join(statuses)


def _path(fleet: Fleet, name: str = "") -> str:
    return f"/apis/utilitarian.io/v1alpha1/namespaces/{fleet.namespace}/utilitarianworkerpools{name and f'/{name}'}"


def _judged(fleet: Fleet) -> bool:
    """Whether the operator has looked at the newest spec, and runs it."""
    resource = fleet.read()
    seen = resource.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= resource["metadata"]["generation"]) and fleet.condition("Stalled")[0] == "False"


@contextmanager
def walking(plane: ControlPlane, rabbitmq: RabbitMQ) -> Iterator[Walk]:
    """Two namespaces with a virtual host each, on which the queues are there and empty."""
    with (
        plane.namespace("walked") as one,
        plane.namespace("fresh") as other,
        rabbitmq.vhost() as vhost,
        rabbitmq.vhost() as another,
    ):
        walk = Walk(Fleet(plane, one), Fleet(plane, other))
        for fleet, its in ((walk.walked, vhost), (walk.fresh, another)):
            rabbitmq.declare(its, *QUEUES)
            fleet.create_secret(rabbitmq.amqp_url(its))
        with walk.operator:
            walk.start_operator()
            yield walk


def walked(walk: Walk, seed: int, steps: int, each: int, away: float = 0.0) -> int:
    """Go at least so many steps and compare after each so many.

    Args:
        walk: that begins.
        seed: of its edits.
        steps: at least.
        each: compared after so many edits, but for those that end in a preview.
        away: part of the edits at which no operator is there.

    Returns:
        How often it was compared.
    """
    dice, body, compared = random.Random(seed), first("fleet", SECRET, URL_KEY), 0  # noqa: S311 - no secret
    walk.begin(body)
    taken, walk.said = 0, [f"seed {seed}"]
    while True:
        said, changed = edited(dice, body)
        unseen = dice.random() < away
        if unseen:
            walk.operator.close()
        taken_over = walk.edit(changed)
        if unseen:
            walk.start_operator()
            said = f"{said} (while no operator was there)"
        if not taken_over:
            walk.said.append(f"refused: {said}")
            continue
        body, taken = changed, taken + 1
        walk.said.append(said)
        if body["spec"].get("mode") == "Preview":  # it leaves what is there as it is
            continue
        if taken % each == 0:
            walk.compare(body)
            compared += 1
        if taken >= steps:
            break
    walk.walked.delete()
    wait_until(lambda: not children(walk.walked), within=SOON)
    return compared


def test_what_a_walk_leads_to_is_what_a_fresh_apply_makes(controlplane: ControlPlane, rabbitmq: RabbitMQ) -> None:
    with walking(controlplane, rabbitmq) as walk:
        assert walked(walk, SLICE, STEPS, EACH) > 0


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_random_edits_of_many_seeds(
    controlplane: ControlPlane, rabbitmq: RabbitMQ, capsys: pytest.CaptureFixture[str]
) -> None:
    """MINUTES=30 plays longer than ten minutes, SEED=7 begins with another walk."""
    seed, compared, until = int(os.environ.get("SEED", "100")), 0, time.monotonic() + 60 * MINUTES
    begun = seed
    with walking(controlplane, rabbitmq) as walk:
        while time.monotonic() < until:
            compared += walked(walk, seed, LONG, 1, AWAY)
            seed += 1
    with capsys.disabled():
        sys.stdout.write(f"\n{seed - begun} walks of {LONG} edits from seed {begun} on, {compared} comparisons\n")
