"""`dobby models`: manifests and weights.

Not here: how they are fetched, converted and checked (inference/).
"""

import json
from dataclasses import asdict

import click

from dobby_pipeline.cli.setting import settings
from dobby_pipeline.cli.terminal import PullBar, say
from dobby_pipeline.inference.manifests import load_manifest
from dobby_pipeline.inference.models import ModelState, list_models
from dobby_pipeline.inference.models import verify as verify_model
from dobby_pipeline.inference.pull import pull as pull_model


@click.group()
def models() -> None:
    """The models that can be used, and their weights."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List the models that have a manifest; `*` marks the one that DOBBY_MODEL names."""
    chosen = settings().model
    for state in list_models():
        click.echo(json.dumps(asdict(state)) if as_json else _line(state, chosen))


@models.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch the weights of NAME, check their hashes and convert them; goes on where it stopped."""
    manifest = load_manifest(name)
    with PullBar() as bar:
        folder = pull_model(manifest, bar)
    say(f"{name}: ready in {folder}")


@models.command()
@click.argument("name")
def verify(name: str) -> None:
    """Check every file of NAME against its hash, and let the model answer once."""
    answer = verify_model(load_manifest(name), settings().device)
    say(f"{name}: all files are whole, and it answers: {answer.text!r}")


def _line(state: ModelState, chosen: str) -> str:
    mark = "*" if state.name == chosen else " "
    if state.problem:
        return f"{mark} {state.name:24} {state.problem}"
    pulled = f"pulled, {state.size / 1e6:.0f} MB" if state.pulled else "not pulled"
    return (
        f"{mark} {state.name:24} {state.parameters / 1e6:.0f}M, {state.licence}, context "
        f"{state.context}, {pulled}; {state.source}"
    )
