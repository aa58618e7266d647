"""Pictures that a browser can show."""

import base64
import re
from io import BytesIO

from PIL import Image

from dobby_pipeline.charts import bar_chart, line_chart


def picture(markdown: str) -> Image.Image:
    found = re.fullmatch(r"!\[[^\]]+\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)", markdown)
    assert found
    return Image.open(BytesIO(base64.b64decode(found[1])))


def test_each_title_with_counts_is_a_chart_beside_the_others():
    one = picture(bar_chart({"languages": {"python": 3, "go": 1}, "reasons": {}}))
    two = picture(bar_chart({"languages": {"python": 3, "go": 1}, "reasons": {"binary": 2}}))
    assert two.width > 1.5 * one.width
    colours = {colour for _, colour in two.convert("RGB").getcolors(1 << 24) or []}
    assert (79, 67, 221) in colours


def test_many_bars_end_in_one_for_the_rest():
    many = picture(bar_chart({"languages": {f"l{i}": i + 1 for i in range(400)}}))
    few = picture(bar_chart({"languages": {f"l{i}": i + 1 for i in range(13)}}))
    assert many.height == few.height


def test_nothing_to_draw_is_said():
    assert bar_chart({"languages": {}}) == "Nothing to draw."


def test_each_line_with_two_points_or_more_is_a_panel_under_the_others():
    rising = [(0.0, 1.0), (1.0, 3.0), (2.0, 9.0)]
    one = picture(line_chart({"tokens": rising, "memory": [(0.0, 5.0)]}, "minutes"))
    two = picture(line_chart({"tokens": rising, "memory": rising}, "minutes"))
    assert two.width == one.width
    assert two.height > 1.5 * one.height
    colours = {colour for _, colour in two.convert("RGB").getcolors(1 << 24) or []}
    assert (79, 67, 221) in colours


def test_a_rising_line_ends_higher_than_it_begins():
    drawn = picture(line_chart({"tokens": [(0.0, 1.0), (1.0, 9.0)]}, "minutes")).convert("RGB")
    line = (79, 67, 221)
    at = [
        (x, y)
        for x in range(drawn.width)
        for y in range(drawn.height)
        if drawn.getpixel((x, y)) == line
    ]
    assert min(at)[1] > max(at)[1] + drawn.height / 3  # y counts downwards


def test_no_line_to_draw_is_said():
    assert line_chart({"tokens": [(0.0, 1.0)]}, "minutes") == "Nothing to draw."
