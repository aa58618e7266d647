"""The job that registers a repository, on a real store."""

import pytest

from dobby_pipeline.definitions import build_defs
from dobby_pipeline.schema.audit import read_events
from dobby_pipeline.sources.registry import list_repos


@pytest.fixture
def register(cozo, instance):
    """Runs the job with a configuration; its result, and the failed step's line."""

    def run(**config):
        job = build_defs({"cozo": cozo}).resolve_job_def("register_repo")
        result = job.execute_in_process(
            instance=instance,
            run_config={"ops": {"register": {"config": config}}},
            raise_on_error=False,
        )
        failures = [e.step_failure_data.error for e in result.all_events if e.is_step_failure]
        return result, " ".join(f"{e} {e.cause}" for e in failures)

    return run


@pytest.fixture
def example(git_repo):
    return git_repo({"a.py": "def f():\n    return 1\n"})


def test_a_registered_repository_has_a_partition_and_an_event_that_names_the_run(
    register, cozo, instance, example
):
    result, _ = register(name="example", location=str(example))
    assert result.success
    (repo,) = list_repos(cozo.store())
    assert (repo.repo, repo.location, repo.kind, repo.ref) == (
        "example",
        str(example),
        "git",
        "HEAD",
    )
    assert instance.get_dynamic_partitions("repo") == ["example"]
    (event,) = read_events(cozo.store())
    assert (event.action, event.actor) == ("registered", f"dagster:run:{result.run_id}")


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"name": "../up"}, "cannot be a repository's name"),
        ({"location": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"ref": "absent"}, "absent"),
        ({"kind": "svn"}, "there is no kind 'svn'"),
        ({"columns": {"relation": "r"}}, "add --kind cozo"),
    ],
)
def test_what_cannot_be_registered_fails_with_its_line_and_leaves_nothing(
    register, cozo, instance, example, config, line
):
    result, told = register(**{"name": "example", "location": str(example), **config})
    assert not result.success
    assert line in told
    assert not instance.get_dynamic_partitions("repo")
    assert not cozo.store().exists or list_repos(cozo.store()) == []


def test_a_name_that_another_location_has_is_refused(register, cozo, example, git_repo):
    register(name="example", location=str(example))
    other = git_repo({"b.py": "x = 1\n"}, "other")
    result, told = register(name="example", location=str(other))
    assert not result.success
    assert str(example) in told
    (repo,) = list_repos(cozo.store())
    assert repo.location == str(example)
