"""What the code knows of one stored relation: its columns, and the scripts that write it.

Not here: the relations themselves (schema/relations.py) and running scripts (store.py).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def checked_name(name: str) -> str:
    """`name` itself, if it may be interpolated into CozoScript, which binds values only.

    Raises:
        ValueError: for anything but letters, digits and underscores after a letter.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no relation or column name")
    return name


@dataclass(frozen=True)
class Relation:
    """A stored relation.

    Attributes:
        name: as in the database.
        keys: key columns in their order; `repo` first where the relation is partitioned.
        values: the other columns.
        stamp: the column that says which run wrote a row, empty where rows are not stamped.
    """

    name: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    stamp: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.columns):
            checked_name(name)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, keys first."""
        return self.keys + self.values

    def put(self, param: str = "rows") -> str:
        """A script block that upserts the rows of parameter `param`, in `columns` order."""
        return (
            f"{{ ?[{', '.join(self.columns)}] <- ${checked_name(param)} "
            f":put {self.name} {{ {', '.join(self.keys)} => {', '.join(self.values)} }} }}"
        )

    def rows(self, dicts: Iterable[Row]) -> list[list[Any]]:
        """The rows as `put` wants them.

        Raises:
            KeyError: when a row lacks a column: `:put` would reset it to its default.
        """
        return [[row[column] for column in self.columns] for row in dicts]
