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

SYMBOL_REFERENCES = Relation("symbol_references", ("repo", "path", "symbol"), ("names",))
"""What a symbol's code calls and imports: `names` is a list of [kind, name, count], as written.
The symbol is empty for what stands outside of all symbols."""

REDACTIONS = Relation("redactions", ("repo", "path", "kind"), ("count",))
"""Secrets that were taken out of a file before it was stored, by kind; never the secrets."""

DEPENDENCIES = Relation(
    "dependencies", ("repo", "path", "symbol", "kind", "to_path", "to_symbol"), ()
)
"""References whose name tells one record of the repo: edges between source records."""

REFERENCE_COUNTS = Relation(
    "reference_counts", ("repo", "path"), ("resolved", "ambiguous", "external")
)
"""What became of a file's references, counted by distinct symbol, kind and name."""

FILE_DOCS = Relation("file_docs", ("repo", "path"), ("doc",))
"""What the authors say about a file as a whole, in code, or first of all in a README."""

FILE_OWNED = (SOURCE_RECORDS, SYMBOL_REFERENCES, REDACTIONS, FILE_DOCS)
"""What belongs to one file's content: replaced, copied and removed with it."""

RESOLVED = (DEPENDENCIES, REFERENCE_COUNTS)
"""What a file's references mean in its repo: removed with the file, made anew by resolve.py."""

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
DIRECTORY_SUMMARIES = Relation(
    "directory_summaries", ("repo", "path"), ("summary_key", "content_hash", "commit")
)
"""Steps between the files' summaries and the repository's; a directory with one child has none."""

REPO_SUMMARIES = Relation(
    "repo_summaries", ("repo",), ("summary_key", "content_hash", "commit", "run"), stamp="run"
)

AUDIT_LOG = Relation("audit_log", ("id",), ("time", "actor", "action", "repo", "detail"))
"""Who or what did what to which repository, and when. It outlives the repository."""

PATH_OWNED = (*FILE_OWNED, *RESOLVED, SYMBOL_SUMMARIES, FILE_SUMMARIES)
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
        FILE_DOCS,
        DEPENDENCIES,
        REFERENCE_COUNTS,
        SUMMARY_BODIES,
        SYMBOL_SUMMARIES,
        FILE_SUMMARIES,
        DIRECTORY_SUMMARIES,
        REPO_SUMMARIES,
        AUDIT_LOG,
    )
}

COLUMNS = {
    "repo": "The registered name, and the partition.",
    "path": "Of the file in the repository.",
    "symbol": "Qualified name within the file; empty for the file itself.",
    "name": "The last part of the qualified name.",
    "kind": "function, method, class, …",
    "language": "Of the file.",
    "start_line": "Of the code, from 1.",
    "end_line": "The last one of the code.",
    "signature": "From the name to the body.",
    "docstring": "What the author wrote about it.",
    "content_hash": "SHA-256 of the code: equal code has equal summaries.",
    "code": "Without secrets.",
    "inner": "[start, end) offsets of nested bodies, which have rows of their own.",
    "parts": "[start, end) offsets of the pieces that a large symbol is read in.",
    "summary_key": "Hash of code, prompt and model: which text in summary_bodies it is.",
    "commit": "That it was read at.",
    "run": "The Dagster run that wrote the row.",
}
"""What the columns of the assets mean, for people who look at them in the UI."""
