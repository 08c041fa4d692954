"""The simulation as one self-contained HTML page with SVG plots, readable on a phone."""

from collections.abc import Iterator
from html import escape

from utilitarian_operator.core.wording import plural
from utilitarian_operator.simulation.report.measure import PoolResult
from utilitarian_operator.simulation.report.plots import costs, runs, timeline
from utilitarian_operator.simulation.report.report import (
    Report,
    Table,
    advised,
    headline,
    policies,
    pools,
    questions,
    queues,
    remarks,
)

STYLE = """
:root{--ink:#1b2530;--soft:#5d6b7a;--line:#d6dde4;--paper:#fff;--work:#9fc5e8;--workers:#1f5f99;--good:#2f8f5b;
--bad:#c0392b;--starting:#e0a33a;--waiting:#b9c2cb}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#36424e;--paper:#141a20;--work:#2d5274;
--workers:#7db8ee;--good:#58c08a;--bad:#e57368;--starting:#c98f35;--waiting:#5a6672}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:980px;margin:1.5em auto;
padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.15em;margin-top:2em}h3{font-size:1em;margin:1.4em 0 .3em}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:.3em 0}
th,td{padding:.3em .7em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
th{color:var(--soft);font-weight:600}tbody th{color:var(--ink);font-weight:400}
svg{display:block;width:100%;min-width:520px;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.work{fill:var(--work)}.workers{fill:none;stroke:var(--workers);stroke-width:1.4}.axis{stroke:var(--line)}
.good{fill:var(--good)}.bad{fill:var(--bad)}.busy{fill:var(--workers)}.starting{fill:var(--starting)}
.waiting{fill:var(--waiting)}
p.key{color:var(--soft);font-size:14px;margin:.2em 0}
.swatch{display:inline-block;width:.9em;height:.9em;margin:0 .35em 0 .9em;vertical-align:-.1em}
.swatch.busy,.swatch.workers{background:var(--workers)}.swatch.starting{background:var(--starting)}
.swatch.waiting{background:var(--waiting)}.swatch.work{background:var(--work)}.swatch.good{background:var(--good)}
.swatch.bad{background:var(--bad)}.swatch.workers{height:.2em;vertical-align:.25em}
"""


def as_page(report: Report) -> str:
    """The whole page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = escape(report.title)
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
    yield f"<p>{escape(headline(report))}</p>"
    yield from _recommended(report)
    yield "<h2>What it costs</h2>"
    yield from _table(policies(report), "Each policy over the same tasks")
    yield _legend(
        ("busy", "worker-hours with a task"),
        ("starting", "starting up"),
        ("waiting", "waiting: ready, without a task, so that the next one starts at once"),
    )
    yield costs(report.results)
    yield "<ul>" + "".join(f"<li>{escape(remark)}</li>" for remark in remarks(report)) + "</ul>"
    yield f"<h2>Pools under {escape(report.first.policy)}</h2>"
    yield from _table(pools(report), "What each pool cost, and how long its tasks waited")
    if queues(report).rows:
        yield "<h2>Queues that share a pool</h2>"
        yield from _table(queues(report), "How long the tasks of each queue waited")
    yield "<h2>Over time</h2>"
    yield _legend(("work", "tasks to do, at their highest (left)"), ("workers", "workers (right)"))
    for pool in report.first.pools.values():
        yield from _over_time(pool, report)
    yield "</body></html>"


def _recommended(report: Report) -> Iterator[str]:
    yield "<h2>What to change</h2>"
    table, said = advised(report)
    if table.rows:
        yield from _table(table, said)
    else:
        yield f'<p class="key">{escape(said)}</p>'
    asked = list(questions(report))
    if asked:
        yield '<p class="key">Only you can say:</p><ul>'
        yield "".join(f"<li>{escape(question)}</li>" for question in asked) + "</ul>"


def _legend(*entries: tuple[str, str]) -> str:
    shown = (f'<span class="swatch {kind}"></span>{escape(what)}' for kind, what in entries)
    return f'<p class="key">{"".join(shown)}</p>'


def _table(table: Table, caption: str) -> Iterator[str]:
    yield f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>'
    yield "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    yield "</tr></thead><tbody>"
    for first, *rest in table.rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        yield f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _over_time(pool: PoolResult, report: Report) -> Iterator[str]:
    begins, until = report.stage.load.begins, report.stage.until
    yield f"<h3>{escape(pool.name)}</h3>"
    yield timeline(pool, begins, until)
    if pool.runs:
        missed = sum(not run.met for run in pool.runs)
        key = f"{plural(len(pool.runs), 'run')}, {missed} late; the height is the part of finishWithin that each took"
        yield _legend(("good", "run in time"), ("bad", f"run late; {key}"))
        yield runs(pool, begins, until)
