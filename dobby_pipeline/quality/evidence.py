"""What the gate holds a summary against, made from the store's rows.

Not here: what the gate does with it (grounding.py, claims.py, relevance.py).
"""

from dobby_pipeline.cozo.partition import PLAN_ROWS, read_partition
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.reading import Candidate, KnownNames
from dobby_pipeline.schema.relations import SOURCE_RECORDS, SYMBOL_REFERENCES


def known_names(store: CozoStore, repo: str) -> KnownNames:
    """The names of a repository's symbols, of its files and folders, and of what it imports.

    Some 100 bytes a name: a repository of 100,000 symbols takes 10 MB of memory.

    Raises:
        StoreError: when the database cannot be read.
    """
    names = {repo}
    for page in read_partition(store, SOURCE_RECORDS, [repo], ("path", "name"), PLAN_ROWS):
        for row in page:
            names.add(row["name"])
            names.update(part.partition(".")[0] for part in row["path"].split("/"))
    for page in read_partition(store, SYMBOL_REFERENCES, [repo], ("names",), PLAN_ROWS):
        for row in page:
            names.update(name for kind, name, _ in row["names"] if kind == "import")
    return KnownNames(names)


def evidence(record: Row, code: str, known: KnownNames, *shown: str) -> Candidate:
    """A candidate without a text.

    Args:
        record: a row of `source_records`.
        code: the record's, or its signature where the code as a whole was not shown.
        known: the repository's names.
        shown: what else the summary is made from, such as a part, or the summaries of all parts.
    """
    return Candidate(
        text="",
        language=record["language"],
        code=code,
        symbol=record["symbol"],
        known_names=known,
        children=shown,
    )
