"""What is followed of a pod, whatever stands in its template: no error, and no name that leads a request astray."""

import re
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from utilitarian_operator.api.objects import Object
from utilitarian_operator.core.spec.mounts import mounted
from utilitarian_operator.core.spec.references import Content, Target, checksum_of

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
