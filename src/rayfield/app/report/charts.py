"""Line and bar charts as SVG, in the colours of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from rayfield.app.report.markup import NOTHING, Markup, escaped, joined, tag

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 34
POINTS = 300  # of a curve, at most
COLORS = 6  # that the page has: --s0, --s1, ...


class Series(NamedTuple):
    """A curve with a name; `noisy` ones are drawn faint, with their running mean; `dots` marks the
    points."""

    name: str
    x: Float[np.ndarray, " N"]
    y: Float[np.ndarray, " N"]
    noisy: bool = False
    dots: bool = False


class _Scale(NamedTuple):
    """From values to places along an axis."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: Any) -> Any:
        low, high = self.low, self.high
        v = np.asarray(value, dtype=np.float64)
        if self.log:
            low, high, v = math.log10(low), math.log10(high), np.log10(v)
        return self.start + (v - low) / (high - low) * (self.end - self.start)


def lines(series: Sequence[Series], *, x: str, log: bool = False, label: str = "") -> Markup:
    """A chart of curves over the same quantity `x`; nothing where there are no points.

    On a logarithmic axis only what is above zero is shown.
    """
    shown = [_cleaned(one, log) for one in series]
    shown = [one for one in shown if len(one.x)]
    if not shown:
        return NOTHING
    across = np.concatenate([one.x for one in shown])
    up = np.concatenate([smooth(one.y) if one.noisy else one.y for one in shown])
    horizontal = _Scale(min(0.0, float(across.min())), _top(across), LEFT, WIDTH - RIGHT)
    vertical = _vertical(up, log)
    parts = [_grid(horizontal, vertical)]
    for index, one in enumerate(shown):
        parts.append(_curve(one, horizontal, vertical, index % COLORS))
    parts.append(tag("text", x, {"x": WIDTH - RIGHT, "y": HEIGHT - 2, "class": "axis end"}))
    names = [
        tag("span", joined((tag("i", "", {"class": f"key k{index % COLORS}"}), one.name)))
        for index, one in enumerate(shown)
    ]
    legend = tag("div", joined(names), {"class": "legend"})
    return joined((legend, _svg(joined(parts), label or ", ".join(one.name for one in shown))))


def bars(
    values: Sequence[float],
    names: Sequence[str],
    *,
    unit: str,
    marked: Sequence[int] = (),
    label: str = "",
) -> Markup:
    """A bar for every value, with its name where one points at it; some are marked."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return NOTHING
    array = np.array(finite)
    floor = max(0.0, float(array.min()) - 0.25 * max(float(np.ptp(array)), 2.0))
    vertical = _Scale(floor, float(array.max()) * 1.02 or 1.0, HEIGHT - BOTTOM, TOP)
    step = (WIDTH - LEFT - RIGHT) / len(values)
    parts = [_levels(vertical)]
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        top = float(vertical(min(value, float(array.max()))))
        place = {"x": f"{LEFT + index * step + 0.1 * step:.2f}", "y": f"{top:.1f}"}
        size = {"width": f"{0.8 * step:.2f}", "height": f"{HEIGHT - BOTTOM - top:.1f}"}
        kind = {"class": "bar mark" if index in marked else "bar"}
        parts.append(tag("rect", tag("title", f"{name}: {value:.2f} {unit}"), place | size | kind))
    return _svg(joined(parts), label)


def smooth(y: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The running mean over a twentieth of a curve."""
    width = max(1, len(y) // 40)
    padded = np.concatenate([np.full(width, y[0]), y, np.full(width, y[-1])])
    return np.convolve(padded, np.full(2 * width + 1, 1 / (2 * width + 1)), "valid")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between two, about so many."""
    raw = max(high - low, 1e-300) / count
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [float(round(k * step, 12)) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten between two numbers, with twice and five times them where they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, (last - first) // 6)
    factors = (1.0, 2.0, 5.0) if math.log10(high / low) < 2.5 else (1.0,)
    found = [m * 10.0**k for k in range(first, last + 1, step) for m in factors]
    return [value for value in found if low <= value <= high]


def number(value: float) -> str:
    """A tick as it is read."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _cleaned(one: Series, log: bool) -> Series:
    keep = np.isfinite(one.x) & np.isfinite(one.y) & ((one.y > 0) if log else True)
    return one._replace(x=one.x[keep], y=one.y[keep])


def _top(across: np.ndarray) -> float:
    return float(across.max()) if across.max() > min(0.0, across.min()) else float(across.max()) + 1


def _vertical(up: np.ndarray, log: bool) -> _Scale:
    low, high = float(up.min()), float(up.max())
    if log:
        low, high = low / 1.3, high * 1.3
    else:
        room = 0.06 * (high - low) or 0.5
        low, high = low - room, high + room
    return _Scale(low, high, HEIGHT - BOTTOM, TOP, log)


def _grid(horizontal: _Scale, vertical: _Scale) -> Markup:
    parts = [_levels(vertical)]
    for value in ticks(horizontal.low, horizontal.high):
        x = f"{float(horizontal(value)):.1f}"
        parts.append(tag("text", number(value), {"x": x, "y": HEIGHT - 18, "class": "tick mid"}))
    return joined(parts)


def _levels(vertical: _Scale) -> Markup:
    """Lines across, with their values at the left."""
    along = decades if vertical.log else ticks
    values = along(vertical.low, vertical.high)
    parts = []
    for value in values:
        y = float(vertical(value))
        ends = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": f"{y:.1f}", "y2": f"{y:.1f}"}
        parts.append(tag("line", "", ends | {"class": "grid"}))
        place = {"x": LEFT - 7, "y": f"{y + 3.5:.1f}", "class": "tick end"}
        parts.append(tag("text", number(value), place))
    return joined(parts)


def _curve(one: Series, horizontal: _Scale, vertical: _Scale, color: int) -> Markup:
    def path(y: np.ndarray, kind: str) -> Markup:
        chosen = np.unique(np.linspace(0, len(y) - 1, min(POINTS, len(y))).round().astype(int))
        inside = y[chosen].clip(vertical.low, vertical.high)
        places = zip(horizontal(one.x[chosen]), vertical(inside), strict=True)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        return tag("polyline", "", {"points": points, "class": f"line c{color} {kind}"})

    if one.noisy:
        return joined((path(one.y, "faint"), path(smooth(one.y), "")))
    marks = [NOTHING]
    if one.dots:
        marks = [
            tag(
                "circle",
                tag("title", f"{one.name}: {y:.4g} at {x:.4g}"),
                {"cx": f"{a:.1f}", "cy": f"{b:.1f}", "r": 3, "class": f"dot c{color}"},
            )
            for x, y, a, b in zip(one.x, one.y, horizontal(one.x), vertical(one.y), strict=True)
        ]
    return joined((path(one.y, ""), *marks))


def _svg(content: Markup, label: str) -> Markup:
    shape = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "chart", "role": "img"}
    return tag("svg", content, shape | {"aria-label": escaped(label)})
