"""The asset `source_records`: what there is to summarise in a repository.

Not here: reading a repository (reader.py) and the checks on the result (quality/checks.py).
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import dagster as dg

from dobby_pipeline.charts import bar_chart
from dobby_pipeline.cozo.partition import Batch, Batches
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import OWNERS, repo_partitions
from dobby_pipeline.progress import Reporter
from dobby_pipeline.sources.extractor_version import EXTRACTOR_VERSION
from dobby_pipeline.sources.ingest import Ingest
from dobby_pipeline.sources.open_source import open_source
from dobby_pipeline.sources.registry import get_repo

# Data versions are what keeps an unchanged tree from waking what is downstream; a user of `dobby`
# can do nothing about Dagster calling them beta.
warnings.filterwarnings("ignore", "Parameter `data_version`", dg.BetaWarning)

_TABLES = ("records by language", "skipped by reason", "secrets redacted")


@dg.asset(
    partitions_def=repo_partitions,
    deps=["cozo_schema"],
    io_manager_key="cozo_io_manager",
    group_name="sources",
    owners=OWNERS,
    kinds={"git", "treesitter", "cozodb"},
)
def source_records(
    context: dg.AssetExecutionContext, cozo: CozoResource, progress: dg.ResourceParam[Reporter]
) -> dg.Output[Batches]:
    """One row for each function, class, type, … of the repository's committed tree.

    Each file that git lists either gives rows here or stands in the skip ledger with a reason.
    A file whose content was read before, in whichever repository, is not read again.
    """
    store = cozo.store()
    repo = get_repo(store, context.partition_key)
    with ExitStack() as opened:
        source = opened.enter_context(open_source(repo, cozo.home_path))
        context.log.info(f"{repo.repo}: reading {repo.location} at {source.version}")
        report = progress.to(context.log.info)
        batches = Ingest(store, repo.repo, context.run.run_id, source, report).batches()
        version = dg.DataVersion(f"{EXTRACTOR_VERSION}:{source.content}")
        closed = opened.pop_all()

    def rows() -> Iterator[Batch]:
        # The source stays open until the IO manager has drained it.
        with closed:
            yield from batches

    def finish() -> dict[str, Any]:
        return _shown(batches.finish())

    return dg.Output(Batches(rows(), finish, whole=batches.whole), data_version=version)


def _shown(metadata: dict[str, Any]) -> dict[str, Any]:
    """Counts by key as tables, and those that matter most as a picture."""
    shown = {key: value for key, value in metadata.items() if key not in _TABLES}
    for key in _TABLES:
        counts: dict[str, int] = metadata[key]
        records = [dg.TableRecord({"name": name, "count": n}) for name, n in counts.items()]
        if records:
            shown[key] = dg.MetadataValue.table(records)
    picture = bar_chart({key: metadata[key] for key in _TABLES[:2]})
    return {**shown, "picture": dg.MetadataValue.md(picture)}
