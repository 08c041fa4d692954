"""What counts as a second beat: by the commands of pods, and by what answers on the broker."""

from typing import Any

import pytest

from utilitarian_operator.core.other_beats import also_beat, elsewhere, same_beat


def pod(name: str = "x", *command: str, **status: Any) -> dict[str, Any]:
    container = {"name": "c", "command": list(command)}
    return {"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": [container]}, "status": status}


@pytest.mark.parametrize(
    "found,is_one",
    [
        pytest.param(pod("x", "celery", "-A", "utilitarian", "beat", "-s", "f"), True, id="beat"),
        pytest.param(pod("x", "/usr/bin/celery", "--app=utilitarian", "beat"), True, id="by path"),
        pytest.param(pod("x", "python", "-m", "celery", "-Autilitarian.celery", "beat"), True, id="as a module"),
        pytest.param(pod("x", "sh", "-c", "sleep 1; exec celery -A utilitarian beat"), True, id="through a shell"),
        pytest.param(pod("x", "celery", "-A", "utilitarian", "worker", "-B"), True, id="embedded in a worker"),
        pytest.param(pod("x", "celery", "-A", "utilitarian", "worker", "--loglevel=INFO"), False, id="worker"),
        pytest.param(pod("x", "celery", "-A", "other", "beat"), False, id="other application"),
        pytest.param(pod("x", "celery", "beat"), False, id="of nobody knows what"),
        pytest.param(pod("x", "drummer", "-A", "utilitarian", "beat"), False, id="no celery"),
        pytest.param(pod("x", "celery", "-A", "utilitarian", "beat", phase="Failed"), False, id="ended"),
    ],
)
def test_what_counts_as_another_beat(found: dict[str, Any], *, is_one: bool) -> None:
    assert bool(also_beat([found], "utilitarian")) is is_one


def test_the_application_may_stand_in_the_environment() -> None:
    found = pod("x", "celery", "beat")
    found["spec"]["containers"][0]["env"] = [{"name": "APP", "value": "utilitarian"}]
    assert also_beat([found], "utilitarian") == ("x (celery beat)",)


def with_broker(name: str, secret: str) -> dict[str, Any]:
    found = pod(name, "celery", "-A", "utilitarian", "beat")
    reference = {"secretKeyRef": {"name": secret, "key": "CELERY_BROKER_URL"}}
    found["spec"]["containers"][0]["env"] = [{"name": "CELERY_BROKER_URL", "valueFrom": reference}]
    return found


def test_another_resource_with_the_same_application_and_broker_has_the_same_beat() -> None:
    neighbours = [with_broker("same-beat-0", "env"), with_broker("staging-beat-0", "staging"), pod("unknown-beat-0")]
    assert same_beat(neighbours, with_broker("ours-beat-0", "env"), "utilitarian") == (
        "same-beat-0 (celery -A utilitarian beat)",
    )
    assert same_beat(neighbours, pod("ours-beat-0"), "utilitarian") == ()


OURS, OLD, STRANGE = "celerybeat@fleet-beat-0", "celerybeat@old-beat", "celerybeat@app-beat-0"
SERVER = "celerybeat@server"


@pytest.mark.parametrize(
    "answering,extra_args,found",
    [
        pytest.param([], [], (), id="nobody answers"),
        pytest.param([OURS], [], (), id="ours"),
        pytest.param([SERVER, OURS], [], (SERVER,), id="one on a server"),
        pytest.param([SERVER], [], (SERVER,), id="ours does not answer"),
        pytest.param([OURS, OLD, STRANGE], [], (), id="told by its pod, and another application's"),
        pytest.param(["celerybeat@mine"], ["-n", "mine"], (), id="ours has a name"),
        pytest.param(["celerybeat@mine"], ["--hostname=celerybeat@mine"], (), id="and is written otherwise"),
        pytest.param([OURS], ["--hostname", "celerybeat@%h", "-l", "DEBUG"], (), id="with its host in it"),
        pytest.param([OURS], ["-n", "mine"], (OURS,), id="the name is not ours any more"),
    ],
)
def test_who_answers_on_the_broker_and_is_not_ours(
    answering: list[str], extra_args: list[str], found: tuple[str, ...]
) -> None:
    named = ["old-beat (celery -A utilitarian beat)"]
    assert elsewhere(answering, "fleet-beat-0", extra_args, named, ["app-beat-0"]) == found
