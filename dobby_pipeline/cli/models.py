"""`dobby models`: manifests and weights.

Not here: how they are fetched, converted and checked (inference/).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dobby_pipeline.cli.setting import reading_store, settings
from dobby_pipeline.cli.terminal import PullBar, say
from dobby_pipeline.inference.models.convert import UNKNOWN, convert_model
from dobby_pipeline.inference.models.listing import ModelState, list_models
from dobby_pipeline.inference.models.manifests import QUANTIZE, load_manifest, weights_folder
from dobby_pipeline.inference.models.pull import pull as pull_model
from dobby_pipeline.inference.models.verify import verify as verify_model
from dobby_pipeline.settings import Settings
from dobby_pipeline.sources.registry import get_repo

if TYPE_CHECKING:
    from dobby_pipeline.quality.model_report import ModelLine


@click.group()
def models() -> None:
    """The models that can be used, and their weights."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the models that have a manifest.

    `*` marks the one that DOBBY_MODEL names, `+` others that DOBBY_ROUTES may choose.
    """
    from dobby_pipeline.inference.device import choose_device
    from dobby_pipeline.summaries.routing import read_router

    found = settings()
    routed = read_router(found.routes, found.model).models
    for state in list_models(choose_device(found.device).kind, found.memory_limit_gb):
        if as_json:
            click.echo(json.dumps({**asdict(state), "used": state.name in routed}))
        else:
            click.echo(_line(state, found, routed))


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def report(name: str, as_json: bool) -> None:
    """Compare the models that wrote the summaries of the repository NAME."""
    from dobby_pipeline.quality.model_report import model_report

    store = reading_store(settings())
    lines = model_report(store, get_repo(store, name).repo)
    if as_json:
        for line in lines:
            click.echo(json.dumps({"repo": name, **asdict(line)}))
    elif lines:
        _print_table(lines)
    else:
        say(f"{name}: has no summaries yet: run `dobby summarize {name}`")


@models.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch the weights of NAME, check their hashes and convert them; goes on where it stopped."""
    manifest = load_manifest(name)
    with PullBar() as bar:
        folder = pull_model(manifest, bar)
    say(f"{name}: ready in {folder}")


@models.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("name")
@click.option(
    "--quantize",
    type=click.Choice([str(bits) for bits in QUANTIZE]),
    help="Bits of a weight; without it they are kept as they are, or unpacked to bfloat16.",
)
def convert(source: Path, name: str, quantize: str | None) -> None:
    """Convert SRC to the new model NAME: its weights, and a manifest that describes it.

    SRC is a GGUF file of the llama or qwen2 family, or a folder with a hub repository's files.
    """
    with PullBar() as bar:
        manifest = convert_model(source, name, int(quantize) if quantize else None, bar)
    say(f"{name}: ready in {weights_folder(name)}, described in {manifest.file}")
    if manifest.licence == UNKNOWN:
        say(f"{name}: its source names no licence: write it into {manifest.file}")


@models.command()
@click.argument("name")
def verify(name: str) -> None:
    """Check the files of NAME, and that it says on this machine what its source says."""
    found = settings()
    verified = verify_model(load_manifest(name), found.device, found.memory_limit_gb)
    golden = "no golden tokens were recorded"
    if verified.golden is not None:
        golden = f"{verified.golden} golden tokens are those of its source"
    say(f"{name}: all files are whole, {golden}, and it answers: {verified.answer.text!r}")


def _line(state: ModelState, found: Settings, routed: Sequence[str]) -> str:
    mark = "*" if state.name == found.model else "+" if state.name in routed else " "
    if state.problem:
        return f"{mark} {state.name:24} {state.problem}"
    pulled = f"pulled, {state.size / 1e6:.0f} MB" if state.pulled else "not pulled"
    memory = "memory unknown"
    if state.needs is not None:
        fits = "fits" if state.fits else f"more than {found.memory_limit_gb:g}"
        memory = f"needs {state.needs / 1e9:.1f} GB ({fits})"
    return (
        f"{mark} {state.name:24} {state.parameters / 1e6:.0f}M, {state.licence}, context "
        f"{state.context}, {pulled}, {memory}; {state.source}"
    )


def _print_table(lines: "Sequence[ModelLine]") -> None:
    click.echo(
        f"{'level':7}{'model':24}{'summaries':>10}{'published':>10}{'extracts':>9}{'pass rate':>10}"
        f"{'at first':>9}{'tokens in':>10}{'out':>6}{'ms':>8}{'confidence':>11}"
    )
    for line in lines:
        rates = (_percent(line.pass_rate), _percent(line.first_pass_rate))
        costs = (_number(line.prompt_tokens), _number(line.output_tokens), _number(line.ms))
        sure = "-" if line.confidence is None else f"{line.confidence:.2f}"
        click.echo(
            f"{line.level:7}{line.model:24}{line.summaries:>10}{line.published:>10}"
            f"{line.extractive:>9}{rates[0]:>10}{rates[1]:>9}{costs[0]:>10}{costs[1]:>6}"
            f"{costs[2]:>8}{sure:>11}"
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
