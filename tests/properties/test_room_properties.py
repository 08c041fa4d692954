"""Whatever watches, lists and answers tell, what is kept is what is counted, and never more than there is room for."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.support.examples import examples
from utilitarian_operator.adapters.cluster.cache import DEPLOYMENTS, FLEETS, PODS, Key, Store
from utilitarian_operator.adapters.cluster.room import Room
from utilitarian_operator.adapters.cluster.sieve import Sieve
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.validation.size import weight

MOST = 20_000
KINDS = st.sampled_from((FLEETS, DEPLOYMENTS, PODS))
NAMESPACES = st.sampled_from(("a", "b", "c"))
NAMES = st.sampled_from(("x", "y"))
INSTANCES = st.sampled_from(("x", "g", ""))
LENGTHS = st.integers(0, 15_000)


class Told(RuleBasedStateMachine):
    """A store that is told of objects of three namespaces, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.store, self.at = Store(room=Room(MOST)), 0
        self.live: dict[tuple[str, str, str], Object] = {}

    def made(self, namespace: str, name: str, instance: str, length: int) -> Object:
        self.at += 1
        labels: dict[str, Any] = {"app.kubernetes.io/instance": instance} if instance else {}
        metadata = {"namespace": namespace, "name": name, "labels": labels, "uid": "u", "resourceVersion": str(self.at)}
        return {"metadata": metadata, "spec": {"containers": "x" * length}}

    @rule(kind=KINDS, namespace=NAMESPACES, name=NAMES, instance=INSTANCES, length=LENGTHS)
    def written(self, kind: str, namespace: str, name: str, instance: str, length: int) -> None:
        """The watch tells of a new version."""
        body = self.live[kind, namespace, name] = self.made(namespace, name, instance, length)
        self.store.see(kind, body)

    @rule(kind=KINDS, namespace=NAMESPACES, name=NAMES, instance=INSTANCES, length=LENGTHS)
    def answered(self, kind: str, namespace: str, name: str, instance: str, length: int) -> None:
        """A write is answered before the watch tells of it."""
        body = self.live[kind, namespace, name] = self.made(namespace, name, instance, length)
        self.store.answered(kind, body, seen=0)

    @rule(kind=KINDS, namespace=NAMESPACES, name=NAMES)
    def deleted(self, kind: str, namespace: str, name: str) -> None:
        """The watch tells that one is gone."""
        if (body := self.live.pop((kind, namespace, name), None)) is not None:
            self.at += 1
            gone = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.at)}}
            self.store.see(kind, gone, deleted=True)

    @rule()
    def listed(self) -> None:
        """All is listed, as `Listing` does it."""
        sieve = Sieve(self.store, lambda: None)
        for (kind, _, _), body in self.live.items():
            sieve.of(kind)(body)
        self.store.lay_only_aside(sieve.room.aside)
        for kind in (FLEETS, DEPLOYMENTS, PODS):
            self.store.replace(kind, sieve.found(kind), self.at)

    @invariant()
    def what_is_kept_is_counted_and_has_room(self) -> None:
        kept = [body for kind in (FLEETS, DEPLOYMENTS, PODS) for body in self.store.objects_in(kind, ("a", "b", "c"))]
        kept += [pod for pods in self.store._departed._pods.values() for pod, _ in pods]
        assert self.store.room.taken == sum(map(weight, kept)) <= MOST

    @invariant()
    def nothing_is_kept_of_what_is_left_alone(self) -> None:
        for kind in (FLEETS, DEPLOYMENTS, PODS):
            assert self.store.objects_in(kind, self.store.room.aside) == []
        for namespace in self.store.room.aside:
            assert self.store.all_pods(Key(namespace, "x")) == []


TestTold = Told.TestCase
TestTold.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)
