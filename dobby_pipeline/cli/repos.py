"""`dobby repos`: the registry.

Not here: reading a repository, which a run does.
"""

import json
from dataclasses import asdict

import click

from dobby_pipeline.cli.setting import reading_store, settings, writing_store
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.errors import UsageError
from dobby_pipeline.sources.open_source import check_source
from dobby_pipeline.sources.registry import (
    DATABASE_KINDS,
    Repo,
    add_repo,
    checked,
    get_repo,
    list_repos,
    remove_repo,
)


@click.group()
def repos() -> None:
    """The registered repositories."""


@repos.command()
@click.argument("name")
@click.argument("location")
@click.option("--ref", default="HEAD", help="Branch, tag or commit; HEAD is the default branch.")
@click.option(
    "--kind",
    type=click.Choice(["git", *DATABASE_KINDS]),
    default="git",
    help="What LOCATION is; with cozo, --relation, --key and --code say where the code stands.",
)
@click.option("--worktree", is_flag=True, help="Read the folder's files as they lie there.")
@click.option("--relation", help="The relation of a Cozo database that holds code.")
@click.option("--key", help="The column that names a row's code.")
@click.option("--code", help="The column with the code.")
@click.option("--path", help="The column with the path of its file, if there is one.")
@click.option("--language", help="The column with its language, if there is one.")
def add(
    name: str, location: str, ref: str, kind: str, worktree: bool, **columns: str | None
) -> None:
    """Register LOCATION as NAME. The sensor takes it from there.

    LOCATION is a path or a git URL; or a Cozo database: its folder (RocksDB), its file (SQLite),
    or the http address of its server, with the token in DOBBY_SOURCE_COZO_AUTH.
    """
    found = settings()
    store = writing_store(found)
    given = {option: value for option, value in columns.items() if value is not None}
    repo = checked(Repo(name, location, kind, ref, worktree, given))
    check_source(repo, found.home)
    repo = add_repo(store, repo)
    from dobby_pipeline.cli.runs import dagster_instance
    from dobby_pipeline.partitions import repo_partitions

    with dagster_instance(found) as instance:
        instance.add_dynamic_partitions(repo_partitions.name or "", [repo.repo])
    say(f"{repo.repo}: {repo.location} {_what(repo)}")


def _what(repo: Repo) -> str:
    if repo.kind == "git":
        return f"at {repo.ref}"
    return f"({', '.join((repo.kind, *repo.columns.values()))})"


@repos.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_(as_json: bool) -> None:
    """List what is registered."""
    for repo in list_repos(reading_store(settings(), of_all=True)):
        line = f"{repo.repo}  {repo.kind}  {repo.ref}  {repo.location}"
        click.echo(json.dumps(asdict(repo)) if as_json else line)


@repos.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget NAME and everything stored of it. The repository itself is not touched."""
    found = settings()
    store = reading_store(found)
    get_repo(store, name)
    from dobby_pipeline.automation.commits import busy_partitions
    from dobby_pipeline.cli.runs import dagster_instance
    from dobby_pipeline.partitions import repo_partitions

    with dagster_instance(found) as instance:
        if name in busy_partitions(instance):
            raise UsageError(
                f"a run of {name} is queued or under way, and would write after the removal: "
                "terminate it in the UI, or wait for its end"
            )
        remove_repo(store, name)
        instance.delete_dynamic_partition(repo_partitions.name or "", name)
    say(f"{name}: removed")
