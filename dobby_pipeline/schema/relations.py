"""The relations of the Cozo database, as the code uses them today.

Not here: how a database gets there, or what it looked like before (migrations.py).
"""

from dobby_pipeline.cozo.relation import Relation

REPOS = Relation("repos", ("repo",), ("location", "kind", "ref", "worktree", "columns", "added_at"))
"""The registry: what the user asked to have summarised. `columns` says where the records of a
relation of a foreign database stand; empty for other kinds."""

SNAPSHOTS = Relation(
    "snapshots", ("repo",), ("commit", "content", "files", "records", "extractor", "updated_at")
)
"""The last state of each repo whose ingest came to its end, and what it should hold. `content`
identifies what was read: two commits of one tree have the same."""

SOURCE_FILES = Relation(
    "source_files",
    ("repo", "path"),
    ("blob", "bytes", "language", "records", "reason", "extractor", "run"),
    stamp="run",
)
"""One row for each listed file. With `reason` it gave no record: those are the skip ledger.
`blob` and `extractor` say what was read and by which rules, so that it is not read again."""

FILE_BLOBS = Relation("file_blobs", ("blob", "repo", "path"), ())
"""Where a content stands: an index on source_files by blob, over all repos."""

SOURCE_RECORDS = Relation(
    "source_records",
    ("repo", "path", "symbol"),
    (
        "name",
        "kind",
        "language",
        "start_line",
        "end_line",
        "signature",
        "docstring",
        "content_hash",
        "code",
        "inner",
        "parts",
    ),
)
"""One symbol's code; `inner` are the [start, end) offsets of nested bodies, `parts` those of the
pieces that a large symbol is read in. The commit is its repo's, in snapshots."""

SYMBOL_REFERENCES = Relation(
    "symbol_references", ("repo", "path", "symbol", "kind", "name"), ("count",)
)
"""Names that a symbol's code calls or imports, as they are written; symbol is empty for a file."""

REDACTIONS = Relation("redactions", ("repo", "path", "kind"), ("count",))
"""Secrets that were taken out of a file before it was stored, by kind; never the secrets."""

DEPENDENCIES = Relation(
    "dependencies",
    ("repo", "path", "symbol", "kind", "to_path", "to_symbol"),
    ("run",),
    stamp="run",
)
"""References whose name is one symbol's alone in the repo: edges between source records."""

FILE_OWNED = (SOURCE_RECORDS, SYMBOL_REFERENCES, REDACTIONS)
"""What belongs to one file's content: replaced, copied and removed with it."""

SUMMARY_BODIES = Relation(
    "summary_bodies",
    ("summary_key",),
    (
        "text",
        "status",
        "reasons",
        "origin",
        "model",
        "model_revision",
        "prompt_version",
        "device",
        "prompt_tokens",
        "output_tokens",
        "ms",
        "confidence",
        "finish_reason",
        "created_at",
    ),
)
"""What the model said, once for each summary key, whichever repos it stands in."""

SYMBOL_SUMMARIES = Relation(
    "symbol_summaries",
    ("repo", "path", "symbol"),
    ("summary_key", "content_hash", "commit", "start_line", "end_line", "run"),
    stamp="run",
)
"""Where a summary body stands: the symbol, and the commit and lines that it was read at."""

FILE_SUMMARIES = Relation(
    "file_summaries",
    ("repo", "path"),
    ("summary_key", "content_hash", "commit", "start_line", "end_line", "run"),
    stamp="run",
)
REPO_SUMMARIES = Relation(
    "repo_summaries", ("repo",), ("summary_key", "content_hash", "commit", "run"), stamp="run"
)

PATH_OWNED = (*FILE_OWNED, SYMBOL_SUMMARIES, FILE_SUMMARIES)
"""What a path has while its file is listed; the summary bodies stay with their content."""

RELATIONS = {
    relation.name: relation
    for relation in (
        REPOS,
        SNAPSHOTS,
        SOURCE_FILES,
        FILE_BLOBS,
        SOURCE_RECORDS,
        SYMBOL_REFERENCES,
        REDACTIONS,
        DEPENDENCIES,
        SUMMARY_BODIES,
        SYMBOL_SUMMARIES,
        FILE_SUMMARIES,
        REPO_SUMMARIES,
    )
}
