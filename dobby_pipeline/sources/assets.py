"""The asset `source_records`: what there is to summarise in a repository.

Not here: reading a repository (reader.py) and the checks on the result (quality/checks.py).
"""

import dagster as dg

from dobby_pipeline.cozo.partition import Batches
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.sources.checkout import checkout
from dobby_pipeline.sources.ingest import ingest
from dobby_pipeline.sources.registry import get_repo


@dg.asset(
    partitions_def=repo_partitions,
    deps=["cozo_schema"],
    io_manager_key="cozo_io_manager",
    group_name="sources",
    kinds={"git", "treesitter", "cozodb"},
)
def source_records(
    context: dg.AssetExecutionContext, cozo: CozoResource, progress: dg.ResourceParam[Reporter]
) -> Batches:
    """One row for each function, class, type, … of the repository's committed tree.

    Each file that git lists either gives rows here or stands in the skip ledger with a reason.
    """
    store = cozo.store()
    repo = get_repo(store, context.partition_key)
    source = checkout(repo, cozo.home_path)
    context.log.info(f"{repo.repo}: reading {repo.location} at {source.commit}")
    return ingest(store, repo.repo, context.run.run_id, source, progress.to(context.log.info))
