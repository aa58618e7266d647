"""Pictures for the Dagster UI: markdown with the image inside, so that no file is needed.

Drawn with Pillow alone: a picture took Matplotlib 127 ms of the processor, and takes 3. Not here:
which figures are shown (assets.py of each room).
Pillow is imported when the first picture is drawn.
"""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_MOST = 12
"""Bars in a chart; what is beyond is drawn as one bar."""

# In pixels.
_TEXT = 12
_TITLE = 26
_ROW = 22
_CHART = 400
_LINES = 640
_PANEL = 110
_LEFT = 56
_GAP = 12

_BAR = (79, 67, 221)
_PALE = (234, 232, 251)
_INK = (40, 40, 40)
_PAPER = (255, 255, 255)


def bar_chart(charts: Mapping[str, Mapping[str, int]]) -> str:
    """Horizontal bars side by side, one chart for each title, as a markdown image.

    Args:
        charts: counts by name for each title; an empty one is left out.
    """
    drawn = {title: _shortened(counts) for title, counts in charts.items() if counts}
    if not drawn:
        return "Nothing to draw."
    rows = max(len(counts) for counts in drawn.values())
    image, draw = _canvas(_CHART * len(drawn), _TITLE + _ROW * rows + _GAP)
    for place, (title, counts) in enumerate(drawn.items()):
        _bars(draw, place * _CHART, title, counts)
    return _markdown(image, ", ".join(drawn))


def _bars(draw: "ImageDraw", left: int, title: str, counts: Mapping[str, int]) -> None:
    names = max(draw.textlength(name) for name in counts)
    begin = left + _GAP + min(names, _CHART / 2) + _GAP / 2
    room = left + _CHART - 2 * _GAP - max(draw.textlength(str(n)) for n in counts.values()) - begin
    draw.text((left + _GAP, _GAP / 2), title, fill=_INK)
    for row, (name, count) in enumerate(counts.items()):
        top = _TITLE + _ROW * row
        end = begin + room * count / max(1, *counts.values())
        draw.rectangle((left, top, begin - _GAP / 2, top + _ROW), fill=_PAPER)
        draw.text((begin - _GAP / 2, top + _ROW / 2), name, fill=_INK, anchor="rm")
        draw.rectangle((begin, top + 3, end, top + _ROW - 3), fill=_BAR)
        draw.text((end + _GAP / 2, top + _ROW / 2), str(count), fill=_INK, anchor="lm")


def line_chart(lines: Mapping[str, Sequence[tuple[float, float]]], across: str) -> str:
    """A panel for each title, one under the other over the same axis, as a markdown image.

    Args:
        lines: points (x, y) by title, in order of x; a title with fewer than two is left out.
        across: what x is.
    """
    drawn = {title: points for title, points in lines.items() if len(points) > 1}
    if not drawn:
        return "Nothing to draw."
    first = min(points[0][0] for points in drawn.values())
    last = max(points[-1][0] for points in drawn.values())
    image, draw = _canvas(_LINES, _PANEL * len(drawn) + _TITLE)
    for place, (title, points) in enumerate(drawn.items()):
        _line(draw, place * _PANEL, title, points, (first, last))
    under = _PANEL * len(drawn) + _TITLE / 2
    right = _LINES - _GAP
    draw.text((_LEFT, under), f"{first:.4g}", fill=_INK, anchor="lm")
    draw.text(((_LEFT + right) / 2, under), across, fill=_INK, anchor="mm")
    draw.text((right, under), f"{last:.4g}", fill=_INK, anchor="rm")
    return _markdown(image, ", ".join(drawn))


def _line(
    draw: "ImageDraw",
    top: int,
    title: str,
    points: Sequence[tuple[float, float]],
    across: tuple[float, float],
) -> None:
    """From 0 to the highest value; nothing that is shown is below 0."""
    first, last = across
    high = max(value for _, value in points) or 1.0
    wide, tall = (_LINES - _GAP - _LEFT) / ((last - first) or 1.0), (_PANEL - _TITLE) / high
    floor = top + _PANEL
    at = [(_LEFT + (x - first) * wide, floor - value * tall) for x, value in points]
    draw.polygon([(at[0][0], floor), *at, (at[-1][0], floor)], fill=_PALE)
    draw.line(at, fill=_BAR, width=2)
    draw.line([(_LEFT, top + _TITLE), (_LEFT, floor), (_LINES - _GAP, floor)], fill=_INK)
    draw.text((_LEFT, top + _TITLE / 2), title, fill=_INK, anchor="lm")
    draw.text((_LEFT - _GAP / 2, top + _TITLE), f"{high:.4g}", fill=_INK, anchor="rm")
    draw.text((_LEFT - _GAP / 2, floor), "0", fill=_INK, anchor="rm")


def _shortened(counts: Mapping[str, int]) -> dict[str, int]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = dict(ordered[:_MOST])
    rest = sum(count for _, count in ordered[_MOST:])
    return {**shown, "other": shown.get("other", 0) + rest} if rest else shown


def _canvas(width: int, height: int) -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    draw.font = ImageFont.load_default(_TEXT)
    return image, draw


def _markdown(image: "Image", text: str) -> str:
    file = BytesIO()
    image.save(file, format="png")
    return f"![{text}](data:image/png;base64,{base64.b64encode(file.getvalue()).decode()})"
