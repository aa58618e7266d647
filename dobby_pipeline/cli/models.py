"""`dobby models`: manifests and weights.

Not here: how they are fetched, converted and checked (inference/).
"""

import click

from dobby_pipeline.cli.terminal import PullBar, say
from dobby_pipeline.inference.manifests import load_manifest
from dobby_pipeline.inference.pull import pull as pull_model


@click.group()
def models() -> None:
    """The models that can be used, and their weights."""


@models.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch the weights of NAME, check their hashes and convert them; goes on where it stopped."""
    manifest = load_manifest(name)
    with PullBar() as bar:
        folder = pull_model(manifest, bar)
    say(f"{name}: ready in {folder}")
