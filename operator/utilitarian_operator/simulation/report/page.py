"""The simulation as one self-contained HTML page with SVG plots."""

from collections.abc import Iterator, Sequence
from html import escape

from utilitarian_operator.core.explain.recommendations import Recommendation
from utilitarian_operator.simulation.report.measure import BINS, PoolResult
from utilitarian_operator.simulation.report.report import NO_ADVICE, Report, Table, policies, pools, queues, remarks

WIDTH, HEIGHT, GUTTER = 960, 120, 60
STYLE = """
:root{--ink:#1b2530;--soft:#5d6b7a;--line:#d6dde4;--paper:#fff;--work:#9fc5e8;--workers:#1f5f99;--good:#2f8f5b;
--bad:#c0392b;--other:#8894a0}
@media (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#9aa7b4;--line:#36424e;--paper:#141a20;--work:#2d5274;
--workers:#7db8ee;--good:#58c08a;--bad:#e57368;--other:#6b7884}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1240px;margin:2em auto;
padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}h3{font-size:1em;margin:1.4em 0 .3em}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:.25em .7em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600}
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font:11px system-ui,sans-serif}
.work{fill:var(--work)}.workers{fill:none;stroke:var(--workers);stroke-width:1.3}.axis{stroke:var(--line)}
.good{fill:var(--good)}.bad{fill:var(--bad)}.ours{fill:var(--workers)}.other{fill:var(--other)}
p.key{color:var(--soft);font-size:13px;margin:.2em 0}
"""


def as_page(report: Report) -> str:
    """The whole page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = escape(report.title)
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
    yield from _table(policies(report))
    unit = "cost" if report.price is not None else "worker-hours"
    yield f"<h2>What it costs: {unit}</h2>"
    yield _costs(report)
    yield "<ul>" + "".join(f"<li>{escape(remark)}</li>" for remark in remarks(report)) + "</ul>"
    yield f"<h2>Pools under {escape(report.first.policy)}</h2>"
    yield from _table(pools(report))
    if queues(report).rows:
        yield "<h2>Queues that share a pool</h2>"
        yield from _table(queues(report))
    yield "<h2>Over time</h2>"
    yield '<p class="key">Area: tasks to do, at its highest in each part of the time. Line: workers.</p>'
    for pool in report.first.pools.values():
        yield from _over_time(pool, report.stage.until)
    yield from _recommended(report.advice)
    yield "</body></html>"


def _table(table: Table) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    yield "</tr></thead><tbody>"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table></div>"


def _costs(report: Report) -> str:
    price = 1.0 if report.price is None else report.price
    top = max((result.hours for result in report.results), default=0) or 1
    row = 26
    parts = []
    for index, result in enumerate(report.results):
        y, width = index * row, result.hours / top * (WIDTH - 260)
        kind = "ours" if index == 0 else "other"
        parts.append(
            f'<text x="150" y="{y + 16}" text-anchor="end">{escape(result.policy)}</text>'
            f'<rect class="{kind}" x="160" y="{y + 4}" width="{width:.1f}" height="{row - 8}"/>'
            f'<text x="{166 + width:.1f}" y="{y + 16}">{result.hours * price:,.1f}</text>'
        )
    return _svg(len(report.results) * row, "".join(parts), "Cost of each policy")


def _over_time(pool: PoolResult, until: float) -> Iterator[str]:
    yield f"<h3>{escape(pool.name)}</h3>"
    yield _timeline(pool, until)
    if pool.runs:
        missed = sum(not run.met for run in pool.runs)
        key = f"{len(pool.runs)} runs, {missed} late; each bar: the part of finishWithin that it took"
        yield f'<p class="key">{key}</p>'
        yield _runs(pool)


def _timeline(pool: PoolResult, until: float) -> str:
    work, workers = pool.backlog, pool.workers
    span, most, many = WIDTH - 2 * GUTTER, max(work, default=0) or 1, max(workers, default=0) or 1

    def at(index: int, value: float) -> str:
        return f"{GUTTER + index / BINS * span:.1f},{HEIGHT - value * (HEIGHT - 14):.1f}"

    area = " ".join(at(index, value / most) for index, value in enumerate(work))
    steps = " ".join(f"{at(index, value / many)} {at(index + 1, value / many)}" for index, value in enumerate(workers))
    return _svg(
        HEIGHT + 18,
        f'<polygon class="work" points="{at(0, 0)} {area} {at(BINS, 0)}"/>'
        f'<polyline class="workers" points="{steps}"/>'
        f'<line class="axis" x1="{GUTTER}" x2="{WIDTH - GUTTER}" y1="{HEIGHT}" y2="{HEIGHT}"/>'
        f'<text x="{GUTTER - 6}" y="14" text-anchor="end">{most:,}</text>'
        f'<text x="{WIDTH - GUTTER + 6}" y="14">{many} w.</text>'
        f'<text x="{GUTTER}" y="{HEIGHT + 14}">day 1</text>'
        f'<text x="{WIDTH - GUTTER}" y="{HEIGHT + 14}" text-anchor="end">day {until / 86400:g}</text>',
        f"Backlog and workers of {pool.name}",
    )


def _runs(pool: PoolResult) -> str:
    height, span = 60, WIDTH - 2 * GUTTER
    width = min(span / len(pool.runs), 40.0)
    bars = []
    for index, run in enumerate(pool.runs):
        used = 1.15 if run.ended is None else min((run.ended - run.start) / (run.deadline - run.start), 1.15)
        tall = used * (height - 12)
        kind = "good" if run.met else "bad"
        bars.append(
            f'<rect class="{kind}" x="{GUTTER + index * width:.2f}" y="{height - tall:.1f}" '
            f'width="{max(width - (1 if width > 3 else 0), 0.5):.2f}" height="{tall:.1f}"/>'  # noqa: PLR2004 - room for a gap
        )
    deadline = f'<line class="axis" x1="{GUTTER}" x2="{WIDTH - GUTTER}" y1="12" y2="12"/>'
    label = f'<text x="{GUTTER - 6}" y="16" text-anchor="end">deadline</text>'
    return _svg(height + 2, "".join(bars) + deadline + label, f"Runs of {pool.name} against their deadlines")


def _svg(height: float, body: str, title: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{escape(title)}</title>{body}</svg>'


def _recommended(found: Sequence[Recommendation]) -> Iterator[str]:
    yield "<h2>What to change</h2>"
    if not found:
        yield f'<p class="key">{escape(NO_ADVICE)}</p>'
        return
    yield "<ul>"
    for one in found:
        yield f"<li><code>{escape(one.path)}: {escape(one.to)}</code> (is {escape(one.was)}): "
        yield f"{escape(one.because)}; {escape(one.effect)}</li>"
    yield "</ul>"
