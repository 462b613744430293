"""A plot with logarithmic axes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Line", "draw"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 480, 70, 190, 40, 50
_COLOURS = ("#1b6ca8", "#1b6ca8", "#c4501b", "#c4501b", "#3f8f3f", "#7a4fa3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve."""

    name: str
    points: Sequence[tuple[float, float]]
    """Above 0."""
    dashed: bool = False


def draw(title: str, across: str, lines: Sequence[Line]) -> str:
    """Return the curves as an SVG document; both axes are logarithmic.

    :param across: what the horizontal axis counts.
    """
    xs = sorted({x for line in lines for x, _ in line.points})
    ys = [y for line in lines for _, y in line.points]
    bottom, top = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))

    def x_of(value: float) -> float:
        part = math.log(value / xs[0]) / math.log(xs[-1] / xs[0])
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - math.log(value / bottom) / math.log(top / bottom) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="16">{escape(title)}</text>',
    ]
    for x in xs:
        parts += [_rule(x_of(x), _TOP, x_of(x), _HEIGHT - _BOTTOM), _text(x_of(x), _HEIGHT - 30, f"{x:g}", "middle")]
    for y in _decades(bottom, top):
        parts += [_rule(_LEFT, y_of(y), _WIDTH - _RIGHT, y_of(y)), _text(_LEFT - 8, y_of(y) + 4, f"{y:g}", "end")]
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, across, "middle"))
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        stroke = f'fill="none" stroke="{colour}" stroke-width="2"{dash}'
        parts.append(f'<polyline points="{_pairs((x_of(x), y_of(y)) for x, y in line.points)}" {stroke}/>')
        at = _TOP + 20 + number * 22
        start = _WIDTH - _RIGHT + 15
        parts += [f'<polyline points="{_pairs([(start, at), (start + 28, at)])}" {stroke}/>']
        parts += [_text(start + 36, at + 4, line.name, "start")]
    return "\n".join([*parts, "</svg>", ""])


def _decades(bottom: float, top: float) -> list[float]:
    return [bottom * 10**n for n in range(round(math.log10(top / bottom)) + 1)]


def _pairs(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
