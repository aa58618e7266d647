"""The job `register_repo`: a repository into the registry, from the UI's launchpad.

Not here: the registry (sources/registry.py), and `dobby repos add`, which is the same in a shell.
"""

import dagster as dg
from pydantic import Field

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.sources.open_source import check_source
from dobby_pipeline.sources.registry import Repo, add_repo, checked


class RegistrationConfig(dg.Config):
    """As the options of `dobby repos add`."""

    name: str = Field(description="What the repository is called here: its partition.")
    location: str = Field(
        description="A path on this machine or a git URL; or a Cozo database: its folder, its "
        "file, or its server's http address."
    )
    ref: str = Field(
        default="HEAD", description="Branch, tag or commit; HEAD is the default branch."
    )
    kind: str = Field(default="git", description="git, cozo or parseltongue.")
    worktree: bool = Field(
        default=False, description="Read the folder's files as they lie there, committed or not."
    )
    columns: dict[str, str] = Field(
        default={},
        description="Of kind cozo: relation, key, code, and path and language if there.",
    )


@dg.op(description="Registers a repository and adds its partition; nothing is read yet.")
def register(
    context: dg.OpExecutionContext, config: RegistrationConfig, cozo: CozoResource
) -> None:
    """As `dobby repos add`.

    Raises:
        UsageError: for a name or options that cannot be, or a name that another location has.
        SourceError: for a location that cannot be reached or read.
    """
    repo = checked(
        Repo(config.name, config.location, config.kind, config.ref, config.worktree, config.columns)
    )
    check_source(repo, cozo.home_path)
    store = cozo.store()
    migrate(store)
    repo = add_repo(store, repo, actor=f"dagster:run:{context.run_id}")
    context.instance.add_dynamic_partitions(repo_partitions.name or "", [repo.repo])
    context.add_output_metadata({"location": repo.location, "ref": repo.ref, "kind": repo.kind})


@dg.job(description="Registers a repository; the sensor `new_commits` takes it from there.")
def register_repo() -> None:
    """`dobby repos add` as a run."""
    register()
