"""The assets `symbol_summaries`, `file_summaries` and `repo_summary`: what the code does, said by
the model and passed by the gate.

Not here: how summaries are planned and made (symbols.py, files.py, repository.py).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from dobby_pipeline.charts import line_chart
from dobby_pipeline.cozo.io_manager import PartitionStream
from dobby_pipeline.cozo.partition import Batches
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.executor import GPU_QUEUE
from dobby_pipeline.inference.models.listing import fetched_revision
from dobby_pipeline.inference.requests import DEFAULT_SAMPLING
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.partitions import OWNERS, repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.quality.children import read_tree
from dobby_pipeline.quality.counts import snapshot
from dobby_pipeline.quality.model_report import LEVELS, model_report, report_rows
from dobby_pipeline.quality.report import quality_report
from dobby_pipeline.summaries.budget import ENDED_EARLY, Budget
from dobby_pipeline.summaries.data_versions import data_version
from dobby_pipeline.summaries.files import FileSummaries
from dobby_pipeline.summaries.limit import taken
from dobby_pipeline.summaries.plan import SymbolPlan
from dobby_pipeline.summaries.prompts import Prompts, load_prompts
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.repository import RepoSummary
from dobby_pipeline.summaries.routing import read_router
from dobby_pipeline.summaries.symbols import SymbolSummaries
from dobby_pipeline.summaries.tally import Tally
from dobby_pipeline.summaries.work import Work
from dobby_pipeline.summaries.writers import Writer, Writers

GPU_POOL = "gpu"
"""Limited to one by dagster.yaml: two models at once would not fit one device."""


_ASSETS = ("symbol_summaries", "file_summaries", "repo_summary")
"""In the order of LEVELS."""


class BudgetConfig(dg.Config):
    """What one run may spend on generation, all of its assets together."""

    max_tokens_total: int | None = Field(
        default=None,
        ge=1,
        description="Prompt and output tokens, after which nothing more is asked; empty for all.",
    )
    max_minutes: float | None = Field(
        default=None,
        gt=0,
        description="Minutes after the run's start, after which nothing more is asked.",
    )


class SymbolConfig(BudgetConfig):
    """What a run of `symbol_summaries` may be told."""

    limit: int | None = Field(
        default=None,
        ge=1,
        description="Only so many records, of the files that most others rely on; empty for all.",
    )
    with_callees: bool = Field(
        default=False,
        description="Callees before callers, whose prompts carry the callees' summaries. Then an "
        "edit that changes a summary makes those of its callers anew.",
    )


def _summaries_asset(
    *deps: dg.AssetsDefinition,
) -> Callable[[Callable[..., Batches]], dg.AssetsDefinition]:
    """A partitioned asset whose rows the model makes."""
    return dg.asset(
        partitions_def=repo_partitions,
        io_manager_key="cozo_io_manager",
        group_name="summaries",
        owners=OWNERS,
        kinds={"mlx", "cozodb"},
        pool=GPU_POOL,
        op_tags=GPU_QUEUE,
        deps=deps,
    )


@_summaries_asset()
def symbol_summaries(
    context: dg.AssetExecutionContext,
    config: SymbolConfig,
    source_records: PartitionStream,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: dg.ResourceParam[Reporter],
) -> Batches:
    """One summary for each source record, with a verdict and where it comes from.

    Only what is missing is generated: a summary belongs to its code, prompt and model, so the
    same code in another repository, branch or fork costs nothing.
    """
    store, repo, prompts = cozo.store(), context.partition_key, load_prompts()
    work = _work(context, config, cozo, mlx, progress, prompts)
    work.taken = taken(store, repo, config.limit) if config.limit else None
    commit = _commit(cozo, repo)
    plan = SymbolPlan(
        store, repo, source_records, work.writers, prompts, commit, config.with_callees
    )
    rows = SymbolSummaries(plan, work).batches()
    return Batches(rows, lambda: _told(context, work, mlx))


@_summaries_asset(symbol_summaries)
def file_summaries(
    context: dg.AssetExecutionContext,
    config: BudgetConfig,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: dg.ResourceParam[Reporter],
) -> Batches:
    """One summary for each file, from those of its symbols.

    A file is summarised when all of its symbols have a verdict, and again only when one of their
    published texts has changed.
    """
    prompts = load_prompts()
    work = _work(context, config, cozo, mlx, progress, prompts)
    files = FileSummaries(work, prompts, _commit(cozo, context.partition_key))

    def finish() -> dict[str, Any]:
        return {**_told(context, work, mlx), "files with symbols missing": files.incomplete}

    return Batches(files.batches(), finish)


@_summaries_asset(file_summaries)
def repo_summary(
    context: dg.AssetExecutionContext,
    config: BudgetConfig,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: dg.ResourceParam[Reporter],
) -> Batches:
    """What the repository is for, from its files' summaries by way of its directories.

    It is made when every file with records has a verdict; until then the former one stays, and is
    told to be stale.
    """
    repo, prompts = context.partition_key, load_prompts()
    tree = read_tree(cozo.store(), repo, context.run.run_id)
    work = _work(context, config, cozo, mlx, progress, prompts)
    summary = RepoSummary(work, prompts, tree, _commit(cozo, repo))

    def finish() -> dict[str, Any]:
        return {**_told(context, work, mlx), "files without a summary": tree.missing}

    if tree.missing:
        context.log.warning(f"{repo}: {tree.missing} files have no summary: no repo_summary now")
        return Batches([], finish, whole=False)
    return Batches(summary.batches(), finish)


def _work(
    context: dg.AssetExecutionContext,
    config: BudgetConfig,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: Reporter,
    prompts: Prompts,
) -> Work:
    return Work(
        stage=context.asset_key.path[-1],
        store=cozo.store(),
        repo=context.partition_key,
        writers=_writers(mlx),
        repair=prompts.repair,
        report=progress.to(context.log.info),
        budget=Budget(config.max_tokens_total, _seconds_left(context, config), mlx.tokens_spent),
    )


def _writers(mlx: MlxSessionsResource) -> Writers:
    """A writer for each model that the routes may choose."""
    router = read_router(mlx.routes, mlx.model)
    return Writers({model: _writer(mlx, model) for model in router.models}, router.choose)


def _writer(mlx: MlxSessionsResource, model: str) -> Writer:
    manifest = mlx.manifest_of(model)
    recipe = Recipe(model, fetched_revision(manifest), "", DEFAULT_SAMPLING.key)
    return Writer(recipe, partial(mlx.pool_of, model))


def _seconds_left(context: dg.AssetExecutionContext, config: BudgetConfig) -> float | None:
    """Of the run's minutes, counted from its start and not from this step's."""
    if config.max_minutes is None:
        return None
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = record.start_time if record and record.start_time else time.time()
    return max(0.0, 60 * config.max_minutes - max(0.0, time.time() - started))


def _commit(cozo: CozoResource, repo: str) -> str:
    read = snapshot(cozo.store(), repo)
    return read.commit if read else ""


def _told(
    context: dg.AssetExecutionContext, work: Work, mlx: MlxSessionsResource
) -> dict[str, Any]:
    """The metadata of a materialisation, whose data version is set: all rows are committed."""
    version = data_version(work.store, work.stage, work.repo)
    context.set_data_version(context.asset_key, dg.DataVersion(version))
    ended = work.budget.line
    if ended:
        left = work.tally.records - work.tally.covered
        context.log.warning(f"{work.repo}: {ended}: {left} left for the next run")
    told = {ENDED_EARLY: ended} if ended else {}
    samples = dg.MetadataValue.md(_samples(work.tally))
    report = quality_report(context, work.store)
    return {**_counts(work, mlx), **told, **_side_by_side(work), **report, "samples": samples}


def _side_by_side(work: Work) -> dict[str, Any]:
    """The models compared, at this level and those below it; nothing where there is only one."""
    if len(work.writers.by_model) == 1:
        return {}
    levels = LEVELS[: _ASSETS.index(work.stage) + 1]
    records = [
        dg.TableRecord(row) for row in report_rows(model_report(work.store, work.repo, levels))
    ]
    return {"models side by side": dg.MetadataValue.table(records)} if records else {}


def _counts(work: Work, mlx: MlxSessionsResource) -> dict[str, Any]:
    tally = work.tally
    counts = {
        "models": ", ".join(work.writers.by_model),
        "records": tally.records,
        "present already": tally.present,
        "left out by the limit": tally.left_out,
        "generated": tally.generated,
        "of them steps to others": tally.parts,
        "published of the generated": tally.published,
        "of them at the second attempt": tally.repaired,
        "extractive": tally.extractive,
        "prompt tokens": tally.prompt_tokens,
        "output tokens": tally.output_tokens,
    }
    pool = mlx.latest
    if tally.generated and pool:
        stats = mlx.stats()
        counts |= {
            "device": pool.device,
            "sessions": pool.sessions,
            "fallbacks": stats.fallbacks,
            "records a minute": round(tally.records_a_minute, 1),
            "tokens written a second": round(stats.output_tokens / max(stats.seconds, 1e-9), 1),
            "seconds reading prompts": round(stats.prefill_seconds, 2),
            "seconds writing": round(stats.decode_seconds, 2),
            "prompts with a beginning read before": stats.prefix_hits,
            "refused": stats.refused,
            "asked again": stats.retries,
            "peak device memory (MB)": round(stats.peak_memory_bytes / 1e6),
            "run over time": dg.MetadataValue.md(line_chart(mlx.run_over_time(), "minutes")),
        }
    return counts


def _samples(tally: Tally) -> str:
    """A few of the run's summaries as a markdown list, code names as code."""
    lines = [f"- {_place(path, symbol)}{text}" for path, symbol, text in tally.samples]
    return "\n".join(lines) or "Nothing was generated in this run."


def _place(path: str, symbol: str) -> str:
    names = " ".join(f"`{name}`" for name in (path, symbol) if name)
    return f"{names}: " if names else ""
