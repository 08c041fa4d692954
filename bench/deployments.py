"""The Deployments of a fleet's pools without what this operator adds: what another system scales in its place."""

from typing import Any

from tests.support.controlplane import MERGE_PATCH
from tests.support.fleet import SECRET, URL_KEY, Fleet
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.resource_rules import accept
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import deployment

OF_A_RESOURCE = 100
"""Pools that one resource may have; Deployments without one may be more."""


def make_deployments(fleet: Fleet, broker_url: str, spec: dict[str, Any], grace_s: int | None) -> None:
    """A Deployment a pool, at zero, and the Secret of its broker: Celery's command, no hook, no readiness gate.

    Args:
        fleet: that it would be the resource of.
        broker_url: of all its workers.
        spec: of the resource, without image and broker.
        grace_s: of its pods; None for what this operator gives them.
    """
    fleet.create_secret(broker_url)
    reference = {"urlFrom": {"secretKeyRef": {"name": SECRET, "key": URL_KEY}}}
    whole = {"image": "utilitarian:dev", "broker": reference, **spec}
    body = {"apiVersion": "utilitarian.io/v1alpha1", "kind": "UtilitarianWorkerPool", "metadata": {"name": fleet.name}}
    for first in range(0, len(spec["pools"]), OF_A_RESOURCE):
        some = {**whole, "pools": spec["pools"][first : first + OF_A_RESOURCE]}
        effective = effective_fleet(accept({**body, "spec": some}).spec)
        for pool in effective.pools:
            made = _plain(deployment(Owner(fleet.namespace, fleet.name, "no-owner"), effective, pool), grace_s)
            fleet.controlplane.request("POST", f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments", made)


def _plain(made: Object, grace_s: int | None) -> Object:
    del made["metadata"]["ownerReferences"]
    pod = made["spec"]["template"]["spec"]
    pod.pop("readinessGates", None)
    pod["containers"][0].pop("lifecycle")
    if grace_s is not None:
        pod["terminationGracePeriodSeconds"] = grace_s
    made["spec"]["replicas"] = 0
    return made


def scale(fleet: Fleet, pool: str, replicas: int) -> None:
    """Ask for so many workers of a pool, as a person does."""
    path = f"/apis/apps/v1/namespaces/{fleet.namespace}/deployments/{fleet.name}-{pool}/scale"
    fleet.controlplane.request("PATCH", path, {"spec": {"replicas": replicas}}, MERGE_PATCH)
