"""The plots of the page: what each policy costs, and a pool's work, workers and runs over the same time, as SVG."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape

from utilitarian_operator.core.wording import number
from utilitarian_operator.simulation.report.measure import BINS, PolicyResult, PoolResult

WIDTH, HEIGHT, GUTTER, AXIS = 640, 120, 52, 20
LABELS, ROW = 190, 26
MOST_TICKS = 8
MOST_USED = 1.15
"""Times finishWithin at which the bar of a run ends: a run that never ended has no height of its own."""

RUNS = 64
_STEPS = tuple(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12, 24, 48, 72, 120, 168, 240, 720, 2160))


def costs(results: Sequence[PolicyResult]) -> str:
    """A bar for each policy: its worker-hours of work, of start-up and of waiting for tasks."""
    top = max((result.hours for result in results), default=0) or 1
    rows = []
    for index, result in enumerate(results):
        y, x = index * ROW, float(LABELS)
        rows.append(f'<text x="{LABELS - 8}" y="{y + 17}" text-anchor="end">{escape(_short(result.policy))}</text>')
        for kind, hours in (("busy", result.working), ("starting", result.starting), ("waiting", result.idle)):
            width = max(hours, 0.0) / top * (WIDTH - LABELS - 70)
            rows.append(f'<rect class="{kind}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{ROW - 8}"/>')
            x += width
        rows.append(f'<text x="{x + 6:.1f}" y="{y + 17}">{number(round(result.hours, 1))} h</text>')
    return _svg(len(results) * ROW, "".join(rows), "Worker-hours of each policy")


def timeline(pool: PoolResult, begins: datetime, until: float) -> str:
    """Tasks to do as an area, workers as a line, over the dates of the load."""
    work, workers = pool.backlog, pool.workers
    most, many = max(work, default=0) or 1, max(workers, default=0) or 1

    def at(index: int, value: float) -> str:
        return f"{_x(index / BINS):.1f},{HEIGHT - value * (HEIGHT - 14):.1f}"

    area = " ".join(at(index, value / most) for index, value in enumerate(work))
    steps = " ".join(f"{at(index, value / many)} {at(index + 1, value / many)}" for index, value in enumerate(workers))
    body = (
        f'<polygon class="work" points="{at(0, 0)} {area} {at(BINS, 0)}"/>'
        f'<polyline class="workers" points="{steps}"/>'
        f'<text class="left" x="{GUTTER - 6}" y="18" text-anchor="end">{most:,}</text>'
        f'<text class="left" x="{GUTTER - 6}" y="{HEIGHT}" text-anchor="end">0</text>'
        f'<text class="right" x="{WIDTH - GUTTER + 6}" y="18">{many}</text>'
        f'<text class="right" x="{WIDTH - GUTTER + 6}" y="{HEIGHT}">0</text>'
    )
    return _svg(HEIGHT + AXIS, body + _axis(begins, until, HEIGHT), f"Tasks and workers of {pool.name}")


def runs(pool: PoolResult, begins: datetime, until: float) -> str:
    """Each run from its start to its end on the same axis, as high as the part of finishWithin that it took."""
    bars = []
    for run in pool.runs:
        ended = run.deadline if run.ended is None else run.ended
        used = MOST_USED if run.ended is None else min((run.ended - run.start) / (run.deadline - run.start), MOST_USED)
        x, tall = _x(run.start / until), used * (RUNS - 12)
        wide = max(_x(min(ended / until, 1.0)) - x, 0.6)
        kind = "good" if run.met else "bad"
        bars.append(f'<rect class="{kind}" x="{x:.2f}" y="{RUNS - tall:.1f}" width="{wide:.2f}" height="{tall:.1f}"/>')
    deadline = f'<line class="axis" x1="{GUTTER}" x2="{WIDTH - GUTTER}" y1="12" y2="12"/>'
    label = f'<text x="{GUTTER - 6}" y="16" text-anchor="end">100%</text>'
    body = "".join(bars) + deadline + label + _axis(begins, until, RUNS)
    return _svg(RUNS + AXIS, body, f"Runs of {pool.name} against their deadlines")


def ticks(begins: datetime, until: float) -> Iterator[tuple[float, str]]:
    """Moments worth a mark, in seconds since the load's start, with their date, and their hour where it matters."""
    step = next((step for step in _STEPS if until / step.total_seconds() <= MOST_TICKS), _STEPS[-1])
    for number_of in range(int(until // step.total_seconds()) + 1):
        moment = begins + number_of * step
        yield number_of * step.total_seconds(), f"{moment:%b %d}" if step.days else f"{moment:%b %d %H:%M}"


def _axis(begins: datetime, until: float, height: float) -> str:
    line = f'<line class="axis" x1="{GUTTER}" x2="{WIDTH - GUTTER}" y1="{height}" y2="{height}"/>'
    marks = []
    for seconds, label in ticks(begins, until):
        x = _x(seconds / until)
        anchor = "end" if seconds / until > 1 - 1 / (2 * MOST_TICKS) else "middle" if seconds else "start"
        marks.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{height}" y2="{height + 4}"/>')
        marks.append(f'<text x="{x:.1f}" y="{height + 16}" text-anchor="{anchor}">{label}</text>')
    return line + "".join(marks)


def _x(share: float) -> float:
    return GUTTER + share * (WIDTH - 2 * GUTTER)


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"…{name[-27:]}"  # noqa: PLR2004 - what fits beside the bars


def _svg(height: float, body: str, title: str) -> str:
    return (
        f'<div class="scroll"><svg viewBox="0 0 {WIDTH} {height}" role="img"><title>{escape(title)}</title>{body}'
        "</svg></div>"
    )
