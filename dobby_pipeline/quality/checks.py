"""The asset checks: what must hold for a whole repository before anything downstream runs.

Not here: the gate on one summary (gate.py) and the counting (counts.py).
"""

import warnings
from collections.abc import Callable, Sequence

import dagster as dg

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.quality.counts import count_files, count_records, count_verdicts, snapshot

MIN_PUBLISHED_SHARE = 0.5
"""Below it the model, the prompt or the gate is wrong for the repository, not single summaries.
The embedded 135M model publishes 68 % (of 153; most others loop), one of random weights none."""

MIN_JUDGED = 20
"""Summaries from which on the share counts. Of 4 by a model that publishes 68 %, less than half
are published in one case of ten; of 20 in one of thirty-five. None at all is always too few."""

LIMIT_TAG = "dobby/limit"
"""Set on runs that were told to leave records out, so that a check can tell it from a loss."""

_EMPTY = "?[count(symbol)] := *source_records{repo: $repo, path, symbol, code}, code == ''"

_UNPROVEN = """
?[count(symbol)] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, commit, start_line, end_line},
    *summary_bodies{summary_key, model, model_revision, prompt_version, device, created_at},
    (commit == '' || start_line < 1 || end_line < start_line || model == ''
     || model_revision == '' || prompt_version == '' || device == '' || created_at == '')
"""

Check = Callable[[CozoStore, str, dg.AssetCheckExecutionContext], dg.AssetCheckResult]


def _check(asset: str, description: str) -> Callable[[Check], dg.AssetChecksDefinition]:
    """A blocking check on each partition that the run has: any failing one fails it."""

    def decorate(check: Check) -> dg.AssetChecksDefinition:
        # Partitioned checks are in preview, which Dagster would say once for each of ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return define(check)

    def define(check: Check) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset=asset,
            name=check.__name__,
            description=description,
            blocking=True,
            partitions_def=repo_partitions,
        )
        def run(context: dg.AssetCheckExecutionContext, cozo: CozoResource) -> dg.AssetCheckResult:
            store = cozo.store()
            repos = context.op_execution_context.partition_keys
            return _worst([check(store, repo, context) for repo in repos])

        return run

    return decorate


def _worst(results: Sequence[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    failed = [r for r in results if not r.passed]
    errors = [r for r in failed if r.severity == dg.AssetCheckSeverity.ERROR]
    return (errors or failed or list(results))[0]


@_check("source_records", "Files with records + files in the skip ledger = the files git lists.")
def every_file_is_accounted_for(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Invariant: no listed file is lost between git and the store."""
    read = snapshot(store, repo)
    listed = read.files if read else -1
    with_records = count_records(store, repo)[1]
    files = count_files(store, repo)
    skipped = sum(count for reason, count in files.items() if reason)
    return dg.AssetCheckResult(
        passed=listed == with_records + skipped and files.get("", 0) == with_records,
        description=f"{repo}: {listed} listed, {with_records} with records, {skipped} skipped",
        metadata={"listed": listed, "with records": with_records, "skipped": skipped},
    )


@_check("source_records", "As many rows are stored as records were read: no key stands twice.")
def keys_are_unique(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Two records of one key would overwrite each other, and the count would fall short."""
    read = snapshot(store, repo)
    expected = read.records if read else -1
    stored = count_records(store, repo)[0]
    return dg.AssetCheckResult(
        passed=stored == expected,
        description=f"{repo}: {expected} records read, {stored} rows stored",
        metadata={"read": expected, "stored": stored},
    )


@_check("source_records", "Every record has code.")
def no_record_is_empty(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A record without code would be summarised from its name alone."""
    rows = store.run("count empty source_records", _EMPTY, {"repo": repo})
    empty = rows[0]["count(symbol)"]
    return dg.AssetCheckResult(
        passed=empty == 0, description=f"{repo}: {empty} empty", metadata={"empty": empty}
    )


@_check("symbol_summaries", "Every source record has a summary with a verdict.")
def every_record_has_a_verdict(
    store: CozoStore, repo: str, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A run with a limit leaves records out on purpose: then this warns and blocks nothing."""
    verdicts = count_verdicts(store, repo)
    limited = LIMIT_TAG in context.run.tags
    why = ", left out by the run's limit" if limited and verdicts.missing else ""
    return dg.AssetCheckResult(
        passed=verdicts.missing == 0,
        severity=dg.AssetCheckSeverity.WARN if limited else dg.AssetCheckSeverity.ERROR,
        description=f"{repo}: {verdicts.missing} records without a summary{why}",
        metadata={"missing": verdicts.missing},
    )


@_check("symbol_summaries", f"At least {MIN_PUBLISHED_SHARE:.0%} of the summaries are published.")
def enough_is_published(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A low share means that what is left would give a wrong picture of the repository."""
    verdicts = count_verdicts(store, repo)
    judged = verdicts.published + verdicts.quarantined
    share = verdicts.published / judged if judged else 1.0
    some = judged < MIN_JUDGED and verdicts.published > 0
    return dg.AssetCheckResult(
        passed=share >= MIN_PUBLISHED_SHARE or some,
        description=f"{repo}: {verdicts.published} of {judged} summaries are published",
        metadata={
            "published": verdicts.published,
            "quarantined": verdicts.quarantined,
            "published share": share,
        },
    )


@_check("symbol_summaries", "Every summary says which code, model, prompt and device made it.")
def provenance_is_complete(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Commit, lines, model, revision, prompt version, device and time are all there."""
    rows = store.run("count summaries without provenance", _UNPROVEN, {"repo": repo})
    unproven = rows[0]["count(symbol)"]
    return dg.AssetCheckResult(
        passed=unproven == 0,
        description=f"{repo}: {unproven} summaries with gaps in their provenance",
        metadata={"incomplete": unproven},
    )


CHECKS = (
    every_file_is_accounted_for,
    keys_are_unique,
    no_record_is_empty,
    every_record_has_a_verdict,
    enough_is_published,
    provenance_is_complete,
)
