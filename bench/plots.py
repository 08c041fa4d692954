"""Bars of the report as SVG, in colours that can be read on white and on black."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, LEFT, RIGHT, TOP, ROW, LEGEND = 760, 250, 170, 34, 24, 26
COLOURS = ("#2f6fb2", "#9cc3ea", "#c23b3b")
SMALLEST = 1e-3
"""The least length of a bar, as a part of the whole width: what is not zero is seen."""


@dataclass(frozen=True)
class Bar:
    """One row.

    Args:
        label: to its left.
        values: of its parts, in the order of the chart's parts.
        text: to its right.
    """

    label: str
    values: Sequence[float]
    text: str


@dataclass(frozen=True)
class Chart:
    """Bars under one another.

    Args:
        title: above them.
        parts: what the colours mean.
        bars: the first is the topmost.
        nested: each part begins at zero, the longest behind; else they follow one another.
        logarithmic_from: the value at the left end of a logarithmic axis; None is a linear one from zero.
    """

    title: str
    parts: Sequence[str]
    bars: Sequence[Bar]
    nested: bool = False
    logarithmic_from: float | None = None


def svg(chart: Chart) -> str:
    """A chart as a file."""
    height = TOP + len(chart.bars) * ROW + LEGEND
    rows = [_row(chart, bar, TOP + index * ROW) for index, bar in enumerate(chart.bars)]
    named = [_named(part, index, height - 10) for index, part in enumerate(chart.parts)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui,sans-serif" font-size="12" role="img">\n<title>{escape(chart.title)}</title>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
    )
    title = f'<text x="10" y="21" font-weight="bold">{escape(chart.title)}</text>\n'
    return "".join((head, title, *rows, *named, "</svg>\n"))


def _row(chart: Chart, bar: Bar, y: int) -> str:
    lengths = [_length(value, chart) for value in bar.values]
    drawn, x = [], float(LEFT)
    for index, length in sorted(enumerate(lengths), key=lambda it: -it[1] if chart.nested else it[0]):
        if length:
            drawn.append(
                f'<rect x="{x:.1f}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" fill="{COLOURS[index]}"/>\n'
            )
        x += 0 if chart.nested else length
    end = LEFT + (max(lengths, default=0.0) if chart.nested else sum(lengths))
    label = f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(bar.label)}</text>\n'
    return "".join((label, *drawn, f'<text x="{end + 6:.1f}" y="{y + 16}">{escape(bar.text)}</text>\n'))


def _length(value: float, chart: Chart) -> float:
    room = WIDTH - LEFT - RIGHT
    most = max((_whole(bar, nested=chart.nested) for bar in chart.bars), default=0.0)
    if value <= 0 or most <= 0:
        return 0.0
    if chart.logarithmic_from is None:
        return max(value / most, SMALLEST) * room
    least = chart.logarithmic_from
    return max(log10(value / least) / log10(most / least), SMALLEST) * room


def _whole(bar: Bar, *, nested: bool) -> float:
    return max(bar.values, default=0.0) if nested else sum(bar.values)


def _named(part: str, index: int, y: int) -> str:
    x = LEFT + index * 150
    return (
        f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[index]}"/>\n'
        f'<text x="{x + 15}" y="{y}">{escape(part)}</text>\n'
    )
