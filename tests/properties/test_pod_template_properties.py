"""What the operator stands on is left in every pod by each template that it lets through, wherever that stands."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.resources import resource
from utilitarian_operator.api.effective import Fleet, effective_fleet
from utilitarian_operator.api.objects import Object
from utilitarian_operator.api.resource import parse
from utilitarian_operator.api.validation.pod_template import check_templates
from utilitarian_operator.core.labels import Owner
from utilitarian_operator.core.objects.manifests import beat_statefulset, deployment

POOLS = "pools: [{name: a, queues: [q]}]"
ODD = st.sampled_from([None, {}, [], "x", 0, True, {"$patch": "delete"}, [{"$patch": "replace"}], {"$retainKeys": []}])
NAMES = st.sampled_from(["worker", "beat", "x", "check-schedule", "schedule", None, 1])
PATHS = (
    "/var/lib/celery-beat",
    "/var/lib/celery-beat/",
    "//var/lib/celery-beat",
    "/var/lib/../lib/celery-beat/x",
    "/x",
)
MOUNTS = st.lists(st.fixed_dictionaries({"name": NAMES, "mountPath": st.sampled_from(PATHS)}), max_size=2)
HOOKS = st.sampled_from([{"preStop": None}, {"preStop": {}}, {"postStart": {}}, {"stopSignal": "SIGKILL"}])
OF_CONTAINER = {
    **dict.fromkeys(("command", "args", "image", "env", "restartPolicy", "ports", "$setElementOrder/env"), ODD),
    "volumeMounts": ODD | MOUNTS,
    "lifecycle": ODD | HOOKS,
}
CONTAINERS = st.lists(st.fixed_dictionaries({"name": NAMES}, optional=OF_CONTAINER), max_size=3)
GATES = st.lists(st.fixed_dictionaries({"conditionType": st.sampled_from(["utilitarian.io/consuming", "x/y"])}))
OF_SPEC = {
    **dict.fromkeys(("containers", "initContainers"), CONTAINERS | ODD),
    "volumes": ODD | st.lists(st.fixed_dictionaries({"name": NAMES, "emptyDir": st.just({})}), max_size=2),
    "readinessGates": ODD | GATES,
    **dict.fromkeys(("terminationGracePeriodSeconds", "restartPolicy", "nodeName", "securityContext"), ODD),
}
LABELS = ODD | st.dictionaries(st.sampled_from(["utilitarian.io/pool", "app.kubernetes.io/name", "a"]), ODD, max_size=2)
TEMPLATES = st.fixed_dictionaries(
    {"spec": st.fixed_dictionaries({}, optional=OF_SPEC)},
    optional={"metadata": st.fixed_dictionaries({}, optional={"labels": LABELS, "annotations": LABELS})},
)


def written(at: str, template: Object) -> Any:
    body = resource(POOLS)
    part: dict[str, Object] = {"pod": {"template": template}}
    match at:
        case "pool":
            body["spec"]["pools"][0] |= part
        case "fleet":
            body["spec"] |= part
        case _:
            body["spec"][at] = part
    return parse(body).spec


def stands_on(pod: Object, container: str) -> list[object]:
    """What no template may change of a pod: all the operator's own."""
    labels, spec = pod["metadata"]["labels"], pod["spec"]
    (ours,) = [it for it in spec["containers"] if it["name"] == container]
    init, volumes, mounts = (
        it or [] for it in (spec.get("initContainers"), spec.get("volumes"), ours.get("volumeMounts"))
    )
    return [
        {name: it for name, it in labels.items() if name.startswith(("utilitarian.io/", "app.kubernetes.io/"))},
        [it for it in spec.get("readinessGates") or [] if it["conditionType"].startswith("utilitarian.io/")],
        {name: ours.get(name) for name in ("command", "args", "image", "env", "resources", "restartPolicy")},
        (ours.get("lifecycle") or {}).get("preStop"),
        {name: spec.get(name) for name in ("terminationGracePeriodSeconds", "restartPolicy", "hostname")},
        [it for it in init if it.get("name") == "check-schedule"],
        [it for it in volumes if it.get("name") == "schedule"],
        [it for it in mounts if container == "beat" and "celery-beat" in it["mountPath"]],
    ]


def pods(fleet: Fleet) -> list[list[object]]:
    owner = Owner("ns", "fleet", "u")
    worker, beat = deployment(owner, fleet, fleet.pools[0]), beat_statefulset(owner, fleet)
    return [stands_on(it["spec"]["template"], name) for it, name in ((worker, "worker"), (beat, "beat"))]


AS_MADE = pods(effective_fleet(parse(resource(POOLS)).spec))


@given(at=st.sampled_from(["fleet", "defaults", "pool", "beat"]), template=TEMPLATES)
def test_what_the_operator_stands_on_is_left(at: str, template: Object) -> None:
    spec = written(at, template)
    if not list(check_templates(spec)):
        assert pods(effective_fleet(spec)) == AS_MADE
