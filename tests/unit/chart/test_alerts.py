"""The alerts: each fires when it should and only then, and has a runbook that can be found."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.chart import CHART
from tests.support.dashboard import dashboards
from tests.support.examples import length
from tests.support.metrics_table import documented_alerts
from tests.support.prometheus import promtool
from tests.support.quiet_month import A_DAY, AN_HOUR, DAYS, Look, quiet_month
from tests.support.yaml_text import load

ROOT = Path(__file__).resolve().parents[3]
ALERTS = CHART / "files/alerts.yaml"
CASES = Path(__file__).parent / "chart_alert_cases.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
INDEX = (RUNBOOKS / "README.md").read_text()

RULES: list[dict[str, Any]] = load(ALERTS.read_text())["groups"][0]["rules"]
RULES_OF_ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = [rule["record"] for rule in RULES if "record" in rule]
alerts = pytest.mark.parametrize("alert", RULES_OF_ALERTS)


@pytest.mark.thorough
def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", CASES)


@pytest.mark.thorough
def test_a_quiet_month_fires_nothing(tmp_path: Path) -> None:
    month = quiet_month(length(DAYS, quick=7))
    assert "SUCCESS" in promtool("test", "rules", month.write(tmp_path / "month.yaml", ALERTS, {}))


@pytest.mark.thorough
def test_a_month_with_trouble_in_it_does(tmp_path: Path) -> None:
    """Else the month would prove nothing: a pool that does not wake, on the fourth day, for an hour."""
    trouble = range(3 * A_DAY + 2 * AN_HOUR, 3 * A_DAY + 3 * AN_HOUR)
    month = quiet_month(4, asleep=lambda at: Look(waiting=7, wanted=1) if at in trouble else Look())
    # From its second figure on, a quarter of an hour later.
    fired = {"UtilitarianNotScalingFromZero": 3, "UtilitarianWorkersMissing": 3}
    assert "SUCCESS" in promtool("test", "rules", month.write(tmp_path / "month.yaml", ALERTS, fired))


@cache
def cases() -> list[dict[str, Any]]:
    return [it for test in load(CASES.read_text())["tests"] for it in test["alert_rule_test"]]


@alerts
def test_an_alert_has_a_case_that_fires_and_one_that_is_silent(alert: str) -> None:
    fires = {bool(it["exp_alerts"]) for it in cases() if it["alertname"] == alert}
    assert fires == {True, False}


@alerts
def test_an_alert_says_what_is_wrong_in_numbers_and_where_to_read_on(alert: str) -> None:
    rule = RULES_OF_ALERTS[alert]
    annotations = rule["annotations"]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert annotations["summary"]
    assert not annotations["summary"].endswith(".")
    assert re.search(r"\$value|\d", annotations["description"])
    assert annotations["runbook_url"] == f"docs/runbooks/{alert}.md"


@alerts
def test_an_alert_leads_to_a_dashboard_with_its_own_fleet_and_pool_chosen(alert: str) -> None:
    path, _, query = RULES_OF_ALERTS[alert]["annotations"]["dashboard"].partition("?")
    (board,) = (it for uid, it in dashboards().items() if path == f"/d/{uid}")
    variables = {f"var-{it['name']}" for it in board["templating"]["list"]}
    chosen = dict(it.split("=") for it in query.split("&")) if query else {}
    assert set(chosen) <= variables
    assert all(value == f"{{{{ $labels.{name.removeprefix('var-')} }}}}" for name, value in chosen.items())


def test_alerts_are_documented_with_their_severity() -> None:
    assert documented_alerts() == {name: rule["labels"]["severity"] for name, rule in RULES_OF_ALERTS.items()}


def test_what_is_recorded_is_used_and_documented() -> None:
    used = "\n".join(str(rule) for rule in RULES_OF_ALERTS.values())
    page = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in RECORDED if name not in used or f"`{name}`" not in page] == []


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(RULES_OF_ALERTS)
    rows = re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", INDEX, re.MULTILINE)
    assert dict(rows) == documented_alerts()


@alerts
def test_a_runbook_has_its_four_parts(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert "```console\n" in text.partition("## Diagnosis")[2]
