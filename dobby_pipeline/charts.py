"""Pictures for the Dagster UI: markdown with the image inside, so that no file is needed.

Not here: which figures are shown (assets.py of each room). Matplotlib is imported when the first
picture is drawn.
"""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 12
"""Bars in a chart; what is beyond is drawn as one bar."""

# In inches. Matplotlib finds margins by itself, but takes two thirds of a picture's time for that.
_LETTER = 0.09
_GAP = 0.15
_TITLE = 0.45
_CHART = 5.0
_MOST_NAME = 2.5
_LINES = 8.0
_PANEL = 1.4
_BETWEEN = 0.4
_UNDER = 0.5


def bar_chart(charts: Mapping[str, Mapping[str, int]]) -> str:
    """Horizontal bars side by side, one chart for each title, as a markdown image.

    Args:
        charts: counts by name for each title; an empty one is left out.
    """
    from matplotlib.figure import Figure

    drawn = {title: _shortened(counts) for title, counts in charts.items() if counts}
    if not drawn:
        return "Nothing to draw."
    bars = 0.28 * max(len(counts) for counts in drawn.values())
    width, height = _CHART * len(drawn), _TITLE + bars + _GAP
    figure = Figure(figsize=(width, height))
    for place, (title, counts) in enumerate(drawn.items()):
        name = min(_MOST_NAME, _LETTER * max(map(len, counts))) + _GAP
        left, wide = (_CHART * place + name) / width, (_CHART - name - _GAP) / width
        axes = figure.add_axes((left, _GAP / height, wide, bars / height))
        drawn_bars = axes.barh(list(counts), list(counts.values()), color="#4f43dd")
        axes.bar_label(drawn_bars, padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.set_title(title, loc="left", y=1.0)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.xaxis.set_visible(False)  # the bars tell their numbers
    return _image(figure, ", ".join(drawn))


def line_chart(lines: Mapping[str, Sequence[tuple[float, float]]], across: str) -> str:
    """A panel for each title, one under the other over the same axis, as a markdown image.

    Args:
        lines: points (x, y) by title, in order of x; a title with fewer than two is left out.
        across: what x is.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawn = {title: points for title, points in lines.items() if len(points) > 1}
    if not drawn:
        return "Nothing to draw."
    height = _PANEL * len(drawn) + _TITLE
    figure = Figure(figsize=(_LINES, height))
    ends = [points[place][0] for points in drawn.values() for place in (0, -1)]
    for place, (title, points) in enumerate(reversed(drawn.items())):
        bottom = (_PANEL * place + _UNDER) / height
        axes = figure.add_axes((0.09, bottom, 0.89, (_PANEL - _BETWEEN) / height))
        across_values, values = zip(*points, strict=True)
        axes.plot(across_values, values, color="#4f43dd")
        axes.fill_between(across_values, values, color="#4f43dd", alpha=0.12, linewidth=0)
        axes.set_title(title, loc="left", fontsize="medium", y=1.0)  # else it looks for a place
        axes.set_ylim(bottom=0)
        axes.set_xlim(min(ends), max(ends))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.spines[["top", "right"]].set_visible(False)
        if place:
            axes.xaxis.set_visible(False)
        else:
            axes.set_xlabel(across)
    return _image(figure, ", ".join(drawn))


def _shortened(counts: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = dict(ordered[:_MOST])
    rest = sum(count for _, count in ordered[_MOST:])
    return {**shown, "other": shown.get("other", 0) + rest} if rest else shown


def _image(figure: "Figure", text: str) -> str:
    image = BytesIO()
    figure.savefig(image, format="png", dpi=80)
    return f"![{text}](data:image/png;base64,{base64.b64encode(image.getvalue()).decode()})"
