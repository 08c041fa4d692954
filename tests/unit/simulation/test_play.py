import pytest

from tests.support.simulated import stage
from utilitarian_operator.simulation.play import Scene, UnknownPolicy, checked_policy, kill_times, kind, play, start_ups
from utilitarian_operator.simulation.report.measure import PoolResult, measured


def result(asked: Scene, policy: str = "utilitarian") -> PoolResult:
    return measured(policy, play(policy, asked), asked).pools["pool"]


@pytest.mark.parametrize("acks, lost", [("early", True), ("late", False)])
@pytest.mark.thorough
def test_a_node_that_dies_takes_tasks_with_it(acks: str, *, lost: bool) -> None:
    kills = [{"cron": "30 * * * *", "workers": 1}, {"at": "2026-03-02T02:45:00"}]
    busy = {"arrivals": [{"poisson": "1/s"}], "seconds": {"median": 20, "p95": 60}}
    asked = stage({"work": busy}, acks=acks, nodeKills=kills, days=0.125)
    assert len(kill_times(asked)) == 4
    killed = result(asked)
    assert killed.interrupted > 0
    assert (killed.lost > 0) is lost
    assert killed.unfinished < 200


@pytest.mark.parametrize("wake", ["AtOnce", "WhenDue"])
def test_what_becomes_of_a_load_does_not_depend_on_how_often_progress_is_shown(wake: str) -> None:
    work = {"arrivals": [{"poisson": "40/h"}, {"cron": "0 * * * *", "tasks": 60}]}
    kills = [{"at": "2026-03-02T00:47:13", "workers": 1}]
    asked = stage({"work": work}, {"scaling": {"wake": wake}}, nodeKills=kills, days=0.0625)
    often, seldom = (play("utilitarian", asked, steps=steps)["pool"] for steps in (173, 1))
    assert often.samples == seldom.samples
    assert often.workers.account == seldom.workers.account
    assert often.workers.began_at == seldom.workers.began_at


@pytest.mark.parametrize("start_up", ["0s", "20s"])
def test_a_pool_is_played_no_further_ahead_than_until_a_node_dies(start_up: str) -> None:
    """And not at all without a look where a worker is ready as soon as it is asked for."""
    short = {"arrivals": [{"rate": "5/m"}], "seconds": {"median": 0.001, "p95": 0.001}}
    dies = [{"cron": "*/7 * * * *", "workers": 1}]
    scene = stage({"work": short}, days=0.3, startUp=start_up, departure="0s", nodeKills=dies)
    played = play("utilitarian", scene)
    (pool,) = measured("utilitarian", played, scene).pools.values()
    assert pool.hours == pytest.approx(7.2, abs=0.1)
    assert pool.idle + pool.starting == pytest.approx(pool.hours, abs=0.01)
    assert min(moment for moment, *_ in played["pool"].samples) >= 0
    assert pool.starts == len(kill_times(scene))  # none was there yet for the first


def test_a_kill_without_a_zone_is_in_the_file_s() -> None:
    kills = [{"at": "2026-03-02T02:00:00"}, {"at": "2026-03-02T02:00:00Z"}]
    queues = {"work": {"arrivals": [{"rate": "1/h"}]}}
    asked = stage(queues, nodeKills=kills, timeZone="Europe/Stockholm", days=0.25)
    assert kill_times(asked) == [(7200, 1), (10800, 1)]


@pytest.mark.parametrize("given, costs", [({}, 3.0), ({"departure": "0s"}, 0.0), ({"departure": "1500ms"}, 1.5)])
def test_a_worker_of_ours_costs_until_it_has_departed(given: dict[str, str], costs: float) -> None:
    waits = {"scaling": {"wake": "WhenDue", "drainWithin": "5m"}}
    asked = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 1}]}}, waits, days=0.125, **given)
    without = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 1}]}}, waits, days=0.125, departure="0s")
    ours, least = (play("utilitarian", it)["pool"].workers.account for it in (asked, without))
    assert ours.starts == least.starts > 0
    assert ours.worker_seconds - least.worker_seconds == pytest.approx(costs * ours.starts)
    assert kind(asked.fleet.pools[0], asked).departure == 0, "another autoscaler ends a worker at once"


def test_start_ups_of_a_spread_differ_and_repeat() -> None:
    asked = stage({"work": {"arrivals": [{"rate": "1/s"}]}}, days=0.01, startUp={"median": "8s", "p95": "20s"})
    one, same = ([next(draws) for _ in range(5)] for draws in (start_ups(asked.fleet.pools[0], asked) for _ in "ab"))
    assert one == same
    assert len(set(one)) == 5


@pytest.mark.parametrize("name", ["keda", "keda-tuned", "keda-amqp", "hpa", "oracle", "fixed:0", "fixed:12"])
def test_policies_have_names(name: str) -> None:
    assert checked_policy(name) == name


@pytest.mark.parametrize(
    "name", ["kedda", "fixed", "fixed:", "fixed:-1", "fixed:two", "fixed:1001", f"fixed:{'9' * 5000}", ""]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownPolicy, match="choose from keda"):
        checked_policy(name)
