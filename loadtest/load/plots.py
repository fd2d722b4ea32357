"""Plots as SVG text: lines over an axis, and bars; pure, no scripts, colours from the page's CSS.

A mark's value can be read by pointing at it: browsers show an SVG `title` as a tooltip.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 720
_HEIGHT: Final = 260
_LEFT: Final = 56  # room for the numbers of the vertical axis
_RIGHT: Final = 84  # room for the lines' names at their ends
_TOP: Final = 14
_BOTTOM: Final = 40
_LABEL_GAP: Final = 15  # two names closer than that would lie on each other
_BAR: Final = 22
_BAR_GAP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line; a point whose value is None is a hole in it."""

    name: str
    colour: str  # a CSS class: c1 to c4
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    label: str
    show: Callable[[float], str] = lambda value: f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A horizontal line that the others should stay under."""

    name: str
    value: float


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover [low, high], about `count` of them."""
    span = max(high - low, 1e-9)
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= rough * 0.999)
    first = math.floor(low / step)
    last = math.ceil(high / step - 1e-9)
    return [round(step * k, 10) for k in range(first, last + 1)]


class _Frame:
    """From values to places in the picture."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self.x_ticks = nice_ticks(min(xs), max(xs), 8)
        self.y_ticks = nice_ticks(0.0, max(max(ys), 1e-6))
        self._x0, self._x1 = min(xs), max(max(xs), min(xs) + 1e-9)

    def x(self, value: float) -> float:
        return _LEFT + (value - self._x0) / (self._x1 - self._x0) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = value / self.y_ticks[-1]
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def inside(self, x: float) -> bool:
        return self._x0 <= x <= self._x1


def line_plot(
    lines: Sequence[Line], x: Axis, y: Axis, *, limit: Limit | None = None, dots: bool = False
) -> str:
    """An SVG element; a sentence instead when there is nothing to plot.

    Args:
        lines: drawn in their order.
        x: below.
        y: from 0 up.
        limit: a dashed line.
        dots: mark every point, for curves of few.
    """
    known = [(px, py) for line in lines for px, py in line.points if py is not None]
    if len(known) < 2:
        return '<p class="none">Not enough was measured to draw this.</p>'
    ys = [py for _, py in known] + ([limit.value] if limit else [])
    frame = _Frame([px for line in lines for px, _ in line.points], ys)
    drawn = [_axes(frame, x, y)]
    if limit is not None:
        drawn.append(_limit(frame, limit))
    drawn += [_line(frame, line, x, y, dots=dots) for line in lines]
    drawn.append(_names(frame, lines))
    return _svg(_HEIGHT, "".join(drawn), f"{y.label} over {x.label}")


def _svg(height: float, content: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{content}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'
    )


def _axes(frame: _Frame, x: Axis, y: Axis) -> str:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts: list[str] = []
    for tick in frame.y_ticks:
        at = frame.y(tick)
        css = "axis" if tick == 0 else "grid"
        parts.append(f'<line class="{css}" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(_text(_LEFT - 8, at + 4, y.show(tick), "end"))
    parts += [
        _text(frame.x(tick), bottom + 16, x.show(tick), "middle")
        for tick in frame.x_ticks
        if frame.inside(tick)
    ]
    parts.append(_text((_LEFT + right) / 2, _HEIGHT - 4, x.label, "middle", "label"))
    return "".join(parts)


def _limit(frame: _Frame, limit: Limit) -> str:
    at, right = frame.y(limit.value), _WIDTH - _RIGHT
    return f'<line class="limit" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>' + _text(
        _LEFT + 4, at - 5, limit.name, css="limit-name"
    )


def _line(frame: _Frame, line: Line, x: Axis, y: Axis, *, dots: bool) -> str:
    path: list[str] = []
    pen = "M"
    for px, py in line.points:
        if py is None:
            pen = "M"
            continue
        path.append(f"{pen}{frame.x(px):.1f} {frame.y(py):.1f}")
        pen = "L"
    parts = [f'<path class="line {line.colour}" d="{"".join(path)}"/>']
    for px, py in line.points:
        if py is None:
            continue
        tip = escape(f"{line.name}: {y.show(py)} at {x.label} {x.show(px)}")
        css, radius = (f"dot {line.colour}", 4) if dots else ("hit", 6)
        parts.append(
            f'<circle class="{css}" cx="{frame.x(px):.1f}" cy="{frame.y(py):.1f}" r="{radius}">'
            f"<title>{tip}</title></circle>"
        )
    return "".join(parts)


def _names(frame: _Frame, lines: Sequence[Line]) -> str:
    """Each line's name at its end, moved apart where they would lie on each other."""
    ends: list[tuple[float, Line]] = []
    for line in lines:
        known = [py for _, py in line.points if py is not None]
        if known:
            ends.append((frame.y(known[-1]), line))
    parts: list[str] = []
    lowest = -math.inf
    for wanted, line in sorted(ends, key=lambda end: end[0]):
        at = max(wanted, lowest + _LABEL_GAP)
        lowest = at
        parts.append(
            f'<circle class="dot {line.colour}" cx="{_WIDTH - _RIGHT + 10}" cy="{at:.1f}" r="4"/>'
            + _text(_WIDTH - _RIGHT + 19, at + 4, line.name)
        )
    return "".join(parts)


def bar_plot(bars: Sequence[tuple[str, float]], show: Callable[[float], str]) -> str:
    """Horizontal bars in the order given, each with its value; a sentence when there are none."""
    if not bars:
        return '<p class="none">The server exported nothing about this.</p>'
    left, right = 190, 80
    most = max(max(value for _, value in bars), 1e-9)
    parts: list[str] = []
    for index, (name, value) in enumerate(bars):
        top = index * (_BAR + _BAR_GAP)
        width = max(1.0, value / most * (_WIDTH - left - right))
        middle = top + _BAR / 2 + 4
        parts.append(_text(left - 10, middle, name, "end"))
        parts.append(
            f'<rect class="bar" x="{left}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3">'
            f"<title>{escape(name)}: {escape(show(value))}</title></rect>"
        )
        parts.append(_text(left + width + 8, middle, show(value)))
    return _svg(len(bars) * (_BAR + _BAR_GAP), "".join(parts), "bars")
