"""A store and ticks of the sensor on new commits, as the daemon makes them."""

from dataclasses import dataclass, field

import dagster as dg
import pytest

from dobby_pipeline.automation.commits import new_commits
from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import SNAPSHOTS


@pytest.fixture
def cozo(tmp_path):
    resource = CozoResource(home=str(tmp_path / "home"))
    migrate(resource.store())
    return resource


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@dataclass
class Ticks:
    """One tick after another, the cursor handed on and each run key started once, as Dagster does.

    Attributes:
        messages: of the last tick's log.
    """

    instance: dg.DagsterInstance
    cozo: CozoResource
    cursor: str | None = None
    keys: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    result: dg.SensorResult | None = None

    def tick(self) -> list[str]:
        """The partitions that runs are started for."""
        with dg.build_sensor_context(
            instance=self.instance, resources={"cozo": self.cozo}, cursor=self.cursor
        ) as context:
            context.log.warning = self.messages.append
            context.log.info = self.messages.append
            self.messages.clear()
            result = new_commits(context)
        self.result, self.cursor = result, result.cursor or self.cursor
        for change in result.dynamic_partitions_requests or []:
            if isinstance(change, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions("repo", list(change.partition_keys))
            else:
                for key in change.partition_keys:
                    self.instance.delete_dynamic_partition("repo", key)
        started = [r for r in result.run_requests or [] if r.run_key not in self.keys]
        self.keys |= {r.run_key for r in started}
        return [r.partition_key for r in started]

    @property
    def skipped(self) -> str:
        assert self.result is not None
        return self.result.skip_reason.skip_message if self.result.skip_reason else ""


@pytest.fixture
def ticks(instance, cozo):
    return Ticks(instance, cozo)


def ingested(cozo, repo: str, commit: str, when: str = "now", content: str = "tree") -> None:
    """As after an ingest of the commit."""
    row = {"repo": repo, "commit": commit, "files": 1, "records": 1, "extractor": "x"}
    rows = SNAPSHOTS.rows([{**row, "content": content, "updated_at": when}])
    cozo.store().run("write", SNAPSHOTS.put(), {"rows": rows}, write=True)
