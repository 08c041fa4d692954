import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from utilitarian_operator.cli import app

RESOURCE = """\
apiVersion: utilitarian.io/v1alpha1
kind: UtilitarianWorkerPool
metadata: {name: small}
spec:
  image: utilitarian:1
  broker: {urlFrom: {secretKeyRef: {name: broker, key: url}}}
  maxWorkers: 8
  pools:
    - name: runs
      queues: [hourly]
      worker: {concurrency: 10}
      schedule: [{name: run, start: "0 * * * *", finishWithin: 30m, warmUp: 30s}]
    - name: rest
      queues: [steady, rare]
      scaling: {drainWithin: 5s}
"""
LOAD = """\
start: 2026-03-02
days: 0.5
queues:
  hourly:
    seconds: {median: 2, p95: 6}
    arrivals: [{cron: "0 * * * *", tasks: 400}]
  steady:
    seconds: {median: 0.5, p95: 2}
    arrivals: [{rate: 20/h, from: "01:00", to: "05:00"}]
  rare:
    seconds: {median: 1, p95: 2}
    arrivals: [{cron: "30 6 * * *", tasks: 3}]
"""
GOLDEN = Path(__file__).parent / "simulate_small.txt"
FIGURES = {
    *("worker_hours", "idle_hours", "start_up_hours", "deadlines", "deadlines_met", "promised", "promises_kept"),
    *("interrupted", "wait_p50_s", "wait_p95_s", "starts", "pools"),
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "resource.yaml").write_text(RESOURCE)
    (tmp_path / "load.yaml").write_text(LOAD)
    return ["simulate", "-f", str(tmp_path / "resource.yaml"), "--load", str(tmp_path / "load.yaml")]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    assert not (code == 2 and result.stdout)  # what is wrong is said before anything is played
    return result.stdout if not code else result.stderr


def test_json_has_its_shape(files: list[str]) -> None:
    answer = json.loads(run(*files, "--against", "keda,hpa,fixed:1,oracle", "-o", "json"))
    assert list(answer) == ["totals", "policies"]
    assert list(answer["policies"]) == ["utilitarian", "keda", "hpa", "fixed:1", "oracle"]
    for policy in answer["policies"].values():
        assert set(policy) == FIGURES
        assert set(policy["pools"]) == {"runs", "rest"}
    ours = answer["policies"]["utilitarian"]
    assert (ours["deadlines"], ours["deadlines_met"], ours["interrupted"]) == (12, 12, 0)
    assert ours["pools"]["runs"]["tasks"] == 4800
    assert set(ours["pools"]["rest"]["queues"]) == {"steady", "rare"}


def test_the_table_says_all_of_it(files: list[str]) -> None:
    assert run(*files, "--against", "keda,keda-tuned,oracle", "--price", "0.05") == GOLDEN.read_text()


def test_what_is_named_twice_is_played_once(files: list[str]) -> None:
    swept = ["--sweep", "pools.rest.scaling.max=3,3"]
    table = run(*files, "--days", "0.05", "--against", "hpa,hpa", *swept)
    assert [table.count(f"\n  {name} ") for name in ("hpa", "pools.rest.scaling.max=3")] == [1, 1]


def test_the_page_is_well_formed_and_asks_for_nothing(files: list[str]) -> None:
    page = run(*files, "--against", "oracle", "-o", "html")
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) == 4
    assert page.count("<caption>") == page.count("<table>") == 3
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314 - our own
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|https?://", page)


@pytest.mark.thorough
def test_days_and_seed_are_taken(files: list[str]) -> None:
    def hours(*more: str) -> float:
        return float(json.loads(run(*files, "-o", "json", *more))["policies"]["utilitarian"]["worker_hours"])

    usual = hours("--days", "0.2")
    assert hours("--days", "0.1") < usual
    assert hours("--days", "0.2", "--seed", "2") != usual == hours("--days", "0.2", "--seed", "1")


PATIENCE = ("--days", "0.1", "--sweep", "pools.rest.scaling.idleAfter=10s,30m")


def test_a_sweep_tries_each_value_and_says_which_is_best(files: list[str]) -> None:
    said = json.loads(run(*files, *PATIENCE, "-o", "json"))
    assert said["totals"]["best"] == "pools.rest.scaling.idleAfter=10s"
    answer = said["policies"]
    short, long = (answer[f"pools.rest.scaling.idleAfter={value}"] for value in ("10s", "30m"))
    assert short["pools"]["rest"]["worker_hours"] < long["pools"]["rest"]["worker_hours"]
    assert short["starts"] > long["starts"]


def test_a_sweep_marks_the_resource_as_it_is_and_the_best_value(files: list[str]) -> None:
    table = run(*files, *PATIENCE)
    assert "utilitarian (as it is) " in table
    assert "pools.rest.scaling.idleAfter=10s (best) " in table
    assert "pools.rest.scaling.idleAfter=30m " in table


@pytest.mark.thorough
def test_advice_has_its_figures_and_is_written(files: list[str], tmp_path: Path) -> None:
    to = tmp_path / "cheaper.yaml"
    Path(files[2]).write_text(RESOURCE.replace("drainWithin: 5s", "drainWithin: 5m"))
    options = ("--days", "0.2", "--price", "0.05", "--currency", "EUR", "-o", "json")
    answer = json.loads(run(*files, "--advise", "--write", str(to), *options))
    assert list(answer) == ["totals", "advice", "policies"]
    totals, advice = answer["totals"], answer["advice"]
    assert totals["currency"] == "EUR"
    assert totals["cost"] == pytest.approx(0.05 * totals["worker_hours"], abs=0.01)
    changed = {field["path"]: field["to"] for change in advice["changes"] for field in change["fields"]}
    assert changed["pools.rest.scaling.wake"] == "WhenDue"
    assert advice["after"]["cost"] < advice["before"]["cost"]
    files[2] = str(to)
    assert json.loads(run(*files, *options))["totals"]["cost"] == pytest.approx(advice["after"]["cost"], abs=0.01)


def test_a_missed_deadline_is_said_with_3(files: list[str]) -> None:
    tight = RESOURCE.replace("finishWithin: 30m", "finishWithin: 1m").replace("concurrency: 10", "concurrency: 1")
    Path(files[2]).write_text(tight)
    result = CliRunner().invoke(app, [*files, "--days", "0.1"])
    assert result.exit_code == 3
    assert "0 of 3 deadlines met" in result.stdout


@pytest.mark.thorough
def test_a_sweep_without_an_effect_is_said_to_have_none(files: list[str]) -> None:
    said = "drainWithin makes no difference here: each value asks for the same workers; a run with finishWithin is"
    assert said in run(*files, "--days", "0.1", "--sweep", "pools.runs.scaling.drainWithin=5m,30m")
    assert "no difference" not in run(*files, *PATIENCE)


@pytest.mark.parametrize(
    "more, reason",
    [
        (["--against", "kedda"], "unknown policy 'kedda'"),
        (["--sweep", "pools.none.scaling.max=1,2"], "no pool 'none'; there are: runs, rest"),
        (["--sweep", "pools.rest.scaling.max"], "write it like"),
        (["--sweep", "pools=1"], "write a pool's field like pools.amr-hourly.scaling.drainWithin"),
        (["--sweep", "pools.rest.scaling.max=soon"], "spec.pools[1].scaling.max"),
        (["--sweep", "maxWorkers.more=1"], "has no fields"),
        (["--sweep", "pools.rest.scaling.max=["], "'[' can't be read as YAML"),
        (["--sweep", "pools.rest.scaling.max=!!int many"], "can't be read as YAML"),
        (["--sweep", "pools.rest.scaling.max=2026-01-01"], "spec.pools[1].scaling.max"),
        (["--days", "0"], "--days"),
        (["--price", "much"], "--price much: write what a worker-hour costs, like 0.05"),
        (["--write", "cheaper.yaml"], "nothing to write without --advise"),
        (["--advise", "--advise-within", "soon"], "--advise-within: 'soon' is no duration: write it like"),
        (["--advise", "--write", "/"], "--write /: Is a directory"),
        (["--advise", "--write", "/no/such/cheaper.yaml"], "--write /no/such/cheaper.yaml: No such directory"),
        (["--advise", "--write", "/proc/cheaper.yaml", "--days", "400"], "--write /proc/cheaper.yaml: No such file"),
        (["--currency", "EUR"], "--currency EUR: there is nothing to print in it without --price"),
        (["--days", "nan"], "--days"),
        (["-o", "pdf"], "--output"),
        (["--fleet", "other"], "there are: small"),
    ],
)
def test_wrong_options_are_refused_with_2(files: list[str], more: list[str], reason: str) -> None:
    assert reason in run(*files, *more, code=2)


def test_a_wrong_load_is_refused_with_2_and_its_line(files: list[str]) -> None:
    path = Path(files[-1])
    path.write_text(LOAD.replace("  rare:", "  raar:"))
    assert f"{path}:10: unknown queue raar" in run(*files, code=2)
    path.write_text(LOAD.replace("20/h", "-20/h"))
    assert f"{path}:9: " in run(*files, code=2)
    path.write_text(LOAD.replace('cron: "30 6 * * *", tasks: 3', "trace: t.csv"))
    path.with_name("t.csv").write_text("time,count\n2026-03-02T02:00:00Z,1\n2026-03-02T01:00:00Z,1\n")
    assert "t.csv:3: 2026-03-02T01:00:00Z is before" in run(*files, code=2)


def test_a_wrong_resource_is_refused_with_2(files: list[str]) -> None:
    Path(files[2]).write_text(RESOURCE.replace("maxWorkers: 8", "maxWorkers: some"))
    assert "spec.maxWorkers" in run(*files, code=2)
    Path(files[2]).write_text(RESOURCE.partition("spec:")[0] + "spec:\n")
    assert "the resource has no spec" in run(*files, "--sweep", "pools.rest.scaling.max=1", code=2)
    run(*files, code=2)
