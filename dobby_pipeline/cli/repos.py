"""`dobby repos`: the registry.

Not here: reading a repository, which a run does.
"""

import json
from dataclasses import asdict

import click

from dobby_pipeline.cli.setting import reading_store, settings, writing_store
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.sources.checkout import latest_commit
from dobby_pipeline.sources.registry import Repo, add_repo, checked, list_repos, remove_repo


@click.group()
def repos() -> None:
    """The registered repositories."""


@repos.command()
@click.argument("name")
@click.argument("location")
@click.option("--ref", default="HEAD", help="Branch, tag or commit; HEAD is the default branch.")
@click.option("--kind", type=click.Choice(["git"]), default="git", help="What LOCATION is.")
@click.option("--worktree", is_flag=True, help="Read the folder's files as they lie there.")
def add(name: str, location: str, ref: str, kind: str, worktree: bool) -> None:
    """Register LOCATION, a path or a git URL, as NAME. The sensor takes it from there."""
    found = settings()
    store = writing_store(found)
    repo = checked(Repo(name, location, kind, ref, worktree))
    latest_commit(repo)
    repo = add_repo(store, repo)
    from dobby_pipeline.cli.runs import dagster_instance
    from dobby_pipeline.partitions import repo_partitions

    with dagster_instance(found) as instance:
        instance.add_dynamic_partitions(repo_partitions.name or "", [repo.repo])
    say(f"{repo.repo}: {repo.location} at {repo.ref}")


@repos.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List what is registered."""
    for repo in list_repos(reading_store(settings())):
        line = f"{repo.repo}  {repo.kind}  {repo.ref}  {repo.location}"
        click.echo(json.dumps(asdict(repo)) if as_json else line)


@repos.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget NAME and everything stored of it. The repository itself is not touched."""
    found = settings()
    remove_repo(reading_store(found), name)
    from dobby_pipeline.cli.runs import dagster_instance
    from dobby_pipeline.partitions import repo_partitions

    with dagster_instance(found) as instance:
        instance.delete_dynamic_partition(repo_partitions.name or "", name)
    say(f"{name}: removed")
