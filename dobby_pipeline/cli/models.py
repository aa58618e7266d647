"""`dobby models`: manifests and weights.

Not here: how they are fetched, converted and checked (inference/).
"""

import json
from dataclasses import asdict
from pathlib import Path

import click

from dobby_pipeline.cli.setting import settings
from dobby_pipeline.cli.terminal import PullBar, say
from dobby_pipeline.inference.convert import UNKNOWN, convert_model
from dobby_pipeline.inference.manifests import QUANTIZE, load_manifest, weights_folder
from dobby_pipeline.inference.models import ModelState, list_models
from dobby_pipeline.inference.pull import pull as pull_model
from dobby_pipeline.inference.verify import verify as verify_model
from dobby_pipeline.settings import Settings


@click.group()
def models() -> None:
    """The models that can be used, and their weights."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the models that have a manifest; `*` marks the one that DOBBY_MODEL names."""
    from dobby_pipeline.inference.device import choose_device

    found = settings()
    for state in list_models(choose_device(found.device).kind, found.memory_limit_gb):
        click.echo(json.dumps(asdict(state)) if as_json else _line(state, found))


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


def _line(state: ModelState, found: Settings) -> str:
    mark = "*" if state.name == found.model else " "
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
