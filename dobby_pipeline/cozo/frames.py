"""Rows to and from pandas, on Cozo's terms.

Not here: reading and writing (partition.py). pandas is imported when a frame is really wanted.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dobby_pipeline.cozo.relation import Relation, Row

if TYPE_CHECKING:
    import pandas as pd


def frame_rows(frame: "pd.DataFrame") -> list[Row]:
    """The frame's rows as Cozo takes them.

    pandas keeps a missing string as NaN and numbers as numpy scalars; Cozo refuses both.
    """
    plain = frame.astype(object).where(frame.notna(), None)
    return [
        {str(column): _plain(value) for column, value in row.items()}
        for row in plain.to_dict("records")
    ]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def rows_frame(relation: Relation, pages: Iterable[list[Row]]) -> "pd.DataFrame":
    """All pages as one frame, with the relation's columns even where there is no row."""
    import pandas as pd

    rows = [row for page in pages for row in page]
    return pd.DataFrame(rows, columns=list(relation.columns))
