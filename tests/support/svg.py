"""Lines, axes and states as SVG, for pages that draw a dashboard."""

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

Points = Sequence[tuple[float, float]]
"""Unix seconds and values."""

TICKS = 4
REGION = 40
"""Pixels from which on an annotation is a region, and not a mark."""

STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Line:
    """One series and how it is drawn."""

    name: str
    points: Points
    color: str
    right: bool = False
    dashed: bool = False
    filled: float = 0.0
    stacked: bool = False
    bars: bool = False
    unit: str = "short"

    def on(self, points: Points) -> "Line":
        """The same line through other points."""
        return replace(self, points=points)


@dataclass(frozen=True)
class Scale:
    """From seconds and values to pixels.

    Args:
        start, end: of the time.
        top: the largest value.
        box: left, top, width and height of what is drawn, in pixels.
        bottom: the smallest value.
    """

    start: float
    end: float
    top: float
    box: tuple[int, int, int, int]
    bottom: float = 0.0

    @classmethod
    def of(cls, lines: Sequence[Line], start: float, end: float, box: tuple[int, int, int, int]) -> "Scale":
        """One that all lines fit in."""
        values = [value for it in lines for _, value in it.points if math.isfinite(value)]
        high, low = max([*values, 0.0]), min([*values, 0.0])
        step = 10 ** math.floor(math.log10(high - low or 1))
        return cls(start, end, math.ceil(high / step * 1.02) * step or 1.0, box, math.floor(low / step) * step)

    def x(self, at: float) -> float:
        """Pixels from the left."""
        left, _, width, _ = self.box
        return left + width * (at - self.start) / (self.end - self.start)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        _, top, _, height = self.box
        return top + height * (1 - (value - self.bottom) / (self.top - self.bottom))


def path(line: Line, scale: Scale) -> str:
    """A line in steps, with what is below it; nothing where there is no value."""
    parts, before = [], None
    for at, value in line.points:
        if not math.isfinite(value):
            before = None
            continue
        x, y = scale.x(at), scale.y(value)
        parts.append(f"M{x:.1f} {y:.1f}" if before is None or at - before > 3 else f"H{x:.1f}V{y:.1f}")
        before = at
    drawn = "".join(parts)
    dashes = ' stroke-dasharray="8 6"' if line.dashed else ""
    stroke = (
        f'<path d="{drawn}" fill="none" stroke="{line.color}" stroke-width="{1.6 if not line.right else 2}"{dashes}/>'
    )
    if not line.filled or not line.points or drawn.count("M") > 1:
        return stroke
    floor, begin, end = scale.y(max(scale.bottom, 0.0)), scale.x(line.points[0][0]), scale.x(line.points[-1][0])
    area = f"{drawn}L{end:.1f} {floor:.1f}L{begin:.1f} {floor:.1f}Z"
    return f'<path d="{area}" fill="{line.color}" fill-opacity="{line.filled}"/>{stroke}'


def axis_left(scale: Scale, shown: Callable[[float], str]) -> str:
    """Lines across, each with its value on the left."""
    left, _, width, _ = scale.box
    parts = []
    for value in _ticks(scale):
        y = scale.y(value)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#2b2e36"/>')
        parts.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{html.escape(shown(value))}</text>')
    return "".join(parts)


def axis_right(scale: Scale, shown: Callable[[float], str]) -> str:
    """Values on the right."""
    left, _, width, _ = scale.box
    texts = (
        f'<text x="{left + width + 5}" y="{scale.y(it) + 4:.1f}">{html.escape(shown(it))}</text>'
        for it in _ticks(scale)
    )
    return "".join(texts)


def _ticks(scale: Scale) -> list[float]:
    return [scale.bottom + (scale.top - scale.bottom) * it / TICKS for it in range(TICKS + 1)]


def time_axis(scale: Scale) -> str:
    """Times of day along the bottom, UTC."""
    step = next((it for it in STEPS if (scale.end - scale.start) / it <= 8), STEPS[-1])
    _, top, _, height = scale.box
    at, parts = math.ceil(scale.start / step) * step, []
    while at <= scale.end:
        text = datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")
        parts.append(f'<text x="{scale.x(at):.1f}" y="{top + height + 16}" text-anchor="middle">{text}</text>')
        at += step
    return "".join(parts)


def marks(scale: Scale, annotations: Sequence[tuple[str, str, Sequence[tuple[float, float]]]]) -> str:
    """Annotations: a region where one lasts, else a line, each with its name."""
    _, top, _, height = scale.box
    parts, used = [], 0
    for color, name, spans in annotations:
        for begin, end in spans:
            x, width = scale.x(begin), max(scale.x(end) - scale.x(begin), 1.5)
            opacity = 0.15 if width > REGION else 0.4
            shape = f'x="{x:.1f}" y="{top}" width="{width:.1f}" height="{height}"'
            parts.append(f'<rect {shape} fill="{color}" fill-opacity="{opacity}"/>')
            at = f'x="{x + 3:.1f}" y="{top + 11 + 12 * (used % 4)}"'
            parts.append(f'<text {at} style="fill:{color}">{html.escape(name)}</text>')
            used += 1
    return "".join(parts)


def state_rows(
    rows: Sequence[tuple[str, Sequence[tuple[float, str, str]]]],
    start: float,
    end: float,
    step: float,
    size: tuple[int, int],
) -> str:
    """A row of coloured pieces for each series: moments, each with the name of its state and its colour."""
    width, height = size
    left = min(max(7 * max(len(name) for name, _ in rows), 60), 260)
    scale = Scale(start, end, 1, (left + 8, 0, width - left - 20, height - 24))
    each = min((height - 24) / len(rows), 30)
    parts = [time_axis(Scale(start, end, 1, (left + 8, 0, width - left - 20, int(each * len(rows)))))]
    for number, (name, moments) in enumerate(rows):
        y = number * each
        parts.append(f'<text x="{left}" y="{y + each / 2 + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
        for begin, until, text, color in _pieces(moments, step):
            x, wide = scale.x(begin), max(scale.x(until) - scale.x(begin), 1)
            shape = f'x="{x:.1f}" y="{y + 2:.1f}" width="{wide:.1f}" height="{each - 4:.1f}"'
            parts.append(f'<rect {shape} fill="{color}" fill-opacity="0.75"/>')
            if wide > 8 * len(text):
                at = f'x="{x + wide / 2:.1f}" y="{y + each / 2 + 4:.1f}"'
                parts.append(f'<text {at} text-anchor="middle" style="fill:#111">{html.escape(text)}</text>')
    return f'<svg width="{width}" height="{height}">{"".join(parts)}</svg>'


def _pieces(moments: Sequence[tuple[float, str, str]], step: float) -> list[tuple[float, float, str, str]]:
    found: list[tuple[float, float, str, str]] = []
    for at, text, color in moments:
        if found and found[-1][2:] == (text, color) and at - found[-1][1] <= step:
            found[-1] = (found[-1][0], at + step, text, color)
        else:
            found.append((at, at + step, text, color))
    return found
