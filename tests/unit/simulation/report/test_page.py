"""The page holds its own style and plots, and shows names as text, whatever stands in them."""

from functools import cache
from xml.etree import ElementTree as ET

import pytest

from tests.support.simulated import stage
from utilitarian_operator.api.price import Price
from utilitarian_operator.simulation.play import play
from utilitarian_operator.simulation.report.advice import Advice, Figures, Search
from utilitarian_operator.simulation.report.measure import PolicyResult, measured
from utilitarian_operator.simulation.report.page import as_page
from utilitarian_operator.simulation.report.report import NO_ADVICE, NOT_TRIED, Report

SCHEDULE = [{"name": "run", "start": "0 * * * *", "finishWithin": "30m"}]
STAGE = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 3}]}}, {"schedule": SCHEDULE}, days=0.1)


@cache
def result() -> PolicyResult:
    return measured("utilitarian", play("utilitarian", STAGE), STAGE)


PRICE = Price(worker=0.05, currency="EUR")


def plots(page: str) -> list[ET.Element]:
    parts = [part.partition("</svg>")[0] for part in page.split("<svg")[1:]]
    return [ET.fromstring(f"<svg{part}</svg>") for part in parts]  # noqa: S314 - our own


def test_a_name_is_text_and_each_plot_is_well_formed() -> None:
    page = as_page(Report("<b>fleet</b>", STAGE, [result()], PRICE))
    assert "<b>" not in page
    assert "&lt;b&gt;fleet&lt;/b&gt;" in page
    assert " EUR)" in page
    titles = [plot.findtext("title") for plot in plots(page)]
    assert titles == [
        "Worker-hours of each policy",
        "Tasks and workers of pool",
        "Runs of pool against their deadlines",
    ]


def test_tables_have_captions_and_say_what_their_heads_are_of() -> None:
    page = as_page(Report("fleet", STAGE, [result()], PRICE))
    assert page.count("<table>") == page.count("<caption>") == 2
    assert "<td>utilitarian" not in page
    assert '<th scope="row">utilitarian</th>' in page
    assert '<th scope="col">POLICY</th>' in page


def test_work_start_up_and_waiting_are_told_apart() -> None:
    bars = [
        plot
        for plot in plots(as_page(Report("fleet", STAGE, [result()], PRICE)))
        if "each" in plot.findtext("title", "")
    ]
    kinds = [bar.get("class") for bar in bars[0].iter("rect")]
    found = result()
    assert kinds == ["busy", "starting", "waiting"]
    assert found.working + found.starting + found.idle == pytest.approx(found.hours)
    assert found.starting > 0


def test_what_to_change_comes_first_and_is_said_to_be_none_or_not_tried() -> None:
    untried = as_page(Report("fleet", STAGE, [result()], None))
    assert NOT_TRIED in untried
    assert untried.index("What to change") < untried.index("What it costs")
    figures = Figures(1.0, 1.0, 0, 0, 0, 0, (), 0.0)
    assert NO_ADVICE in as_page(Report("fleet", STAGE, [result()], None, Advice(0.1, (), (), figures, figures)))


@pytest.mark.thorough
def test_a_change_has_its_figures_before_and_after() -> None:
    staged = stage({"work": {"arrivals": [{"rate": "20/h"}]}}, days=0.1)
    result = measured("utilitarian", play("utilitarian", staged), staged)
    page = as_page(Report("fleet", staged, [result], PRICE, Search(staged, PRICE).advise(result)))
    assert '<th scope="row">pool: scaling.wake AtOnce → WhenDue</th>' in page
    assert "100% → 100%" in page
    assert "COST EUR" in page
