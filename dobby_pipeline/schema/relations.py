"""The relations of the Cozo database, as the code uses them today.

Not here: how a database gets there, or what it looked like before (migrations.py).
"""

from dobby_pipeline.cozo.relation import Relation

REPOS = Relation("repos", ("repo",), ("location", "kind", "ref", "worktree", "added_at"))
"""The registry: what the user asked to have summarised."""

SNAPSHOTS = Relation(
    "snapshots", ("repo",), ("commit", "files", "records", "extractor", "updated_at")
)
"""The last commit of each repo whose ingest came to its end, and what it should hold."""

SOURCE_RECORDS = Relation(
    "source_records",
    ("repo", "path", "symbol"),
    (
        "kind",
        "language",
        "start_line",
        "end_line",
        "signature",
        "docstring",
        "content_hash",
        "code",
        "inner",
        "commit",
        "run",
    ),
    stamp="run",
)
"""One symbol's code as read at a commit; `inner` are the [start, end) offsets of nested bodies."""

SKIPPED_FILES = Relation(
    "skipped_files", ("repo", "path"), ("reason", "bytes", "commit", "run"), stamp="run"
)
"""The skip ledger: listed files that gave no record."""

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

RELATIONS = {
    relation.name: relation
    for relation in (
        REPOS,
        SNAPSHOTS,
        SOURCE_RECORDS,
        SKIPPED_FILES,
        SUMMARY_BODIES,
        SYMBOL_SUMMARIES,
        FILE_SUMMARIES,
        REPO_SUMMARIES,
    )
}
