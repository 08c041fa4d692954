"""Whatever a status says, of another version or of a stranger: each hand answers, and a report holds no secret."""

import copy
import io
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.fake_shell import NAMESPACE, SAVED, FakeShell
from tests.support.yaml_text import load
from utilitarian_operator.cli.tables import width_of

HANDS = (
    ("status", "-o", "wide"), ("top", "--once"), ("explain", "amr-hourly"), ("doctor",), ("events",), ("resume",),
    ("scale", "amr-hourly", "3"), ("run-now", "amr-hourly"), ("pause", "--for", "1h"),
)  # fmt: skip
SAID = st.sampled_from(
    ["", "x" * 300, "\x1b[2J\x1b[8mhidden\r\nnext", "日本語" * 30, "\u202eabc\u200f\u2028d", "9999-12-31T23:59:59Z",
     "OfALater", "0001-01-01T00:00:00Z", "2026-03-02T12:00:00+23:59", "[red]{}%s"]
)  # fmt: skip
OF_ANOTHER_TYPE = st.sampled_from([None, 7, -3, 1.5, float("nan"), "text", True, [], ["x"], [None], {}, {"a": 1}])
READING = HANDS[:5]
NAMES = ("name", "type", "status", "rule", "queue", "lastTransitionTime")
"""What the CRD asks for, or bounds."""


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """The saved status, with some of its values as another version or a stranger may have written them."""
    status: dict[str, Any] = load(SAVED.read_text())["status"]
    for _ in range(draw(st.integers(0, 8))):
        part: Any = status
        while isinstance(part, dict | list) and part:
            key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
            inner = part[key]
            if not isinstance(inner, dict | list) or not inner:
                if key in NAMES:
                    break
                if isinstance(inner, str):
                    part[key] = draw(SAID)
                elif isinstance(inner, int):
                    part[key] = draw(st.sampled_from([0, 1, 2**31, 10**18]))
                break
            if isinstance(part, dict) and key in {"memory", "trail", "conditions"} and draw(st.booleans()):
                part.pop(key)
                break
            part = inner
    return status


@settings(max_examples=examples(25), deadline=None)
@given(status=statuses(), hand=st.sampled_from(HANDS), columns=st.integers(20, 400), seen=st.booleans())
def test_each_hand_answers_and_orders_the_terminal_nothing(
    status: dict[str, Any], hand: tuple[str, ...], columns: int, *, seen: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shell = FakeShell(patch)
        shell.fleet()
        shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["status"] = status
        if seen:
            shell.lease()
        done = shell.run(*hand, env={"COLUMNS": str(columns)})
    assert done.returncode in {0, 2, 3}
    assert not [it for it in done.stdout + done.stderr if (it < " " and it not in "\n\t") or it in "\u202e\u200f\u2028"]
    if hand[0] == "top":
        assert max(map(width_of, done.stdout.splitlines())) <= columns


def parts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value within another, by what it stands in and its place there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from parts(value[key])


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data(), hand=st.sampled_from(READING))
def test_each_hand_answers_where_a_value_is_of_another_type(drawn: st.DataObject, hand: tuple[str, ...]) -> None:
    resource: dict[str, Any] = {"status": load(SAVED.read_text())["status"]}
    for _ in range(drawn.draw(st.integers(1, 3))):
        part, key = drawn.draw(st.sampled_from(list(parts(resource))))
        part[key] = copy.deepcopy(drawn.draw(OF_ANOTHER_TYPE))
    with pytest.MonkeyPatch.context() as patch:
        shell = FakeShell(patch)
        shell.fleet()
        shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]["status"] = resource["status"]
        assert shell.run(*hand).returncode in {0, 2, 3}


HIDDEN: tuple[Callable[[str], dict[str, Any]], ...] = (
    lambda it: {"env": [{"name": "A", "value": it}]},
    lambda it: {"defaults": {"env": [{"name": "A", "value": it}]}},
    lambda it: {"defaults": {"worker": {"commandPrefix": ["sh", "-c", it]}}},
    lambda it: {"defaults": {"worker": {"extraArgs": [f"--conf={it}"]}}},
    lambda it: {"pod": {"volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"a": it}}}]}},
    lambda it: {"broker": {"from": {"host": "r", "password": it}}},
)
"""Where a value is that a report takes out."""
WRITTEN: tuple[Callable[[str], str], ...] = (
    lambda it: it,
    lambda it: f"sh -c '{it}'",
    lambda it: json.dumps({"note": it}),
    lambda it: f"GET /?a={quote(it, safe='')}&b",
)
PLACES = ("event", "log", "status", "pod", "container")


def told(shell: FakeShell, place: str, said: str) -> None:
    """Let somebody say it there."""
    live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]
    labels = {"app.kubernetes.io/instance": "utilitarian"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": NAMESPACE, "labels": labels}}
    if place == "event":
        metadata, about = {"name": "e", "namespace": NAMESPACE}, {"kind": "Pod", "name": "utilitarian-cleanup-x"}
        event = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": metadata, "regarding": about}
        shell.add(event | {"note": said, "reason": "FailedPostStartHook", "eventTime": "2026-03-02T12:00:00Z"})
    elif place == "log":
        metadata = {"name": "o", "namespace": "op", "labels": {"app.kubernetes.io/name": "utilitarian-operator"}}
        shell.add({**pod, "metadata": metadata, "spec": {"containers": [{"name": "operator"}]}})
        shell.cluster.logs["op", "o", "operator", False] = f"before\n{said}\nafter"
    elif place == "status":
        status = copy.deepcopy(live["status"])
        status["conditions"][0]["message"] = status["pools"][0]["message"] = said
        live["status"] = {**status, "advice": [said]}
    elif place == "pod":
        shell.add({**pod, "status": {"message": said}})
    else:
        ended = {"name": "worker", "lastState": {"terminated": {"exitCode": 1, "message": said}}}
        shell.add({**pod, "status": {"containerStatuses": [ended]}})


@settings(max_examples=examples(25), deadline=None)
@given(
    secret=st.text("aB3$!/:+=%&@.,;~#", min_size=5, max_size=12).map(lambda it: f"Zq9{it}x7"),
    hidden=st.sampled_from(HIDDEN),
    written=st.sampled_from(WRITTEN),
    place=st.sampled_from(PLACES),
)
def test_what_a_fleet_hides_is_in_no_report_whoever_says_it(
    secret: str, hidden: Callable[[str], dict[str, Any]], written: Callable[[str], str], place: str
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        shell = FakeShell(patch)
        shell.fleet()
        live = shell.cluster._objects["UtilitarianWorkerPool", NAMESPACE, "utilitarian"]
        live["spec"] = {**live["spec"], **hidden(secret)}
        told(shell, place, written(secret))
        assert shell.run("report", "--file", f"{folder}/r").returncode == 0
        with tarfile.open(f"{folder}/r") as archive:
            files = {it.name: archive.extractfile(it) for it in archive.getmembers()}
            text = "\n".join(io.TextIOWrapper(it, encoding="utf-8").read() for it in files.values() if it is not None)
    for spelt in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert spelt not in text
