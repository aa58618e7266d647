"""The asset `symbol_summaries`: what each symbol does, said by the model and passed by the gate.

Not here: how summaries are planned and made (plan.py, generate.py).
"""

from typing import Any

import dagster as dg
from pydantic import Field

from dobby_pipeline.cozo.io_manager import PartitionStream
from dobby_pipeline.cozo.partition import Batches
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.inference.models import fetched_revision
from dobby_pipeline.inference.requests import DEFAULT_SAMPLING
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.quality.counts import snapshot
from dobby_pipeline.summaries.generate import SymbolSummaries
from dobby_pipeline.summaries.plan import Recipe
from dobby_pipeline.summaries.prompts import load_prompts

GPU_POOL = "gpu"
"""Limited to one by dagster.yaml: two models at once would not fit one device."""


class SummaryConfig(dg.Config):
    """What one run of a summaries asset may be told."""

    limit: int | None = Field(
        default=None,
        ge=1,
        description="Only the first so many records of the repository; empty for all.",
    )


@dg.asset(
    partitions_def=repo_partitions,
    io_manager_key="cozo_io_manager",
    group_name="summaries",
    kinds={"mlx", "cozodb"},
    pool=GPU_POOL,
)
def symbol_summaries(
    context: dg.AssetExecutionContext,
    config: SummaryConfig,
    source_records: PartitionStream,
    cozo: CozoResource,
    mlx: MlxSessionsResource,
    progress: dg.ResourceParam[Reporter],
) -> Batches:
    """One summary for each source record, with a verdict and where it comes from.

    Only what is missing is generated: a summary belongs to its code, prompt and model, so the
    same code in another repository, branch or fork costs nothing.
    """
    manifest = mlx.manifest
    prompts = load_prompts()
    read = snapshot(cozo.store(), context.partition_key)
    work = SymbolSummaries(
        store=cozo.store(),
        repo=context.partition_key,
        commit=read.commit if read else "",
        records=source_records,
        recipe=Recipe(
            manifest.name, fetched_revision(manifest), prompts.symbol.version, DEFAULT_SAMPLING.key
        ),
        prompts=prompts,
        open_pool=mlx.pool,
        report=progress.to(context.log.info),
        limit=config.limit,
    )

    def finish() -> dict[str, Any]:
        return {**_counts(work, mlx), "samples": dg.MetadataValue.md(_samples(work))}

    return Batches(work.batches(), finish)


def _counts(work: SymbolSummaries, mlx: MlxSessionsResource) -> dict[str, Any]:
    tally = work.tally
    counts = {
        "model": work.recipe.model,
        "prompt version": work.recipe.prompt_version,
        "records": tally.records,
        "present already": tally.present,
        "left out by the limit": tally.left_out,
        "generated": tally.generated,
        "of them for parts of large symbols": tally.parts,
        "published of the generated": tally.published,
        "prompt tokens": tally.prompt_tokens,
        "output tokens": tally.output_tokens,
    }
    if tally.generated:
        stats = mlx.pool().stats()
        counts |= {
            "device": mlx.pool().device,
            "sessions": mlx.pool().sessions,
            "fallbacks": stats.fallbacks,
            "records a minute": round(tally.records_a_minute, 1),
            "peak device memory (MB)": round(stats.peak_memory_bytes / 1e6),
        }
    return counts


def _samples(work: SymbolSummaries) -> str:
    """A few of the run's summaries as a markdown list, code names as code."""
    lines = [f"- `{path}` `{symbol}`: {text}" for path, symbol, text in work.tally.samples]
    return "\n".join(lines) or "Nothing was generated in this run."
