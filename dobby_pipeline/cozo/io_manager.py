"""Dagster's way in and out of the store: an asset is a relation, a partition is a repo's rows.

Not here: how rows are written and paged (partition.py).
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from dobby_pipeline.cozo.frames import frame_rows, rows_frame
from dobby_pipeline.cozo.partition import (
    BATCH_ROWS,
    Batches,
    holds_rows,
    in_batches,
    read_partition,
    write_partition,
)
from dobby_pipeline.cozo.relation import Relation, Row
from dobby_pipeline.cozo.store import CozoStore


@dataclass(frozen=True)
class PartitionStream:
    """One or more partitions of a relation, read page by page.

    An asset that annotates its input with this type gets its upstream without loading it.
    """

    store: CozoStore
    relation: Relation
    repos: Sequence[str]

    def pages(
        self, columns: Sequence[str] = (), page_rows: int = BATCH_ROWS
    ) -> Iterator[list[Row]]:
        """As `read_partition`."""
        return read_partition(self.store, self.relation, self.repos, columns, page_rows)


class CozoIOManager(dg.IOManager):
    """Writes DataFrames or Batches, loads DataFrames or PartitionStreams."""

    def __init__(
        self, store: CozoStore, relations: Mapping[str, Relation], columns: Mapping[str, str]
    ) -> None:
        self._store = store
        self._relations = relations
        self._columns = columns

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Commit the output of one partition, batch by batch, and drop its stale rows.

        A frame of several partitions tells them apart by its column `repo`; those that hold
        its rows already are not written again.

        Raises:
            TypeError: when the asset returned neither a DataFrame nor Batches.
        """
        relation = self._relations[context.asset_key.path[-1]]
        repos = context.asset_partition_keys
        run = context.run_id
        told: dict[str, Any] = {}
        if isinstance(obj, Batches):
            if len(repos) != 1:
                raise TypeError(f"{relation.name}: Batches belong to one partition, not {repos}")
            count = write_partition(self._store, relation, repos[0], run, obj, whole=obj.whole)
            told = obj.finish()
        elif _is_frame(obj):
            count = 0
            rows = frame_rows(obj)
            for repo in repos:
                own = [{**row, "repo": repo} for row in rows if row.get("repo", repo) == repo]
                count += len(own)
                if not holds_rows(self._store, relation, repo, own):
                    write_partition(self._store, relation, repo, run, in_batches(own))
        else:
            raise TypeError(
                f"{relation.name}: an asset gives a DataFrame or Batches, not {type(obj).__name__}"
            )
        # Batches that are not the whole partition tell themselves how many rows it has.
        shown = {"dagster/row_count": count, "dagster/column_schema": self._schema(relation)}
        context.add_output_metadata({**shown, **told})

    def _schema(self, relation: Relation) -> dg.TableSchema:
        rows = self._store.run(f"columns of {relation.name}", f"::columns {relation.name}")
        return dg.TableSchema(
            [
                dg.TableColumn(
                    row["column"],
                    row["type"],
                    self._columns.get(row["column"]),
                    constraints=dg.TableColumnConstraints(
                        nullable=row["type"].endswith("?"), other=["key"] if row["is_key"] else []
                    ),
                )
                for row in rows
            ]
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """The partition, or partitions, as the input's annotation asks: a stream or a DataFrame."""
        relation = self._relations[context.asset_key.path[-1]]
        stream = PartitionStream(self._store, relation, list(context.asset_partition_keys))
        if context.dagster_type.typing_type is PartitionStream:
            return stream
        return rows_frame(relation, stream.pages())


def _is_frame(obj: Any) -> bool:
    """Whether it is a DataFrame, asked without importing pandas for it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(obj, pandas.DataFrame)


def cozo_io_manager(
    relations: Mapping[str, Relation], columns: Mapping[str, str] | None = None
) -> dg.IOManagerDefinition:
    """The IO manager over the resource `cozo`, for assets named like one of `relations`.

    Args:
        columns: what a column means, by its name, for the schema that the UI shows.
    """

    @dg.io_manager(
        required_resource_keys={"cozo"},
        description="Partitions of Cozo relations, written in atomic batches.",
    )
    def build(context: dg.InitResourceContext) -> CozoIOManager:
        return CozoIOManager(context.resources.cozo.store(), relations, columns or {})

    return build
