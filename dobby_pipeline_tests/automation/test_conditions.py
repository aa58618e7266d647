"""ROLL_UP on toy assets whose data versions the tests choose."""

import dagster as dg
import pytest

from dobby_pipeline.automation.conditions import ROLL_UP

partitions = dg.DynamicPartitionsDefinition(name="repo")
versions: dict[str, str] = {}


@dg.asset(partitions_def=partitions)
def symbols(context) -> dg.MaterializeResult:
    return dg.MaterializeResult(data_version=dg.DataVersion(versions[context.partition_key]))


@dg.asset(partitions_def=partitions, deps=[symbols], automation_condition=ROLL_UP)
def files(context) -> dg.MaterializeResult:
    version = versions[context.partition_key].removesuffix("!")
    return dg.MaterializeResult(data_version=dg.DataVersion(f"files of {version}"))


@dg.asset(partitions_def=partitions, deps=[files], automation_condition=ROLL_UP)
def repository(context) -> dg.MaterializeResult:
    version = versions[context.partition_key]
    return dg.MaterializeResult(data_version=dg.DataVersion(f"repository of {version}"))


DEFS = dg.Definitions([symbols, files, repository])


class Daemon:
    """What evaluates the conditions, tick by tick."""

    def __init__(self, instance):
        self.instance, self.cursor = instance, None

    def tick(self) -> dict[str, set[str]]:
        result = dg.evaluate_automation_conditions(DEFS, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        wanted = {}
        for asset in (files, repository):
            found = result.get_requested_partitions(asset.key)
            if found:
                wanted[asset.key.to_user_string()] = found
        return wanted


def run(instance, repo: str, *assets) -> None:
    selection = [asset.key for asset in assets]
    dg.materialize(
        [symbols, files, repository], instance=instance, partition_key=repo, selection=selection
    )


@pytest.fixture
def daemon():
    versions.clear()
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("repo", ["a", "b"])
        daemon = Daemon(instance)
        for repo in ("a", "b"):
            versions[repo] = f"{repo}1"
            run(instance, repo, symbols, files, repository)
        assert daemon.tick() == {}
        assert daemon.tick() == {}
        yield daemon


def test_children_that_changed_alone_are_rolled_up_once_in_their_partition(daemon):
    versions["a"] = "a2"
    run(daemon.instance, "a", symbols)
    assert daemon.tick() == {"files": {"a"}, "repository": {"a"}}
    assert daemon.tick() == {}
    run(daemon.instance, "a", files, repository)
    assert daemon.tick() == {}
    assert daemon.tick() == {}


def test_a_materialisation_with_the_same_data_asks_for_nothing(daemon):
    run(daemon.instance, "a", symbols)
    assert daemon.tick() == {}
    assert daemon.tick() == {}


def test_a_run_of_the_whole_flow_asks_for_nothing(daemon):
    versions["a"] = "a2"
    run(daemon.instance, "a", symbols, files, repository)
    assert daemon.tick() == {}
    assert daemon.tick() == {}


def test_nothing_is_asked_for_while_a_run_of_the_whole_flow_is_between_two_assets(daemon):
    versions["a"] = "a2"
    job = dg.define_asset_job("flow", [symbols, files, repository]).resolve(
        asset_graph=DEFS.resolve_asset_graph()
    )
    run_of_all = daemon.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "a"}
    )
    daemon.instance.report_runless_asset_event(
        dg.AssetMaterialization("symbols", partition="a", tags={"dagster/data_version": "a2"})
    )
    assert daemon.tick() == {}
    daemon.instance.report_run_canceled(run_of_all)


def test_a_repository_that_was_never_rolled_up_is_left_to_its_first_run(daemon):
    daemon.instance.add_dynamic_partitions("repo", ["new"])
    versions["new"] = "n1"
    run(daemon.instance, "new", symbols)
    assert daemon.tick() == {}


def test_what_comes_out_the_same_wakes_nothing_above_it(daemon):
    versions["a"] = "a1!"
    run(daemon.instance, "a", symbols)
    requested = daemon.tick()
    assert requested["files"] == {"a"}
    run(daemon.instance, "a", files)
    assert daemon.tick() == {}
