"""What every `Cluster` does, as cases that are tried on the fake in memory and on a real API server."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import pytest

from tests.support.resources import resource
from tests.support.waiting import wait_until_async
from utilitarian_operator.adapters.cluster.seam import Cluster, secret_values
from utilitarian_operator.api.effective import effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import parse
from utilitarian_operator.core import labels
from utilitarian_operator.core.moments import timestamp
from utilitarian_operator.core.objects import manifests
from utilitarian_operator.core.objects.actions import handed_over_fields, held_by_create, released_fields
from utilitarian_operator.core.objects.handover import carries, handed_over
from utilitarian_operator.core.reasons import Reason
from utilitarian_operator.errors import Conflict, Gone, Rejected
from utilitarian_operator.reconcile.act.event_series import WRITTEN_EACH, EventSeries
from utilitarian_operator.reconcile.act.events import event

SOON = timedelta(seconds=10)
THEM = "them"
INSTANCE = "app.kubernetes.io/instance"


class Edit(Protocol):
    """A write of another client."""

    async def __call__(self, live: Object, change: Mapping[str, Any]) -> Object:
        """Change some fields of an object, with the field manager THEM."""


@dataclass(frozen=True)
class Stage:
    """Where a case plays.

    Args:
        cluster: that is tried.
        namespace: of the case's own.
        edit: a write of another client.
    """

    cluster: Cluster
    namespace: str
    edit: Edit


def deployment(namespace: str, *variables: str, name: str = "fleet") -> Object:
    """A pool's Deployment as the operator makes it, with environment variables and no owner."""
    env = ", ".join(f"{{name: {variable}, value: x}}" for variable in variables)
    spec = parse(resource(f"pools: [{{name: a, queues: [q], env: [{env}]}}]")).spec
    fleet = effective_fleet(spec)
    made = manifests.deployment(labels.Owner(namespace, name, "u"), fleet, fleet.pools[0])
    del made["metadata"]["ownerReferences"]
    return made


def with_replicas(manifest: Object, replicas: int) -> Object:
    """The manifest that a Deployment is created with."""
    return manifest | {"spec": manifest["spec"] | {"replicas": replicas}}


def config_map(namespace: str, name: str = "settings", **data: str) -> Object:
    """An object that no controller writes to."""
    labelled = {"name": name, "namespace": namespace, "labels": {INSTANCE: name}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": labelled, "data": data}


def pod(namespace: str) -> Object:
    """A pod that no node runs."""
    spec = {"automountServiceAccountToken": False, "containers": [{"name": "worker", "image": "i"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": spec}


def letting_go(live: Object) -> Object:
    """The change that takes all fields but the replicas from the operator's create, if nothing else changed."""
    version = live["metadata"]["resourceVersion"]
    return {"metadata": {"managedFields": released_fields(live), "resourceVersion": version}}


def held_by_apply(live: Object) -> list[Object]:
    """The fields of each apply of the operator."""
    entries = live["metadata"]["managedFields"]
    return [it["fieldsV1"] for it in entries if (it["manager"], it["operation"]) == (labels.MANAGER, "Apply")]


def variables_of(live: Object) -> set[str]:
    """Names of the environment variables of a Deployment's one container."""
    return {variable["name"] for variable in live["spec"]["template"]["spec"]["containers"][0]["env"]}


def another(live: Object) -> Object:
    """An object of the same name that was there before."""
    return {**live, "metadata": {**live["metadata"], "uid": "another"}}


class ClusterContract:
    """The cases; a class that derives from it has a fixture `stage`."""

    @pytest.mark.parametrize("replicas", [0, 5])
    async def test_created_and_then_applied_twice_the_replicas_stay(self, stage: Stage, replicas: int) -> None:
        cluster, manifest = stage.cluster, deployment(stage.namespace)
        created = await cluster.create(with_replicas(manifest, replicas))
        assert created["spec"]["replicas"] == replicas
        first = await cluster.apply(manifest, force=True)
        second = await cluster.apply(manifest, force=True)
        assert first["spec"]["replicas"] == second["spec"]["replicas"] == replicas
        generations = {it["metadata"]["generation"] for it in (created, first, second)}
        assert generations == {1}
        await cluster.scale(stage.namespace, "fleet-a", replicas + 1)
        assert (await cluster.apply(manifest, force=True))["spec"]["replicas"] == replicas + 1

    async def test_what_the_manifest_drops_vanishes_once_the_create_has_let_go(self, stage: Stage) -> None:
        cluster = stage.cluster
        await cluster.create(with_replicas(deployment(stage.namespace, "KEPT", "DROPPED"), 3))
        applied = await cluster.apply(deployment(stage.namespace, "KEPT", "DROPPED"), force=True)
        assert held_by_create(applied)

        async def let_go() -> Object:
            # The Deployment controller writes meanwhile: what it changed must be looked at again.
            live = await cluster.read("Deployment", stage.namespace, "fleet-a")
            return await cluster.patch(live, letting_go(live))

        released: Object = await wait_until_async(let_go, within=SOON, ignoring=(Conflict,))
        assert not held_by_create(released)
        assert released["metadata"]["generation"] == applied["metadata"]["generation"]
        again = await cluster.apply(deployment(stage.namespace, "KEPT"), force=True)
        assert {"KEPT", "DROPPED"} & variables_of(again) == {"KEPT"}
        assert again["spec"]["replicas"] == 3
        assert not held_by_create(again)

    async def test_what_was_handed_over_is_held_as_if_it_had_been_applied(self, stage: Stage) -> None:
        cluster, manifest = stage.cluster, deployment(stage.namespace, "KEPT", "DROPPED")
        await cluster.create(with_replicas(manifest, 3))

        async def hand_over() -> Object:
            live = await cluster.read("Deployment", stage.namespace, "fleet-a")
            fields = handed_over(manifest, live)
            assert fields is not None
            version = live["metadata"]["resourceVersion"]
            return await cluster.patch(live, {"metadata": {"managedFields": fields, "resourceVersion": version}})

        handed: Object = await wait_until_async(hand_over, within=SOON, ignoring=(Conflict,))
        assert not held_by_create(handed)
        again = await cluster.apply(manifest, force=True)
        assert held_by_apply(again) == held_by_apply(handed)
        assert carries(manifest, handed)
        assert carries(manifest, again)
        dropped = await cluster.apply(deployment(stage.namespace, "KEPT"), force=True)
        assert {"KEPT", "DROPPED"} & variables_of(dropped) == {"KEPT"}
        assert dropped["spec"]["replicas"] == 3
        assert not carries(manifest, dropped)
        theirs = {"spec": {"template": {"spec": {"containers": [{"name": "worker", "image": "by-hand:1"}]}}}}
        taken = await stage.edit(dropped, theirs)
        assert not carries(deployment(stage.namespace, "KEPT"), taken)

    async def test_what_another_manifest_drops_vanishes_though_the_first_was_never_applied(self, stage: Stage) -> None:
        cluster = stage.cluster
        await cluster.create(with_replicas(deployment(stage.namespace, "KEPT", "DROPPED"), 3))

        async def hand_all_over() -> Object:
            live = await cluster.read("Deployment", stage.namespace, "fleet-a")
            fields, version = handed_over_fields(live), live["metadata"]["resourceVersion"]
            return await cluster.patch(live, {"metadata": {"managedFields": fields, "resourceVersion": version}})

        handed: Object = await wait_until_async(hand_all_over, within=SOON, ignoring=(Conflict,))
        assert not held_by_create(handed)
        dropped = await cluster.apply(deployment(stage.namespace, "KEPT"), force=True)
        assert {"KEPT", "DROPPED"} & variables_of(dropped) == {"KEPT"}
        assert dropped["spec"]["replicas"] == 3

    @pytest.mark.parametrize(
        "selector,found",
        [
            pytest.param(f"{INSTANCE}=settings", 1, id="has this value"),
            pytest.param(f"{INSTANCE}!=settings", 0, id="has another value"),
            pytest.param(INSTANCE, 1, id="is there"),
            pytest.param(f"!{INSTANCE}", 0, id="is not there"),
        ],
    )
    async def test_objects_are_chosen_by_a_label(self, stage: Stage, selector: str, found: int) -> None:
        await stage.cluster.create(config_map(stage.namespace))
        listed, _ = await stage.cluster.items("configmaps", stage.namespace, selector)
        assert len([it for it in listed if it["metadata"]["name"] == "settings"]) == found

    async def test_what_can_choose_no_object_is_refused(self, stage: Stage) -> None:
        await stage.cluster.create(config_map(stage.namespace))
        with pytest.raises(Rejected, match="HTTP 400"):
            await stage.cluster.items("configmaps", stage.namespace, "--for")

    async def test_who_holds_what_is_not_rewritten_if_the_object_changed(self, stage: Stage) -> None:
        created = await stage.cluster.create(with_replicas(deployment(stage.namespace), 1))
        await stage.cluster.scale(stage.namespace, "fleet-a", 2)
        with pytest.raises(Conflict, match="HTTP 409"):
            await stage.cluster.patch(created, letting_go(created))

    async def test_an_apply_without_force_leaves_what_others_hold(self, stage: Stage) -> None:
        cluster = stage.cluster
        created = await cluster.create(config_map(stage.namespace, ours="1"))
        await stage.edit(created, {"data": {"ours": "theirs"}})
        with pytest.raises(Conflict, match=THEM):
            await cluster.apply(config_map(stage.namespace, ours="1"), force=False)
        assert (await cluster.read("ConfigMap", stage.namespace, "settings"))["data"] == {"ours": "theirs"}
        taken_back = await cluster.apply(config_map(stage.namespace, ours="1"), force=True)
        assert taken_back["data"] == {"ours": "1"}

    async def test_what_another_client_added_stays_when_the_manifest_is_applied_again(self, stage: Stage) -> None:
        cluster = stage.cluster
        made = await cluster.apply(config_map(stage.namespace, kept="1", dropped="1"), force=True)
        await stage.edit(made, {"data": {"theirs": "1"}})
        again = await cluster.apply(config_map(stage.namespace, kept="1"), force=False)
        assert again["data"] == {"kept": "1", "theirs": "1"}

    async def test_an_apply_that_changes_nothing_makes_no_new_version(self, stage: Stage) -> None:
        first, second = [await stage.cluster.apply(config_map(stage.namespace, a="1"), force=True) for _ in range(2)]
        assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]

    async def test_a_step_is_refused_if_the_deployment_changed_since_it_was_seen(self, stage: Stage) -> None:
        cluster, namespace = stage.cluster, stage.namespace
        seen = (await cluster.create(with_replicas(deployment(namespace), 5)))["metadata"]["resourceVersion"]
        assert (await cluster.scale(namespace, "fleet-a", 6))["spec"]["replicas"] == 6
        with pytest.raises(Conflict, match="fleet-a"):
            await cluster.scale(namespace, "fleet-a", 0, seen)

        async def down_from_what_was_seen() -> Object:
            scaled = await cluster.scale(namespace, "fleet-a", 7)  # a step up asks for no such thing
            return await cluster.scale(namespace, "fleet-a", 0, scaled["metadata"]["resourceVersion"])

        # Refused as long as the Deployment's controller writes its status in between.
        down: Object = await wait_until_async(down_from_what_was_seen, within=SOON, ignoring=(Conflict,))
        assert down["spec"] == {}
        assert (await cluster.read("Deployment", namespace, "fleet-a"))["spec"]["replicas"] == 0

    async def test_only_the_object_that_was_seen_is_deleted(self, stage: Stage) -> None:
        cluster, namespace = stage.cluster, stage.namespace
        first = await cluster.create(with_replicas(deployment(namespace), 0))
        changed = await cluster.scale(namespace, "fleet-a", 1)
        with pytest.raises(Conflict):
            await cluster.delete(first)  # another client asked for a worker meanwhile
        assert changed["spec"]["replicas"] == 1

        async def delete_what_is_there() -> bool:
            await cluster.delete(await cluster.read("Deployment", namespace, "fleet-a"))
            return True

        # Refused as long as the Deployment's controller writes its status in between.
        gone: bool = await wait_until_async(delete_what_is_there, within=SOON, ignoring=(Conflict,))
        assert gone
        with pytest.raises(Gone):
            await cluster.delete(first)
        second = await cluster.create(with_replicas(deployment(namespace), 0))
        with pytest.raises(Conflict):
            await cluster.delete(first)
        [left] = (await cluster.items("deployments", namespace))[0]
        assert left["metadata"]["uid"] == second["metadata"]["uid"]

    async def test_another_kind_is_deleted_whatever_was_written_to_it_since(self, stage: Stage) -> None:
        made = await stage.cluster.create(config_map(stage.namespace))
        await stage.edit(made, {"data": {"a": "1"}})
        await stage.cluster.delete(made)
        with pytest.raises(Gone):
            await stage.cluster.read("ConfigMap", stage.namespace, "settings")

    async def test_a_list_tells_kinds_and_its_version_and_is_narrowed(self, stage: Stage) -> None:
        cluster, namespace = stage.cluster, stage.namespace
        nothing, before = await cluster.items("deployments", namespace)
        assert nothing == []
        for name in ("one", "two"):
            await cluster.create(with_replicas(deployment(namespace, name=name), 0))
        items, version = await cluster.items("deployments", namespace, f"{INSTANCE}=one")
        assert [(item["kind"], item["apiVersion"], item["metadata"]["name"]) for item in items] == [
            ("Deployment", "apps/v1", "one-a")
        ]
        assert version >= int(items[0]["metadata"]["resourceVersion"]) > before

        async def names(*asked: Any, **more: Any) -> list[str]:
            return [item["metadata"]["name"] for item in (await cluster.items("deployments", *asked, **more))[0]]

        assert await names(namespace, f"{INSTANCE}=other") == []
        assert await names(namespace, f"{INSTANCE}!=one") == ["two-a"]
        assert await names(namespace, f"{INSTANCE}=two,{labels.POOL_LABEL}=a") == ["two-a"]
        assert await names(namespace, f"{INSTANCE}!=one,{labels.POOL_LABEL}!=a") == []
        assert await names(namespace, limit=1) == ["one-a"]
        assert await names(namespace, fields="metadata.name=two-a") == ["two-a"]
        assert {"one-a", "two-a"} <= set(await names(None))

    async def test_the_api_server_says_which_kinds_it_serves(self, stage: Stage) -> None:
        assert await stage.cluster.serves("utilitarianworkerpools")
        assert await stage.cluster.serves("deployments")

    async def test_a_status_is_written_and_what_is_not_given_stays(self, stage: Stage) -> None:
        body = resource()
        body["metadata"] |= {"namespace": stage.namespace}
        made = await stage.cluster.create(body)
        conditions = [
            {"type": kind, "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
            for kind in ("Ready", "Stalled")
        ]
        first = {"mode": "Auto", "backlog": 3, "conditions": conditions}
        await stage.cluster.patch(made, {"status": first}, "status")
        change = {"backlog": 4, "mode": None, "conditions": conditions[:1]}
        written = await stage.cluster.patch(made, {"status": change, "spec": {"maxWorkers": 1}}, "status")
        assert written["status"] == {"backlog": 4, "conditions": conditions[:1]}
        assert written["metadata"]["generation"] == made["metadata"]["generation"]

    async def test_conditions_of_a_pod_are_merged_by_their_type(self, stage: Stage) -> None:
        made = await stage.cluster.create(pod(stage.namespace))
        for kind, status in (("a/a", "True"), ("b/b", "True"), ("a/a", "False")):
            written = await stage.cluster.patch(
                made, {"status": {"conditions": [{"type": kind, "status": status}]}}, "status"
            )
        said = {it["type"]: it["status"] for it in written["status"]["conditions"]}
        assert (said["a/a"], said["b/b"]) == ("False", "True")

    async def test_an_annotation_is_set_and_taken_away(self, stage: Stage) -> None:
        made = await stage.cluster.create(config_map(stage.namespace))
        for change, left in (({"a": "1", "b": "2"}, {"a": "1", "b": "2"}), ({"a": None}, {"b": "2"})):
            written = await stage.cluster.patch(made, {"metadata": {"annotations": change}})
            assert written["metadata"]["annotations"] == left

    async def test_of_two_objects_of_a_name_only_the_one_that_was_seen_is_patched(self, stage: Stage) -> None:
        made = await stage.cluster.create(with_replicas(deployment(stage.namespace), 0))
        with pytest.raises(Rejected, match=r"HTTP 422.*uid"):
            await stage.cluster.patch(another(made), {"metadata": {"labels": {"a": "b"}}})

    async def test_a_webhook_is_changed_by_its_name(self, stage: Stage) -> None:
        hook = {"admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore"}
        hooks = [{"name": f"{it}.example.com", "clientConfig": {"url": "https://h/"}, **hook} for it in "ab"]
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
        made = await stage.cluster.create({**kind, "metadata": {"name": stage.namespace}, "webhooks": hooks})
        bundle = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").decode()
        change = {"webhooks": [{"name": "b.example.com", "clientConfig": {"caBundle": bundle}}]}
        written = await stage.cluster.patch(made, change)
        configs = [it["clientConfig"] for it in written["webhooks"]]
        assert configs == [{"url": "https://h/"}, {"url": "https://h/", "caBundle": bundle}]
        await stage.cluster.delete(made)

    async def test_a_secret_is_decoded_and_a_binary_key_hides_none(self, stage: Stage) -> None:
        data = {"URL": "amqp://ä".encode(), "keystore": b"\xff\xfe\x00"}
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        kind = {"apiVersion": "v1", "kind": "Secret"}
        await stage.cluster.create({**kind, "metadata": {"name": "env", "namespace": stage.namespace}, "data": encoded})
        await stage.cluster.create({**kind, "metadata": {"name": "empty", "namespace": stage.namespace}})
        assert secret_values(await stage.cluster.read("Secret", stage.namespace, "env"))["URL"] == "amqp://ä"
        assert secret_values(await stage.cluster.read("Secret", stage.namespace, "empty")) == {}

    async def test_warnings_about_one_object_are_found(self, stage: Stage) -> None:
        body = resource()
        body["metadata"] |= {"namespace": stage.namespace}
        made = await stage.cluster.create(body)
        now = datetime.now(UTC)
        for reason in (Reason.SCALED_UP, Reason.STUCK):
            await stage.cluster.create(event(made, reason, "why", instance="operator-0", now=now, unique=uuid4()))
        about = f"involvedObject.uid={made['metadata']['uid']},type=Warning"
        [said] = (await stage.cluster.items("events", stage.namespace, fields=about))[0]
        assert (said["reason"], said["message"], said["involvedObject"]["name"]) == ("Stuck", "why", "fleet")
        assert (await stage.cluster.items("events", stage.namespace, fields="involvedObject.uid=another"))[0] == []

    async def test_an_event_takes_the_series_of_its_repeats(self, stage: Stage) -> None:
        body = resource()
        body["metadata"] |= {"namespace": stage.namespace}
        about = await stage.cluster.create(body)
        series, now = EventSeries(), datetime.now(UTC)
        said = event(about, Reason.RECOVERED, "why", instance="operator-0", now=now, unique=uuid4())
        series.recorded(await stage.cluster.create(said), now)
        for count, later in ((2, WRITTEN_EACH), (3, 2 * WRITTEN_EACH)):
            assert series.again(said, now + later)
            (due,) = series.due(stage.namespace, "fleet", now + later)
            await stage.cluster.patch(due.live, due.change)
            (found,) = (await stage.cluster.items("events", stage.namespace, fields="reason=Recovered"))[0]
            assert found["series"] == {"count": count, "lastObservedTime": timestamp(now + later, "microseconds")}
            assert (found["message"], found["eventTime"]) == ("why", timestamp(now, "microseconds"))

    async def test_a_pod_that_no_node_runs_has_an_empty_log(self, stage: Stage) -> None:
        with pytest.raises(Gone, match="HTTP 404"):
            await stage.cluster.log_end(pod(stage.namespace), "worker", previous=False)
        made = await stage.cluster.create(pod(stage.namespace))
        assert await stage.cluster.log_end(made, "worker", previous=False) == ""

    async def test_what_is_refused_is_called_by_its_kind(self, stage: Stage) -> None:
        cluster, namespace = stage.cluster, stage.namespace
        made = await cluster.create(config_map(namespace))
        with pytest.raises(Conflict, match=r"HTTP 409.*already exists"):
            await cluster.create(config_map(namespace))
        stale = {"data": {"a": "1"}, "metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
        await cluster.patch(made, stale)
        with pytest.raises(Conflict, match="HTTP 409"):
            await cluster.patch(made, {**stale, "data": {"a": "2"}})
        missing = config_map(namespace, "missing")
        for request in (
            cluster.read("ConfigMap", namespace, "missing"),
            cluster.patch(missing, {"data": {"a": "1"}}),
            cluster.delete({**missing, "metadata": {**missing["metadata"], "uid": "u"}}),
            cluster.scale(namespace, "missing", 1),
        ):
            with pytest.raises(Gone, match=r"HTTP 404.*missing"):
                await request

    async def test_without_the_metrics_api_usage_is_gone(self, stage: Stage) -> None:
        with pytest.raises(Gone):
            await stage.cluster.pod_usage(stage.namespace, f"{INSTANCE}=fleet")
