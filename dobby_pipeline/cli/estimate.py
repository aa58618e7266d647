"""`dobby summarize --estimate`: what a run would cost, for people and as JSON.

Not here: the counting (summaries/estimate.py), and other models than the one that DOBBY_MODEL
names: what DOBBY_ROUTES would give to another is counted as if that one wrote it, and as missing
where the other has written it already.
"""

import json
from dataclasses import asdict
from datetime import timedelta
from functools import lru_cache

import click

from dobby_pipeline.cli.options import RunOptions
from dobby_pipeline.cozo.io_manager import PartitionStream
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.chat import Chat
from dobby_pipeline.inference.models.listing import fetched_revision
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import require_pulled
from dobby_pipeline.inference.requests import DEFAULT_SAMPLING
from dobby_pipeline.quality.counts import snapshot
from dobby_pipeline.schema.relations import SOURCE_RECORDS
from dobby_pipeline.settings import Settings
from dobby_pipeline.summaries.estimate import Estimate, estimate
from dobby_pipeline.summaries.plan import SymbolPlan
from dobby_pipeline.summaries.prompts import Prompt, load_prompts
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.writers import Pool, Writer, one_writer


def estimate_of(found: Settings, store: CozoStore, repo: str, options: RunOptions) -> Estimate:
    """What a run would cost on a repository whose records were read; no model is loaded.

    Raises:
        ModelError: when the model is not pulled.
    """
    manifest = load_manifest(found.model)
    chat = Chat(require_pulled(manifest), system_role=manifest.system_role)
    recipe = Recipe(manifest.name, fetched_revision(manifest), "", DEFAULT_SAMPLING.key)
    prompts, read = load_prompts(), snapshot(store, repo)
    plan = SymbolPlan(
        store,
        repo,
        PartitionStream(store, SOURCE_RECORDS, [repo]),
        one_writer(Writer(recipe, _no_pool)),
        prompts,
        read.commit if read else "",
    )

    @lru_cache(maxsize=64)
    def count(text: str, prompt: Prompt) -> int:
        return len(chat.encode(text, prompt.system, prompt.examples))

    return estimate(plan, count, limit=options.limit, levels=options.levels)


def print_estimate(repo: str, found: Estimate, *, as_json: bool) -> None:
    """An object a level and one for the whole, or a table."""
    if as_json:
        for cost in found.costs:
            click.echo(json.dumps({"repo": repo, **asdict(cost)}))
        whole = {"repo": repo, "level": "all", **_sums(found), "seconds": found.seconds}
        click.echo(json.dumps(whole))
        return
    click.echo(f"{repo}: {'level':8} {'calls':>8} {'prompt tokens':>16} {'output tokens':>14}")
    for cost in found.costs:
        about = "" if cost.exact == cost.prompt_tokens else "~"
        prompt = f"{about}{cost.prompt_tokens:,}"
        calls = f"{cost.calls + cost.second_attempts:,}"
        output = f"~{cost.output_tokens:,}"
        click.echo(f"{repo}: {cost.level:8} {calls:>8} {prompt:>16} {output:>14}")
    click.echo(f"{repo}: {_time(found)}")


def _sums(found: Estimate) -> dict[str, int]:
    names = ("calls", "second_attempts", "prompt_tokens", "exact", "output_tokens")
    return {name: sum(getattr(cost, name) for cost in found.costs) for name in names}


def _time(found: Estimate) -> str:
    if not any(cost.calls for cost in found.costs):
        return "nothing to do"
    if found.seconds is None:
        return "this machine has no history of the model: a run with --limit 20 makes some"
    told = timedelta(seconds=round(found.seconds))
    return f"about {told} by the latest {found.history.answers:,} answers on this machine"


def _no_pool() -> Pool:
    raise AssertionError("an estimate asks no model")
