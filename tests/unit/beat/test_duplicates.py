"""What counts as a second beat: by the commands of pods, and by what answers on the broker."""

import time
from typing import Any

import pytest

from utilitarian_operator.core.beat.duplicates import also_beat, elsewhere, same_beat
from utilitarian_operator.core.observation.beat import OtherBeat

WORKS = ("celery", "-A", "utilitarian", "worker")


def shell(script: str) -> dict[str, Any]:
    return pod("x", "/bin/sh", "-c", script)


def pod(name: str = "x", *command: str, **status: Any) -> dict[str, Any]:
    container = {"name": "beat", "command": list(command)}
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
        pytest.param(pod("x", "celery", "beat"), False, id="of an unknown application"),
        pytest.param(pod("x", "drummer", "-A", "utilitarian", "beat"), False, id="no celery"),
        pytest.param(pod("x", "celery", "-A", "utilitarian", "beat", phase="Failed"), False, id="ended"),
        pytest.param(pod("x", *WORKS, "-Q", "beat"), False, id="a worker of a queue called beat"),
        pytest.param(pod("x", *WORKS, "-Qbeat", "-lINFO"), False, id="and written as one word"),
        pytest.param(pod("x", *WORKS, "-n", "beat"), False, id="a worker called beat"),
        pytest.param(pod("x", *WORKS, "--hostname", "beat", "-cB"), False, id="the value of an option is none"),
        pytest.param(pod("x", "celery", "-A", "utilitarian", "inspect", "ping", "-d", "beat"), False, id="a question"),
        pytest.param(pod("x", *WORKS, "-BE"), True, id="embedded, with events"),
        pytest.param(pod("x", *WORKS, "-EB"), True, id="the other way round"),
        pytest.param(pod("x", *WORKS, "-EBlINFO"), True, id="and with a level behind it"),
        pytest.param(pod("x", *WORKS, "-s", "/f", "--beat"), True, id="embedded, in words"),
        pytest.param(pod("x", "celery", "-qA", "utilitarian", "beat"), True, id="quiet"),
        pytest.param(pod("x", "celery", "-b", "amqp://h", "-A", "utilitarian", "beat"), True, id="with a broker"),
        pytest.param(shell("celery -A 'utilitarian' beat"), True, id="quoted in a shell"),
        pytest.param(shell('exec celery -A "utilitarian" worker -BE'), True, id="quoted, embedded"),
        pytest.param(shell("celery -A utilitarian worker -Q beat; sleep 9"), False, id="a shell's worker"),
        pytest.param(shell("./wait-for celery && celery -A utilitarian beat"), True, id="after another command"),
        pytest.param(shell("celery -A utilitarian worker & celery -A utilitarian beat"), True, id="beside a worker"),
        pytest.param(shell("celery \\\n  -A utilitarian \\\n  beat"), True, id="in lines"),
        pytest.param(shell("celery -A utilitarian worker # not beat -B"), False, id="a remark"),
        pytest.param(shell("celery -A 'utilitarian beat"), True, id="a quotation without an end"),
        pytest.param(shell("celery -A ${X:-utilitarian} beat"), True, id="from a variable that is not set"),
        pytest.param(pod("x", "tini", "--", "celery", "-A", "utilitarian", "beat"), True, id="behind an init"),
        pytest.param(pod("x", "su-exec", "celery", "celery", "-A", "utilitarian", "beat"), True, id="as a user"),
        pytest.param(pod("x", "celery", "multi", "start", "w", "-A", "utilitarian", "-B"), True, id="as a daemon"),
        pytest.param(pod("x", "celery", "-A", "'x y'", "beat"), False, id="another quoted application"),
    ],
)
def test_what_counts_as_another_beat(found: dict[str, Any], *, is_one: bool) -> None:
    assert bool(also_beat([found], "utilitarian")) is is_one


def test_the_application_may_stand_in_the_environment() -> None:
    found = pod("x", "celery", "beat")
    found["spec"]["containers"][0]["env"] = [{"name": "APP", "value": "utilitarian"}]
    assert also_beat([found], "utilitarian") == (OtherBeat("x", "celery beat"),)


def test_a_variable_of_the_container_may_name_the_application() -> None:
    found = shell("celery -A $WHICH beat")
    found["spec"]["containers"][0]["env"] = [{"name": "WHICH", "value": "utilitarian"}]
    assert also_beat([found], "utilitarian") == (OtherBeat("x", "celery -A utilitarian beat"),)
    assert also_beat([found], "other") == ()


def test_a_beat_in_a_sidecar_that_keeps_running_is_one() -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "command": ["celery", "-A", "utilitarian", "beat"]}
    found = pod("x", "web")
    found["spec"]["initContainers"] = [sidecar]
    assert also_beat([found], "utilitarian") == (OtherBeat("x", "celery -A utilitarian beat"),)


def test_the_password_of_a_command_is_not_told() -> None:
    found = pod("x", "celery", "-A", "utilitarian", "-b", "amqp://u:secret@h", "worker", "-B")
    assert also_beat([found], "utilitarian") == (OtherBeat("x", "celery -A utilitarian worker -B"),)


def with_broker(name: str, secret: str) -> dict[str, Any]:
    found = pod(name, "celery", "-A", "utilitarian", "beat")
    reference = {"secretKeyRef": {"name": secret, "key": "CELERY_BROKER_URL"}}
    found["spec"]["containers"][0]["env"] = [{"name": "CELERY_BROKER_URL", "valueFrom": reference}]
    return found


def test_another_resource_with_the_same_application_and_broker_has_the_same_beat() -> None:
    neighbours = [with_broker("same-beat-0", "env"), with_broker("staging-beat-0", "staging"), pod("unknown-beat-0")]
    assert same_beat(neighbours, with_broker("ours-beat-0", "env"), "utilitarian") == (
        OtherBeat("same-beat-0", "celery -A utilitarian beat"),
    )
    assert same_beat(neighbours, pod("ours-beat-0"), "utilitarian") == ()


OURS, OLD, STRANGE = "celerybeat@fleet-beat-0", "celerybeat@old-beat", "celerybeat@app-beat-0"
SERVER = "celerybeat@server"


@pytest.mark.parametrize(
    "answering,extra_args,found",
    [
        pytest.param([], [], (), id="none answers"),
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
    named = [OtherBeat("old-beat", "celery -A utilitarian beat")]
    assert elsewhere(answering, "fleet-beat-0", extra_args, named, ["app-beat-0"]) == found


MANY = 100_000


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["celery"] * MANY, id="celery as each word"),
        pytest.param(["celery", "-A", "x"] * MANY, id="with an application"),
        pytest.param(["sh", "-c", "celery -A x " * MANY], id="in a script"),
        pytest.param(["sh", "-c", "celery -A x;" * MANY], id="as commands of a script"),
        pytest.param(["celery", "-A", "${a-" * MANY, "beat"], id="a variable in a variable"),
        pytest.param(["celery", "-A", "utilitarian", "worker", *["-BBBBBBBB="] * MANY], id="many options"),
        pytest.param([f"celery {n}" for n in range(MANY)], id="many scripts"),
    ],
)
def test_a_pod_of_another_with_a_long_command_keeps_no_fleet_waiting(command: list[str]) -> None:
    began = time.process_time()
    also_beat([pod("x", *command)], "utilitarian")
    assert time.process_time() - began < 2.0


def test_many_pods_with_one_script_are_all_seen_and_it_is_split_once() -> None:
    script = f"{'true; ' * 500}celery -A utilitarian beat"
    began = time.process_time()
    found = also_beat([pod(f"x{n}", "sh", "-c", script) for n in range(500)], "utilitarian")
    assert len(found) == 500
    assert time.process_time() - began < 5.0
