"""The steps that bring any older database to the relations of today.

Not here: what the relations mean (relations.py). A migration that was released never changes.
"""

from dataclasses import dataclass

from dobby_pipeline.cozo.store import CozoStore, HeldStore, StoreError, StoreNewer

_VERSION_RELATION = "schema_version"


@dataclass(frozen=True)
class Migration:
    """One step, applied whole or not at all.

    Attributes:
        version: of the database after it; 1 upwards without gaps.
        name: for people.
        script: CozoScript blocks, run in one transaction with the version's own row.
    """

    version: int
    name: str
    script: str


MIGRATIONS = (
    Migration(
        1,
        "first relations",
        """
        {:create repos {
            repo: String => location: String, kind: String, ref: String, worktree: Bool,
            added_at: String}}
        {:create snapshots {
            repo: String => commit: String, files: Int, records: Int, extractor: String,
            updated_at: String}}
        {:create source_records {
            repo: String, path: String, symbol: String =>
            kind: String, language: String, start_line: Int, end_line: Int, signature: String,
            docstring: String, content_hash: String, code: String, inner: [[Int; 2]],
            commit: String, run: String}}
        {:create skipped_files {
            repo: String, path: String => reason: String, bytes: Int, commit: String,
            run: String}}
        {:create summary_bodies {
            summary_key: String =>
            text: String, status: String, reasons: [String], origin: String, model: String,
            model_revision: String, prompt_version: String, device: String, prompt_tokens: Int,
            output_tokens: Int, ms: Float, confidence: Float?, finish_reason: String,
            created_at: String}}
        {:create symbol_summaries {
            repo: String, path: String, symbol: String =>
            summary_key: String, content_hash: String, commit: String, start_line: Int,
            end_line: Int, run: String}}
        {:create file_summaries {
            repo: String, path: String =>
            summary_key: String, content_hash: String, commit: String, start_line: Int,
            end_line: Int, run: String}}
        {:create repo_summaries {
            repo: String =>
            summary_key: String, content_hash: String, commit: String, run: String}}
        """,
    ),
    Migration(
        2,
        "files, references, redactions; what was read before is read again",
        """
        {?[repo, location, kind, ref, worktree, columns, added_at] :=
            *repos{repo, location, kind, ref, worktree, added_at}, columns = json_object()
         :replace repos {
            repo: String => location: String, kind: String, ref: String, worktree: Bool,
            columns: Json, added_at: String}}
        {?[repo, commit, content, files, records, extractor, updated_at] <- []
         :replace snapshots {
            repo: String => commit: String, content: String, files: Int, records: Int,
            extractor: String, updated_at: String}}
        {?[repo, path] := *skipped_files{repo, path} :rm skipped_files {repo, path}}
        {:create source_files {
            repo: String, path: String => blob: String, bytes: Int, language: String,
            records: Int, reason: String, extractor: String, run: String}}
        {:create file_blobs {blob: String, repo: String, path: String}}
        {?[repo, path, symbol, name, kind, language, start_line, end_line, signature, docstring,
           content_hash, code, inner, parts] <- []
         :replace source_records {
            repo: String, path: String, symbol: String =>
            name: String, kind: String, language: String, start_line: Int, end_line: Int,
            signature: String, docstring: String, content_hash: String, code: String,
            inner: [[Int; 2]], parts: [[Int; 2]]}}
        {:create symbol_references {
            repo: String, path: String, symbol: String => names: Json}}
        {:create redactions {repo: String, path: String, kind: String => count: Int}}
        {:create dependencies {
            repo: String, path: String, symbol: String, kind: String, to_path: String,
            to_symbol: String}}
        {:create reference_counts {
            repo: String, path: String => resolved: Int, ambiguous: Int, external: Int}}
        """,
    ),
    Migration(
        3,
        "records by name",
        """
        {::index create source_records:by_name {repo, name, path, symbol, kind, language}}
        """,
    ),
    Migration(
        4,
        "directories between files and repository",
        """
        {:create directory_summaries {
            repo: String, path: String =>
            summary_key: String, content_hash: String, commit: String}}
        """,
    ),
    Migration(
        5,
        "audit log",
        """
        {:create audit_log {
            id: String => time: String, actor: String, action: String, repo: String,
            detail: Json}}
        """,
    ),
    Migration(
        6,
        "what authors say about files",
        "{:create file_docs {repo: String, path: String => doc: String}}",
    ),
)


def latest_version() -> int:
    """The version that this code reads and writes."""
    return MIGRATIONS[-1].version


def schema_version(store: CozoStore | HeldStore) -> int:
    """The database's version; 0 for one without relations of ours.

    Raises:
        StoreError: when the database cannot be read.
    """
    relations = store.run("list relations", "::relations")
    if not any(row["name"] == _VERSION_RELATION for row in relations):
        return 0
    rows = store.run("read schema_version", f"?[max(version)] := *{_VERSION_RELATION}{{version}}")
    return int(rows[0]["max(version)"] or 0) if rows else 0


def migrate(store: CozoStore) -> list[Migration]:
    """Apply what is missing, oldest first, and return it.

    Two processes may start at once. Embedded, the database is held throughout, and one waits
    for the other. On a server each step begins with the insert of its own version, which fails
    where another process was first; then the version is read again.

    Raises:
        StoreNewer: when the database's version is above `latest_version`.
        StoreError: when a step fails; the database stays at the step before.
    """
    with store.held("migrate the schema") as held:
        version = _checked_version(held)
        return [m for m in MIGRATIONS if m.version > version and _apply(held, m)]


def check_version(store: CozoStore) -> int:
    """The database's version, if this code can work with it.

    Raises:
        StoreNewer: when it is newer than the code.
    """
    with store.held("read the schema version") as held:
        return _checked_version(held)


def _checked_version(held: HeldStore) -> int:
    version = schema_version(held)
    if version > latest_version():
        raise StoreNewer(
            f"the database {held.store.place} has schema version {version}, this Dobby knows "
            f"{latest_version()}: update Dobby, or set DOBBY_HOME to another folder"
        )
    return version


def _apply(held: HeldStore, migration: Migration) -> bool:
    """Whether this process applied it: False when another one had."""
    stamp = (
        f"{{?[version, name] <- [[$version, $name]] "
        f":insert {_VERSION_RELATION} {{version => name}}}}"
    )
    if migration.version == MIGRATIONS[0].version:
        stamp = f"{{:create {_VERSION_RELATION} {{version: Int => name: String}}}} {stamp}"
    params = {"version": migration.version, "name": migration.name}
    try:
        held.run(
            f"migration {migration.version} ({migration.name})",
            stamp + migration.script,
            params,
            write=True,
        )
    except StoreError:
        if schema_version(held) >= migration.version:
            return False
        raise
    return True
