"""Charts as inline SVG: no script, a few kilobytes each, coloured by the page's style sheet (monitoring/page.py)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 360.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 8.0, 20.0
TICKS = 4
DAY = 86_400.0

Format = Callable[[float], str]
Place = Callable[[float], float]


class Line(NamedTuple):
    """A course in time. NaN is a gap. `style` is a class of the style sheet: s0 to s7, soft, guide."""

    name: str
    values: Sequence[float]
    style: str


class Steps(NamedTuple):
    """Steps of time: n starts in Unix seconds, and the width of each in seconds."""

    starts: Sequence[float]
    width: float


def number_text(value: float) -> str:
    """A number in a few characters."""
    if not math.isfinite(value):
        return "-"
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e16:
            return f"{value / (1e3 if unit == 'k' else size):.4g} {unit}"
    return f"{value:.4g}"


def percent_text(share: float) -> str:
    """A share as per cent."""
    return "-" if not math.isfinite(share) else f"{100 * share:.3g} %"


def time_text(seconds: float, with_time: bool = True) -> str:
    """A Unix time in UTC, to the minute or the day."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M" if with_time else "%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "?"


def line_chart(
    label: str, steps: Steps, lines: Sequence[Line], text: Format, band: tuple[Sequence[float], Sequence[float]] | None
) -> str:
    """Lines over time, and a band between two courses behind them."""
    courses = [line.values for line in lines] + list(band or ())
    present = [value for course in courses for value in course if math.isfinite(value)]
    if not present:
        return ""
    ticks = _ticks(min(present), max(present))
    across, up = _across(steps), _scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    places = [across(start + steps.width / 2) for start in steps.starts]
    drawn = [_area(places, band, up)] if band is not None else []
    drawn += [_path(places, line, up) for line in lines]
    drawn += [_dots(places, steps, line, up, text) for line in lines if len(places) <= 120 and line.style != "guide"]
    return _svg(label, _grid(ticks, up, text) + _dates(steps, across) + "".join(drawn))


def stacked_chart(label: str, steps: Steps, parts: Sequence[Line], text: Format) -> str:
    """Bars over time, each of parts on top of each other."""
    totals = [sum(part.values[step] for part in parts) for step in range(len(steps.starts))]
    if not totals:
        return ""
    ticks = _ticks(0.0, max(totals))
    across, up = _across(steps), _scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    drawn = []
    for step, start in enumerate(steps.starts):
        left, right, base = across(start), across(start + steps.width), 0.0
        for part in parts:
            value = part.values[step]
            if value > 0:
                top, height = up(base + value), up(base) - up(base + value)
                said = f"{time_text(start)}: {part.name} {text(value)}"
                place = f'x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 0.6, 0.6):.1f}" height="{height:.1f}"'
                drawn.append(f'<rect class="{part.style}" {place}><title>{escape(said)}</title></rect>')
            base += value
    return _svg(label, _grid(ticks, up, text) + _dates(steps, across) + "".join(drawn))


def scatter_chart(label: str, points: Sequence[tuple[float, float]], text: Format, is_log: bool) -> str:
    """Points with the same scale on both axes, and the diagonal where both are equal; logarithmic if asked."""
    if not points:
        return ""
    values = [value for point in points for value in point if value > 0 or not is_log]
    low, high = min(values), max(values)
    if is_log:
        ticks = _log_ticks(low, high)
        transform: Format | Place = math.log
    else:
        ticks, transform = _ticks(low, high), float
    low, high = (min(low, ticks[0]), max(high, ticks[-1])) if not is_log else (low / 1.05, high * 1.05)
    start, end = float(transform(low)), float(transform(high))
    across, up = _scale(start, end, LEFT, WIDTH - RIGHT), _scale(start, end, HEIGHT - BOTTOM, TOP)
    lines = _grid(ticks, lambda tick: up(float(transform(tick))), text)
    names = "".join(_tick_text(across(float(transform(tick))), text(tick)) for tick in ticks[:: 1 + len(ticks) // 5])
    diagonal = f'<path class="guide" d="M{across(start):.1f} {up(start):.1f}L{across(end):.1f} {up(end):.1f}"/>'
    dots = "".join(
        f'<circle class="dot" cx="{across(float(transform(x))):.1f}" cy="{up(float(transform(y))):.1f}" r="1.7"/>'
        for x, y in points
        if not is_log or (x > 0 and y > 0)
    )
    return _svg(label, lines + names + diagonal + dots)


def _svg(label: str, inside: str) -> str:
    box = f"0 0 {WIDTH:g} {HEIGHT:g}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{escape(label)}">{inside}</svg>'


def _scale(low: float, high: float, start: float, end: float) -> Place:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _across(steps: Steps) -> Place:
    return _scale(steps.starts[0], steps.starts[-1] + steps.width, LEFT, WIDTH - RIGHT)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most `low` to at least `high`."""
    if not high > low:
        low, high = (low - abs(low) * 0.05 - 1e-9, high + abs(high) * 0.05 + 1e-9) if low else (0.0, 1.0)
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * factor for factor in (1, 2, 2.5, 5) if power * factor >= rough), power * 10)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten between two positive numbers, or fewer of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) < 5 else (1,)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return [tick for tick in ticks if low <= tick <= high][:: 1 + len(powers) // 8] or [low, high]


def _grid(ticks: Sequence[float], up: Place, text: Format) -> str:
    lines = "".join(f"M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}" for tick in ticks)
    names = "".join(
        f'<text x="{LEFT - 4}" y="{up(tick) + 3:.1f}" text-anchor="end">{escape(text(tick))}</text>' for tick in ticks
    )
    return f'<path class="grid" d="{lines}"/>{names}'


def _dates(steps: Steps, across: Place) -> str:
    start, end = steps.starts[0], steps.starts[-1] + steps.width
    is_short = end - start <= 3 * DAY
    texts = [(start, "start"), ((start + end) / 2, "middle"), (end, "end")]
    return "".join(
        _tick_text(across(at), time_text(at, is_short)[5 if is_short else 0 :], place) for at, place in texts
    )


def _tick_text(across: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{across:.1f}" y="{HEIGHT - 6:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _path(places: Sequence[float], line: Line, up: Place) -> str:
    drawn, move = [], "M"
    for across, value in zip(places, line.values, strict=True):
        if not math.isfinite(value):
            move = "M"
            continue
        drawn.append(f"{move}{across:.1f} {up(value):.1f}")
        move = "L"
    return f'<path class="line {line.style}" d="{"".join(drawn)}"/>'


def _area(places: Sequence[float], band: tuple[Sequence[float], Sequence[float]], up: Place) -> str:
    known = [
        (across, low, high)
        for across, low, high in zip(places, *band, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    ]
    there = "L".join(f"{across:.1f} {up(high):.1f}" for across, _, high in known)
    back = "L".join(f"{across:.1f} {up(low):.1f}" for across, low, _ in reversed(known))
    return f'<path class="band" d="M{there}L{back}Z"/>' if known else ""


def _dots(places: Sequence[float], steps: Steps, line: Line, up: Place, text: Format) -> str:
    return "".join(
        f'<circle class="{line.style}" cx="{across:.1f}" cy="{up(value):.1f}" r="2">'
        f"<title>{escape(f'{time_text(start)}: {line.name} {text(value)}')}</title></circle>"
        for across, start, value in zip(places, steps.starts, line.values, strict=True)
        if math.isfinite(value)
    )
