"""The graph of a locked target as an SVG picture."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from resolver.errors import printable, shorten
from resolver.lock import LockTarget, Pin

from .layered import lay_out

__all__ = ["draw"]

#: Pixels: of a node, between layers, between nodes, around everything, and of one character.
_HEIGHT, _GAP, _SPACE, _MARGIN, _CHARACTER = 40, 72, 14, 16, 7.3
_SMALL_CHARACTER = 6.2
#: Fill and outline by provider, for where no stylesheet says more.
_COLOURS = {"wheel": ("#e3f4ef", "#0b7a63"), "sdist": ("#fdf0dc", "#a05a00"), "nixpkgs": ("#e8edfd", "#3b55c4")}
_OTHER = ("#f1f0ee", "#6b6862")
_MOST_LABEL = 44
#: An edge's title names what it requires; the table and the JSON have all of it.
_MOST_TITLE = 200


def draw(target: LockTarget) -> str:
    """Return the graph of *target* as an SVG document (SVG 2): nodes are pins, arrows lead to what they require.

    It holds no style element and no script, so that a strict CSP lets it through inside a
    page, whose stylesheet may say more by class: ``node PROVIDER root`` and ``edge``.
    """
    pins = {pin.name: pin for pin in target.pins}
    edges = [(pin.name, name) for pin in target.pins for name in sorted(pin.dependencies) if name in pins]
    # what the user asked for begins, so that cycles open where a reader enters them
    nodes = sorted(pins, key=lambda name: (name not in target.roots, name))
    found = lay_out(nodes, edges)
    labels = {name: shorten(printable(f"{name} {pin.version}"), _MOST_LABEL) for name, pin in pins.items()}
    widths = [0.0] * (max(found.layers.values(), default=-1) + 1)
    for name, layer in found.layers.items():
        kind = _kind(pins[name], name in target.roots)
        widths[layer] = max(widths[layer], len(labels[name]) * _CHARACTER + 24, len(kind) * _SMALL_CHARACTER + 24)
    lefts, at = [], float(_MARGIN)
    for width in widths:
        lefts.append(at)
        at += width + _GAP
    pitch = _HEIGHT + _SPACE
    whole_width = max(at - _GAP, 0.0) + _MARGIN
    tallest = max((height + 0.5 for height in found.heights.values()), default=1.0)
    passing = max((height + 0.2 for way in found.ways.values() for _, height in way), default=0.0)
    whole_height = max(tallest, passing) * pitch + 2 * _MARGIN

    def middle(height: float) -> float:
        return _MARGIN + height * pitch

    lines = []
    for (a, b), way in found.ways.items():
        if a == b:
            continue
        first, last = found.layers[a], found.layers[b]
        points = [(lefts[first] + widths[first], middle(found.heights[a]))]
        if first >= last:  # it was turned round: it leaves on the left and arrives on the right
            points = [(lefts[first], middle(found.heights[a]))]
        for layer, height in way:
            ends = [(lefts[layer], middle(height)), (lefts[layer] + widths[layer], middle(height))]
            points += reversed(ends) if first >= last else ends
        points.append((lefts[last] + (widths[last] if first >= last else 0), middle(found.heights[b])))
        lines.append(_edge(pins[a], b, points))
    for name, pin in pins.items():
        left, centre = lefts[found.layers[name]], middle(found.heights[name])
        lines.append(_node(pin, labels[name], name in target.roots, left, centre, widths[found.layers[name]]))
    title = printable(f"{len(pins)} pins and {len(edges)} requirements between them, {target.system}, {target.python}")
    width, height = round(whole_width), round(whole_height)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" aria-label={_quoted(title)} '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="12">'
    )
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="arrow" d="M0 0.5 8 4 0 7.5z" fill="#8a867d"/></marker></defs>'
    )
    paper = f'<rect class="paper" width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, arrow, paper, *lines, "</svg>"]) + "\n"


def _edge(pin: Pin, name: str, points: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = points
    path = [f"M{x:.0f} {y:.0f}"]
    for to_x, to_y in rest:
        half = (x + to_x) / 2
        path.append(f"C{half:.0f} {y:.0f} {half:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}")
        x, y = to_x, to_y
    title = escape(shorten(printable(f"{pin.name} requires {', '.join(pin.dependencies[name])}"), _MOST_TITLE))
    return (
        f'<path class="edge" data-from={_quoted(pin.name)} data-to={_quoted(name)} d="{" ".join(path)}" '
        f'fill="none" stroke="#b9b5ab" stroke-width="1.2" marker-end="url(#arrow)"><title>{title}</title></path>'
    )


def _node(pin: Pin, label: str, root: bool, left: float, centre: float, width: float) -> str:
    fill, outline = _COLOURS.get(pin.provider, _OTHER)
    top, weight = centre - _HEIGHT / 2, ' font-weight="700"' if root else ""
    kind = f"node {pin.provider}{' root' if root else ''}"
    return (
        f"<g class={_quoted(kind)} data-name={_quoted(pin.name)}>"
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{_HEIGHT}" rx="7" fill="{fill}" '
        f'stroke="{outline}" stroke-width="{2 if root else 1}"/>'
        f'<text x="{left + 12:.0f}" y="{centre - 3:.0f}" fill="#1c1b19"{weight}>{escape(label)}</text>'
        f'<text class="kind" x="{left + 12:.0f}" y="{centre + 12:.0f}" fill="{outline}" font-size="10">'
        f"{escape(_kind(pin, root))}</text></g>"
    )


def _quoted(text: str) -> str:
    return quoteattr(printable(text))


def _kind(pin: Pin, root: bool) -> str:
    return printable(f"{pin.provider}, you ask for it" if root else pin.provider)
