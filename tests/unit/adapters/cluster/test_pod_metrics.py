"""A listing of metrics.k8s.io: which values are read, and what is refused."""

import json

import pytest

from utilitarian_operator.adapters.cluster.pod_metrics import MOST_PODS, from_listing
from utilitarian_operator.core.observation.model.usage import PodUsage


def item(
    name: object = "p", cpu: object = "250m", memory: object = "100Mi", container: object = "worker"
) -> dict[str, object]:
    proxy = {"name": "proxy", "usage": {"cpu": "9", "memory": "9Gi"}}
    return {
        "metadata": {"name": name},
        "containers": [proxy, {"name": container, "usage": {"cpu": cpu, "memory": memory}}],
    }


@pytest.mark.parametrize(
    "cpu, memory, expected",
    [
        pytest.param("250m", "100Mi", (0.25, 100 * 2**20), id="as-people-write-it"),
        pytest.param("12345678n", "123456Ki", (0.012345678, 123456 * 1024), id="as-metrics-server-writes-it"),
        pytest.param("10u", "1000", (1e-5, 1000), id="micro"),
        pytest.param("0", "0", (0, 0), id="nothing"),
        pytest.param("-1", "0", None, id="negative"),
        pytest.param("1e9", "0", None, id="an-exponent"),
        pytest.param("5000", "0", None, id="more-cores-than-there-are"),
        pytest.param("1", "99999999Ti", None, id="more-memory-than-there-is"),
        pytest.param(1, 2, None, id="numbers"),
        pytest.param(None, None, None, id="no-usage"),
        pytest.param("9" * 400, "0", None, id="endless"),
    ],
)
def test_which_values_are_read(cpu: object, memory: object, expected: tuple[float, float] | None) -> None:
    found = from_listing(json.dumps({"items": [item(cpu=cpu, memory=memory)]}).encode())
    assert found == ({} if expected is None else {"p": PodUsage(*map(pytest.approx, expected))})


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([None, 3, "x", []], id="no-objects"),
        pytest.param([{}, {"metadata": 1}, {"metadata": {"name": 5}, "containers": []}], id="no-names"),
        pytest.param([{"metadata": {"name": "p"}, "containers": 7}], id="no-containers"),
        pytest.param(
            [{"metadata": {"name": "p"}, "containers": [None, {"name": "worker", "usage": 1}]}], id="no-usage"
        ),
        pytest.param([item(container="beat")], id="another-container"),
    ],
)
def test_what_cannot_be_read_is_left_out(items: list[object]) -> None:
    assert from_listing(json.dumps({"items": items}).encode()) == {}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a-page"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"items": {}}', id="items-that-are-no-list"),
        pytest.param(b"[" * 100_000, id="nested-too-deeply"),
        pytest.param(b"\xff\xfe\x00", id="no-text"),
    ],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json has its own words
        from_listing(body)


def test_no_more_pods_are_read_than_a_fleet_has() -> None:
    body = json.dumps({"items": [item(f"p{number}") for number in range(MOST_PODS + 5)]}).encode()
    assert len(from_listing(body)) == MOST_PODS


@pytest.mark.parametrize(
    "written, kept",
    [("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), (None, None), (5, None), ("x" * 100, None)],
    ids=["a-moment", "none", "a-number", "too-long"],
)
def test_when_it_was_measured(written: object, kept: str | None) -> None:
    row = item() | {"timestamp": written}
    assert from_listing(json.dumps({"items": [row]}).encode())["p"].measured == kept
