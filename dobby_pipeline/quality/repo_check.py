"""How an asset check on one repository is declared.

Not here: the checks (source_checks.py, summary_checks.py).
"""

import warnings
from collections.abc import Callable, Sequence

import dagster as dg

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.partitions import repo_partitions

Check = Callable[[CozoStore, str, dg.AssetCheckExecutionContext], dg.AssetCheckResult]


def repo_check(
    asset: str, description: str, *, blocking: bool = True
) -> Callable[[Check], dg.AssetChecksDefinition]:
    """A check on each partition that the run has: any failing one fails it.

    Args:
        blocking: whether what is downstream would mislead, so that it is not made.
    """

    def decorate(check: Check) -> dg.AssetChecksDefinition:
        # Partitioned checks are in preview, which Dagster would say once for each of ours.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)
            return define(check)

    def define(check: Check) -> dg.AssetChecksDefinition:
        @dg.asset_check(
            asset=asset,
            name=check.__name__,
            description=description,
            blocking=blocking,
            partitions_def=repo_partitions,
        )
        def run(context: dg.AssetCheckExecutionContext, cozo: CozoResource) -> dg.AssetCheckResult:
            store, step = cozo.store(), context.op_execution_context
            # A partition that was removed while its run is going has a key, and no place in a list.
            repos = [step.partition_key] if _is_single(step) else step.partition_keys
            return _worst([check(store, repo, context) for repo in repos])

        return run

    return decorate


def _is_single(step: dg.OpExecutionContext) -> bool:
    return step.has_partition_key and not step.has_partition_key_range


def _worst(results: Sequence[dg.AssetCheckResult]) -> dg.AssetCheckResult:
    failed = [r for r in results if not r.passed]
    errors = [r for r in failed if r.severity == dg.AssetCheckSeverity.ERROR]
    return (errors or failed or list(results))[0]
