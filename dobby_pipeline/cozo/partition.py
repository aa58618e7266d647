"""One repository's rows in a relation, written as batches and read as a stream.

Not here: Dagster (io_manager.py). Nothing holds a whole partition in memory.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from dobby_pipeline.cozo.relation import Relation, Row, checked_name
from dobby_pipeline.cozo.store import CozoStore, HeldStore

BATCH_ROWS = 500
"""Rows a transaction: of 1.5 kB each it takes some 10 ms, so nobody waits long for the lock."""

PLAN_ROWS = 10_000
"""Rows a page where no code is read: some 10 MB, and 60 to 200 ms of the database. Where each page
opens it, as others wait for it, that takes 10 to 30 ms, and 500 at a time took twice as long."""

AFTER_ALL = "\U0010ffff"
"""Sorts behind every path that a person would give a file."""

# Without an order asked for, the engine scans by key and stops at the limit. With one it would
# read and sort all that is left, for every page.
_LIMIT = ":limit $rows"


@dataclass(frozen=True)
class Transaction:
    """A batch that says itself what is to be done, where writing rows is not all.

    Attributes:
        script: CozoScript, run as one transaction.
        params: its parameters.
        rows: how many rows of the asset's relation it writes.
    """

    script: str
    params: dict[str, Any]
    rows: int

    def __len__(self) -> int:
        return self.rows


Batch = Sequence[Row] | Transaction


@dataclass
class Batches:
    """Batches of rows, each to be committed by itself, as an asset returns them.

    Dagster takes the items of a bare generator for events, so the iterator is wrapped.

    Attributes:
        rows: lists of rows, or transactions; each is committed by itself. Drained once.
        finish: called once when all rows are committed and the stale ones removed; returns
            the metadata that is known only then.
        whole: whether the batches bring every row of the partition, so that others are stale.
    """

    rows: Iterable[Batch]
    finish: Callable[[], dict[str, Any]] = field(default=dict)
    whole: bool = True

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.rows)


def write_partition(
    store: CozoStore,
    relation: Relation,
    repo: str,
    run: str,
    batches: Iterable[Batch],
    *,
    whole: bool = True,
) -> int:
    """Commit each batch by itself; at the end remove the rows that this run did not write.

    Rows are stamped with the run, so neither memory nor a list of keys is needed to find the
    stale ones, and a run that dies in the middle removes nothing.

    Args:
        whole: whether what the batches do not bring is stale.

    Returns:
        How many rows were written.
    """
    count = 0
    name = f"write {relation.name}"
    for batch in batches:
        count += len(batch)
        if isinstance(batch, Transaction):
            store.run(name, batch.script, batch.params, write=True)
        elif batch:
            rows = [{**row, "repo": repo, relation.stamp: run} for row in batch]
            store.run(name, relation.put(), {"rows": relation.rows(rows)}, write=True)
    if whole:
        remove_stale(store, relation, repo, run)
    return count


def remove_stale(store: CozoStore, relation: Relation, repo: str, run: str) -> None:
    """Remove the partition's rows that another run than `run` wrote."""
    rest = [key for key in relation.keys if key != "repo"]
    columns = ", ".join([*rest, f"{relation.stamp}: stamp"])
    store.run(
        f"remove stale rows of {relation.name}",
        f"?[{', '.join(relation.keys)}] := *{relation.name}{{repo: $repo, {columns}}}, "
        f"repo = $repo, stamp != $run :rm {relation.name} {{{', '.join(relation.keys)}}}",
        {"repo": repo, "run": run},
        write=True,
    )


def removal(relation: Relation) -> str:
    """A query that removes the rows of `$repo` under the paths `$replaced`, a list of lists."""
    keys = ", ".join(relation.keys)
    bound = ", ".join(["repo: $repo", *relation.keys[1:]])
    return (
        f"paths[path] <- $replaced ?[{keys}] := paths[path], repo = $repo, "
        f"*{relation.name}{{{bound}}} :rm {relation.name} {{{keys}}}"
    )


def holds_rows(store: CozoStore, relation: Relation, repo: str, rows: Sequence[Row]) -> bool:
    """Whether the partition holds exactly these rows, whichever run wrote them."""
    columns = tuple(column for column in relation.columns if column != relation.stamp)
    wanted = {tuple(row[key] for key in relation.keys): row for row in rows}
    stored = 0
    for page in read_partition(store, relation, [repo], columns):
        for present in page:
            row = wanted.get(tuple(present[key] for key in relation.keys))
            if row is None or any(present[column] != row[column] for column in columns):
                return False
        stored += len(page)
    return stored == len(wanted)


def read_partition(
    store: CozoStore,
    relation: Relation,
    repos: Sequence[str],
    columns: Sequence[str] = (),
    page_rows: int = BATCH_ROWS,
) -> Iterator[list[Row]]:
    """Pages of rows in key order, each of whole paths and of `page_rows` rows or a little more.

    The database is held only while a page is read, and a page costs the same wherever it lies: the
    scan begins behind the page before, and ends at its limit.
    """
    for repo in repos:
        after: str | None = ""
        while after is not None:
            with store.held(f"read {relation.name}") as held:
                rows, after = read_page(held, relation, repo, after, columns, page_rows)
            if rows:
                yield rows


def read_page(
    held: HeldStore,
    relation: Relation,
    repo: str,
    after: str,
    columns: Sequence[str] = (),
    page_rows: int = BATCH_ROWS,
) -> tuple[list[Row], str | None]:
    """One page as `read_partition` gives them, and its last path; None where it is the last page.

    Args:
        after: the last path of the page before; empty for the first one.
    """
    chosen = tuple(checked_name(c) for c in columns) or relation.columns
    read = tuple(dict.fromkeys((*relation.keys[1:], *chosen)))
    values, last = page_values(held, relation, repo, after, read, page_rows)
    if read == chosen:
        return [dict(zip(read, row, strict=True)) for row in values], last
    places = [(column, read.index(column)) for column in chosen]
    return [{column: row[place] for column, place in places} for row in values], last


def page_values(
    held: HeldStore,
    relation: Relation,
    repo: str,
    after: str,
    columns: Sequence[str],
    page_rows: int,
) -> tuple[list[list[Any]], str | None]:
    """As `read_page`, each row a list.

    Args:
        columns: first the keys but for `repo`, which rows are ordered by and told apart.
    """
    rest = "".join(f", {column}" for column in columns if column not in ("repo", "path"))
    head = f"?[{', '.join(columns)}] := repo = $repo, *{relation.name}{{repo: $repo{rest}"
    name, params = f"read {relation.name}", {"repo": repo, "after": after, "rows": page_rows}
    rows = held.values(name, f"{head}, path}}, path > $after {_LIMIT}", params)
    last: str | None = None
    if len(rows) >= page_rows:  # the last path may have more
        last = str(rows[-1][0])
        while rows and rows[-1][0] == last:
            rows.pop()
        # In braces the path is a prefix of the key; compared, it would be looked for in all rows.
        of_path = f"{head}, path: $path}}, path = $path"
        rows += held.values(name, of_path, {"repo": repo, "path": last})
    return rows, last


def page_borders(
    store: CozoStore, relation: Relation, repo: str, page_rows: int
) -> Iterator[tuple[str, str]]:
    """The first and the last path of each page: whole paths, `page_rows` rows or a little more.

    Each is looked for when it is asked for, so the list of all paths is never held.
    """
    keys = ", ".join(relation.keys[1:])
    script = f"?[{keys}] := *{relation.name}{{repo: $repo, {keys}}}, path > $after {_LIMIT}"
    after, size = "", page_rows
    while size >= page_rows:
        params = {"repo": repo, "after": after, "rows": page_rows}
        rows = store.run(f"page {relation.name}", script, params)
        size = len(rows)
        if rows:
            after = rows[-1]["path"]
            yield rows[0]["path"], after


def in_batches(rows: Iterable[Row], size: int = BATCH_ROWS) -> Iterator[Sequence[Row]]:
    """Rows cut into transactions of `size`."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
