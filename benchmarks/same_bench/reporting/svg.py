"""The report's charts as inline SVG: colours are CSS classes, so that they follow the page."""

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH = 860
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 18, 34
_TIMELINE_BUCKETS = 700


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers within [low, high], about ``wanted`` of them."""
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / wanted))
    step = next(step * m for m in (1, 2, 5, 10) if span / (step * m) <= wanted)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label, True)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "label") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _bar(x: float, y: float, width: float, height: float, kind: str, title: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.5):.2f}" '
        f'height="{height:.2f}"><title>{escape(title)}</title></rect>'
    )


class _Scale:
    """Maps values to pixels, linearly."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._start, self._factor = start, (end - start) / max(high - low, 1e-12)

    def __call__(self, value: float) -> float:
        return self._start + (value - self.low) * self._factor


def histogram(latency_ms: Sequence[float], marks_ms: Mapping[str, float], height: int = 240) -> str:
    """How often each latency came, all samples shown; counts on a root scale, so that a lone
    outlier is still seen. ``marks_ms``: name -> latency of a vertical line."""
    values = np.asarray(latency_ms)
    high = 1.02 * max(float(values.max()), *(marks_ms.values() or [0.0]))
    counts, edges = np.histogram(values, bins=96, range=(0.0, high))
    x = _Scale(0, high, _LEFT, WIDTH - _RIGHT)
    y = _Scale(0, math.sqrt(max(int(counts.max()), 1)), height - _BOTTOM, _TOP + 14)
    parts = []
    for tick in ticks(0, high, 10):
        parts.append(_text(x(tick), height - _BOTTOM + 16, _number(tick), "middle"))
    for share in (0.01, 0.1, 0.5, 1.0):
        count = round(share * int(counts.max()))
        if count:
            level = y(math.sqrt(count))
            parts.append(_line(_LEFT, level, WIDTH - _RIGHT, level, "grid"))
            parts.append(_text(_LEFT - 6, level + 4, str(count), "end"))
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        if count:
            top = y(math.sqrt(count))
            title = f"{start:.2f} to {end:.2f} ms: {count} frames"
            parts.append(
                _bar(
                    x(start) + 0.5, top, x(end) - x(start) - 1, height - _BOTTOM - top, "bar", title
                )
            )
    for level, (name, mark) in enumerate(sorted(marks_ms.items(), key=lambda item: item[1])):
        kind = "deadline" if "Hz" in name else "mark"
        parts.append(_line(x(mark), _TOP, x(mark), height - _BOTTOM, kind))
        parts.append(
            _text(x(mark) + 3, _TOP + 9 + 12 * (level % 3), name, kind=f"label {kind}-text")
        )
    parts.append(_line(_LEFT, height - _BOTTOM, WIDTH - _RIGHT, height - _BOTTOM, "axis"))
    parts.append(_text(WIDTH - _RIGHT, height - 4, "latency, ms", "end"))
    parts.append(_text(4, 12, "frames (root scale)"))
    return _svg(height, "Histogram of latencies", parts)


def timeline(
    time_s: Sequence[float],
    latency_ms: Sequence[float],
    deadlines_ms: Mapping[str, float],
    dropped_s: Sequence[float],
    height: int = 260,
) -> str:
    """Latency over time. Each column is the range of its frames, so no spike is lost.
    ``dropped_s``: times at which frames were dropped."""
    values, times = np.asarray(latency_ms), np.asarray(time_s)
    shown = {name: ms for name, ms in deadlines_ms.items() if ms <= 3 * float(values.max())}
    high = 1.08 * max(float(values.max()), *(shown.values() or [0.0]))
    end_s = max(float(times[-1]), 1e-6)
    x = _Scale(0, end_s, _LEFT, WIDTH - _RIGHT)
    y = _Scale(0, high, height - _BOTTOM, _TOP)
    parts = []
    for tick in ticks(0, high, 6):
        parts.append(_line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick), "grid"))
        parts.append(_text(_LEFT - 6, y(tick) + 4, _number(tick), "end"))
    for tick in ticks(0, end_s, 10):
        parts.append(_text(x(tick), height - _BOTTOM + 16, _number(tick), "middle"))
    if len(values) <= _TIMELINE_BUCKETS:
        points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times, values, strict=True))
        parts.append(f'<polyline class="series" points="{points}"/>')
    else:
        bucket = np.minimum(times / end_s * _TIMELINE_BUCKETS, _TIMELINE_BUCKETS - 1).astype(int)
        for index in np.unique(bucket):
            inside = values[bucket == index]
            middle = x((index + 0.5) * end_s / _TIMELINE_BUCKETS)
            low, top = float(inside.min()), float(inside.max())
            parts.append(_line(middle, y(low) + 0.5, middle, y(top) - 0.5, "series"))
    for index, (name, ms) in enumerate(shown.items()):
        parts.append(_line(_LEFT, y(ms), WIDTH - _RIGHT, y(ms), "deadline"))
        # Side by side: the lines may lie closer together than text is high.
        label_x = WIDTH - _RIGHT - 48 * index
        parts.append(_text(label_x, y(ms) - 4, name, "end", "label deadline-text"))
    for moment in dropped_s:
        parts.append(_line(x(moment), height - _BOTTOM, x(moment), height - _BOTTOM - 8, "dropped"))
    parts.append(_line(_LEFT, height - _BOTTOM, WIDTH - _RIGHT, height - _BOTTOM, "axis"))
    parts.append(_text(WIDTH - _RIGHT, height - 4, "time, s", "end"))
    parts.append(
        _text(4, 12, "latency, ms" + (" (ticks below: dropped)" if len(dropped_s) else ""))
    )
    return _svg(height, "Latency over time", parts)


def waterfall(stages_us: Mapping[str, float]) -> str:
    """One bar per stage, each starting where the one before ended: the way through a frame."""
    row, left = 26, 110
    total = max(sum(stages_us.values()), 1e-9)
    x = _Scale(0, total, left, WIDTH - 170)
    height = row * len(stages_us) + 30
    parts = []
    for tick in ticks(0, total, 8):
        parts.append(_line(x(tick), 4, x(tick), height - 24, "grid"))
        parts.append(_text(x(tick), height - 8, _number(tick), "middle"))
    start = 0.0
    for index, (name, us) in enumerate(stages_us.items()):
        top = index * row + 6
        share = us / total
        parts.append(_text(left - 8, top + 13, name, "end", "name"))
        title = f"{name}: {us:.1f} us, {share:.1%}"
        kind = f"stage stage-{name}"
        parts.append(_bar(x(start), top, x(start + us) - x(start), row - 10, kind, title))
        parts.append(_text(x(start + us) + 6, top + 13, f"{us:,.1f} us  {share:.1%}"))
        start += us
    parts.append(_text(WIDTH - 4, height - 8, "mean, us", "end"))
    return _svg(height, "Mean time of each stage", parts)


def bars(items: Sequence[tuple[str, float, float, str]]) -> str:
    """Horizontal bars: (name, median, largest, note) each, in ms; a tick marks the largest. On a
    log scale, for what is compared often differs by tens."""
    row, left = 30, 150
    smallest = min(median for _, median, _, _ in items) / 2
    largest = max(maximum for _, _, maximum, _ in items) * 1.1
    x = _Scale(math.log10(smallest), math.log10(largest), left, WIDTH - 190)
    height = row * len(items) + 30
    parts = []
    for exponent in range(math.floor(math.log10(smallest)), math.floor(math.log10(largest)) + 1):
        for tick in (1, 2, 5):
            position = math.log10(tick) + exponent
            if x.low <= position <= x.high:
                parts.append(_line(x(position), 4, x(position), height - 24, "grid"))
                label = _number(tick * 10.0**exponent)
                parts.append(_text(x(position), height - 8, label, "middle"))
    for index, (name, median, maximum, note) in enumerate(items):
        top = index * row + 5
        end = x(math.log10(median))
        title = f"{name}: median {median:.3f} ms, largest {maximum:.3f} ms"
        kind = "bar" if index == 0 else "bar other"
        parts.append(_text(left - 8, top + 15, name, "end", "name"))
        parts.append(_bar(left, top, end - left, row - 11, kind, title))
        largest_x = x(math.log10(maximum))
        parts.append(_line(end, top + (row - 11) / 2, largest_x, top + (row - 11) / 2, "whisker"))
        parts.append(_line(largest_x, top + 3, largest_x, top + row - 14, "whisker"))
        parts.append(_text(largest_x + 8, top + 14, f"{median:.3g} ms  {note}"))
    parts.append(_text(WIDTH - 4, height - 8, "ms, log scale", "end"))
    return _svg(height, "Median and largest latency of each variant", parts)
