"""What is followed of a pod, whatever stands in its template: no error, and no name that leads a request astray."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.pools import NOW
from tests.support.resources import resource
from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.labels import CONFIG_CHECKSUM, owner_of
from utilitarian_operator.core.look import Seen
from utilitarian_operator.core.made import made_objects
from utilitarian_operator.core.objects.manifests import NOT_CARRIED
from utilitarian_operator.core.objects.mounted import Contents, followed
from utilitarian_operator.core.spec.acceptance import Acceptance
from utilitarian_operator.core.spec.mounts import mounted
from utilitarian_operator.core.spec.references import Absent, Content, Target, Unreadable, checksum_of

NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
WORDS = st.sampled_from(
    ["v", "w", "s", "worker", "a/b", "../x", "x.py", ".", "", "s\n", "S", "configMap", "secret", "subPath"]
)
FIELDS = st.sampled_from(
    [
        *("name", "volumes", "containers", "initContainers", "volumeMounts", "env", "envFrom", "valueFrom", "items"),
        *("secret", "configMap", "projected", "sources", "secretName", "subPath", "subPathExpr", "key", "path"),
        *("secretRef", "configMapRef", "secretKeyRef", "configMapKeyRef", "optional"),
    ]
)
ANYTHING = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=5)),
    max_leaves=20,
)


def source(kind: str, name: object) -> Object:
    return {kind: {"secretName" if kind == "secret" else "name": name}}


VOLUMES = st.builds(
    lambda it, kind, name: {"name": it, **source(kind, name)},
    st.sampled_from(["v", "w"]),
    st.sampled_from(["secret", "configMap"]),
    st.one_of(WORDS, ANYTHING),
)
MOUNTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["v", "w"])}, optional={"subPath": st.one_of(WORDS, ANYTHING), "subPathExpr": WORDS}
)
PODS = st.one_of(
    st.dictionaries(FIELDS, ANYTHING, max_size=4),
    st.builds(
        lambda volumes, mounts, beside: {
            "volumes": volumes,
            "containers": [{"name": "worker", "volumeMounts": mounts}, beside],
        },
        st.lists(st.one_of(VOLUMES, ANYTHING), max_size=3),
        st.lists(st.one_of(MOUNTS, ANYTHING), max_size=3),
        ANYTHING,
    ),
)


@given(PODS)
def test_only_what_can_be_the_name_of_an_object_is_asked_for(pod: Object) -> None:
    for reference in mounted(pod, own="worker"):
        assert NAME.fullmatch(reference.target.name)
        assert reference.target.digested
        assert reference.key is None or isinstance(reference.key, str)


@given(PODS, st.dictionaries(WORDS, st.sampled_from(["1", "2"]), max_size=3))
def test_a_checksum_tells_contents_apart_that_a_pod_sees(pod: Object, values: Mapping[str, str]) -> None:
    """Where a whole object is mounted, each change of it is another checksum; what no pod sees changes nothing."""
    found = list(mounted(pod, own="worker"))
    contents: dict[Target, Content] = {it.target: values for it in found}
    before = checksum_of(found, contents, "salt")
    assert before == checksum_of(found, {**contents, Target("Secret", "unseen", digested=True): {}}, "salt")
    for whole in (it for it in found if it.key is None):
        after = checksum_of(found, {**contents, whole.target: {**values, "new": "1"}}, "salt")
        assert before is None or before != after


LOOKS = st.lists(st.tuples(*[st.sampled_from(["1", "2", None])] * 3), min_size=1, max_size=12)
"""What each of three objects holds at each look; None where it can't be read."""


@given(LOOKS, st.booleans())
def test_pods_are_rolled_by_what_they_do_not_have_and_by_nothing_else(
    looks: Sequence[Sequence[str | None]], leaves: bool
) -> None:
    """Each object by itself: what pods have of it is what it was when they were rolled last, or known first."""
    before, pods = None, dict[int, str]()
    for texts in looks:
        known = {number: text for number, text in enumerate(texts) if text is not None}
        each = {f"{number:08}": None if text is None else text * 16 for number, text in enumerate(texts)}
        now = Contents(each, "".join(map(str, texts)) if None not in texts else None)
        after = followed(now, before, leaves=leaves)
        differs = any(pods.get(number, text) != text for number, text in known.items())
        if before is not None:
            assert (after.on_pods != before.on_pods) == (differs and not leaves)
        if before is None or not leaves:
            pods |= known
        else:
            pods = known | pods
        assert followed(now, after, leaves=leaves) == after, "the same contents change nothing more"
        before = after if after != NOT_CARRIED else before or after


OF_SPEC = """
pools:
  - name: a
    queues: [q]
    envFrom: [{secretRef: {name: more}}, {configMapRef: {name: may-be, optional: true}}]
    pod: {volumes: [{name: s, configMap: {name: settings}}], volumeMounts: [{name: s, mountPath: /s}]}
beat: {enabled: false}
"""
LOGIN, MORE, MAY_BE = Target("Secret", "env"), Target("Secret", "more"), Target("ConfigMap", "may-be")
FILE = Target("ConfigMap", "settings", digested=True)
HELD = st.sampled_from([{"URL": "1"}, {"URL": "2"}, Unreadable(), Absent()])
SEEN = st.fixed_dictionaries({LOGIN: HELD, MORE: HELD, MAY_BE: HELD, FILE: HELD})
NO_OBJECTS: dict[str, dict[str, Object]] = {"Deployment": {}, "StatefulSet": {}, "PodDisruptionBudget": {}}


@given(st.lists(st.tuples(SEEN, st.booleans()), min_size=1, max_size=8))
def test_a_pool_is_rolled_by_what_its_pods_do_not_have_whatever_may_not_be_read_and_whenever_the_operator_is_restarted(
    looks: Sequence[tuple[Mapping[Target, Content], bool]],
) -> None:
    """Environment and files; an hour between two looks, so that no roll has to wait for the one before it."""
    body = resource(OF_SPEC)
    body["metadata"] |= {"namespace": "ns", "uid": "u", "generation": 1}
    running, live, made, now = Acceptance(body).judge(body), NO_OBJECTS, None, NOW
    template: Object | None = None
    pods: dict[Target, Content] = {}
    for contents, restarts in looks:
        now += timedelta(hours=1)
        seen = Seen(body, live=live, contents=contents, salt="salt")
        made = made_objects(running, owner_of(body), seen, None if restarts else made, now)
        assert made is not None
        (deployment,) = (it.manifest for it in made.wanted if it.kind == "Deployment")
        known = {target: it for target, it in contents.items() if not isinstance(it, Unreadable)}
        gone = {target for target, it in known.items() if isinstance(it, Absent) and target != MAY_BE}
        known = {target: it for target, it in known.items() if target not in gone}
        new = {target for target, it in known.items() if pods.get(target, it) != it}
        of_environment = new - {FILE} if not gone - {FILE} else set()
        after = deployment["spec"]["template"]
        if template is not None and (
            CONFIG_CHECKSUM in annotations(template) or CONFIG_CHECKSUM not in annotations(after)
        ):
            assert (after != template) == bool(of_environment or new & {FILE})
        taken = of_environment | (new & {FILE})
        pods |= {target: it for target, it in known.items() if target in taken or target not in pods}
        template, live = after, {**NO_OBJECTS, "Deployment": {"fleet-a": deployment}}


def annotations(template: Object) -> Object:
    found: Object = template["metadata"].get("annotations") or {}
    return found
