"""A tick of the sensor on new commits over a thousand registered repositories.

Run: `.venv/bin/python benchmarks/operations.py`. The repositories are made in a temporary folder:
real ones on this disk, each with a commit of its own.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from measure import below, commit_all, in_child, told

REPOSITORIES = 1000
TICKS = 5


def repositories(folder: Path) -> None:
    """Repositories `r0000` and so on, each with a branch and a commit that no other has."""
    first = folder / "r0000"
    first.mkdir(parents=True)
    (first / "a.py").write_text("def f():\n    return 1\n")
    commit_all(first)
    git = ("git", "-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for number in range(1, REPOSITORIES):
        copy = folder / f"r{number:04}"
        shutil.copytree(first, copy)
        message = ("commit", "--quiet", "--allow-empty", "-m", copy.name)
        subprocess.run([*git, *message], cwd=copy, check=True)


def ticks(folder: Path, home: Path) -> dict[str, float]:
    """Seconds of a first tick, which requests all runs, and of ticks that find nothing new."""
    import dagster as dg

    from dobby_pipeline.automation.commits import new_commits
    from dobby_pipeline.cozo.resource import CozoResource
    from dobby_pipeline.partitions import repo_partitions
    from dobby_pipeline.schema.migrations import migrate
    from dobby_pipeline.schema.relations import REPOS, SNAPSHOTS
    from dobby_pipeline.sources.open_source import latest_version
    from dobby_pipeline.sources.registry import Repo

    cozo = CozoResource(home=str(home / "dobby"))
    store = cozo.store()
    migrate(store)
    repos = [Repo(path.name, str(path), added_at="then") for path in sorted(folder.iterdir())]
    rows = REPOS.rows(vars(repo) for repo in repos)
    store.run("register", REPOS.put(), {"rows": rows}, write=True)
    (home / "dagster").mkdir()
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:

        def tick(cursor: str | None) -> tuple[float, dg.SensorResult]:
            start = time.perf_counter()
            with dg.build_sensor_context(
                instance=instance, resources={"cozo": cozo}, cursor=cursor
            ) as context:
                result = new_commits(context)
            return time.perf_counter() - start, result

        first, result = tick(None)
        assert len(result.run_requests or []) == REPOSITORIES
        instance.add_dynamic_partitions(repo_partitions.name or "", [r.repo for r in repos])
        pending, result = tick(result.cursor)
        assert not result.run_requests
        snapshot = {"files": 1, "records": 1, "extractor": "x", "content": "x", "updated_at": "now"}
        read = [{**snapshot, "repo": r.repo, "commit": latest_version(r)} for r in repos]
        store.run("read", SNAPSHOTS.put(), {"rows": SNAPSHOTS.rows(read)}, write=True)
        seconds = []
        for _ in range(TICKS):
            took, result = tick(result.cursor)
            assert not result.run_requests
            seconds.append(took)
    return {"first": first, "pending": pending, "nothing new": sorted(seconds)[TICKS // 2]}


def main() -> None:
    """The ticks in a process of their own, as the code server's."""
    with tempfile.TemporaryDirectory() as scratch:
        repositories(Path(scratch) / "repos")
        times, peak = in_child(ticks, Path(scratch) / "repos", Path(scratch))
    name = f"sensor tick over {REPOSITORIES} repositories"
    told(
        below(name, "nothing new", times["nothing new"], "s", 5),
        below(name, "all of them new", times["first"], "s", 20),
        below(name, "all of them requested, none read yet", times["pending"], "s", 5),
        below(name, "peak memory", peak, "MB", 500),
    )


if __name__ == "__main__":
    main()
