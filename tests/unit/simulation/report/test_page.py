"""The page holds its own style and plots, and shows names as text, whatever stands in them."""

from xml.etree import ElementTree as ET

from tests.support.simulated import stage
from utilitarian_operator.core.explain.recommendations import Recommendation
from utilitarian_operator.simulation.play import play
from utilitarian_operator.simulation.report.measure import measured
from utilitarian_operator.simulation.report.page import as_page
from utilitarian_operator.simulation.report.report import NO_ADVICE, Report

SCHEDULE = [{"name": "run", "start": "0 * * * *", "finishWithin": "30m"}]
STAGE = stage({"work": {"arrivals": [{"cron": "0 * * * *", "tasks": 3}]}}, {"schedule": SCHEDULE}, days=0.1)
RESULT = measured("utilitarian", play("utilitarian", STAGE), STAGE)


def test_a_name_is_text_and_each_plot_is_well_formed() -> None:
    page = as_page(Report("<b>fleet</b>", STAGE, [RESULT], 0.05))
    assert "<b>" not in page
    assert "&lt;b&gt;fleet&lt;/b&gt;" in page
    assert "What it costs: cost" in page
    plots = [part.partition("</svg>")[0] for part in page.split("<svg")[1:]]
    titles = [ET.fromstring(f"<svg{plot}</svg>").findtext("title") for plot in plots]  # noqa: S314 - our own
    assert titles == ["Cost of each policy", "Backlog and workers of pool", "Runs of pool against their deadlines"]


def test_advice_has_its_path_and_its_figures_or_is_said_to_be_none() -> None:
    one = Recommendation("spec.pools[0].scaling.max", "10", "20", "it is <always> at its maximum", "costs more")
    assert NO_ADVICE in as_page(Report("fleet", STAGE, [RESULT], None)).replace("&#x27;", "'")
    page = as_page(Report("fleet", STAGE, [RESULT], None, [one]))
    assert "<li><code>spec.pools[0].scaling.max: 20</code> (is 10): " in page
    assert "it is &lt;always&gt; at its maximum; costs more" in page
