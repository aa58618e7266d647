"""The asset checks on a real store: each passes where all is well and fails where it is not."""

import dagster as dg
import pytest

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import repo_partitions
from dobby_pipeline.quality.checks import CHECKS
from dobby_pipeline.quality.children import child_hash, children_of_files, read_tree, repo_hash
from dobby_pipeline.quality.summary_checks import LIMIT_TAG
from dobby_pipeline.schema.migrations import migrate
from dobby_pipeline.schema.relations import RELATIONS

ROWS = {
    "snapshots": {
        "commit": "c1",
        "content": "t1",
        "files": 2,
        "records": 1,
        "extractor": "x",
        "updated_at": "now",
    },
    "source_records": {
        "path": "a.py",
        "symbol": "f",
        "name": "f",
        "kind": "function",
        "language": "python",
        "start_line": 1,
        "end_line": 2,
        "signature": "def f(a, b):",
        "docstring": "",
        "content_hash": "h",
        "code": "def f(a, b):\n    return a + b\n",
        "inner": [],
        "parts": [],
    },
    "source_files": {
        "path": "a.py",
        "blob": "1",
        "bytes": 9,
        "language": "python",
        "records": 1,
        "reason": "",
        "extractor": "x",
        "run": "r",
    },
    "symbol_summaries": {
        "path": "a.py",
        "symbol": "f",
        "summary_key": "k",
        "content_hash": "h",
        "commit": "c1",
        "start_line": 1,
        "end_line": 2,
        "run": "r",
    },
    "summary_bodies": {
        "summary_key": "k",
        "text": "Adds `a` and `b` and returns their sum.",
        "status": "published",
        "reasons": [],
        "origin": "generated",
        "model": "m",
        "model_revision": "1",
        "prompt_version": "p",
        "device": "cpu",
        "prompt_tokens": 1,
        "output_tokens": 1,
        "ms": 1.0,
        "confidence": -0.1,
        "finish_reason": "stop",
        "created_at": "now",
    },
}


ROLLED_UP = {"file": "Holds `f`, which adds numbers.", "repo": "Adds numbers in `a.py`."}


@pytest.fixture
def cozo(tmp_path):
    """A database in which all is well with the repository `example`."""
    resource = CozoResource(home=str(tmp_path))
    migrate(resource.store())
    for relation in ROWS:
        write(resource, relation)
    write(resource, "source_files", path="b.md", reason="unsupported", records=0)
    roll_up(resource)
    return resource


def roll_up(cozo, **texts: str) -> None:
    """Summaries of the file and the repository, of what the symbols' say now."""
    store, told = cozo.store(), {"commit": "c1", "run": "r"}
    for level, text in (ROLLED_UP | texts).items():
        write(cozo, "summary_bodies", summary_key=level, text=text)
    [[file]] = children_of_files(store, "example")
    lines = {"path": "a.py", "start_line": 1, "end_line": 2}
    of_file = {"summary_key": "file", "content_hash": child_hash(file.children)}
    put(cozo, "file_summaries", {**lines, **of_file, **told})
    of_repo = repo_hash(store, "example", read_tree(store, "example"))
    put(cozo, "repo_summaries", {"summary_key": "repo", "content_hash": of_repo, **told})


def write(cozo, relation: str, **changes: object) -> None:
    put(cozo, relation, {**ROWS[relation], **changes})


def put(cozo, relation: str, row: dict[str, object]) -> None:
    rows = RELATIONS[relation].rows([{"repo": "example", **row}])
    cozo.store().run("write", RELATIONS[relation].put(), {"rows": rows}, write=True)


def check(cozo, tags=None) -> dict[str, dg.AssetCheckEvaluation]:
    """Evaluate all checks for the partition, as a run does."""

    @dg.asset(partitions_def=repo_partitions)
    def source_records() -> None: ...

    @dg.asset(partitions_def=repo_partitions)
    def symbol_summaries() -> None: ...

    @dg.asset(partitions_def=repo_partitions)
    def file_summaries() -> None: ...

    @dg.asset(partitions_def=repo_partitions)
    def repo_summary() -> None: ...

    assets = [source_records, symbol_summaries, file_summaries, repo_summary]
    definitions = dg.Definitions(assets, asset_checks=CHECKS, resources={"cozo": cozo})
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("repo", ["example"])
        result = definitions.get_implicit_global_asset_job_def().execute_in_process(
            instance=instance, partition_key="example", raise_on_error=False, tags=tags
        )
    return {e.check_name: e for e in result.get_asset_check_evaluations()}


def failing(cozo, tags=None) -> set[str]:
    return {name for name, evaluation in check(cozo, tags).items() if not evaluation.passed}


def test_every_check_passes_where_all_is_well(cozo):
    evaluations = check(cozo)
    assert len(evaluations) == len(CHECKS)
    assert all(e.passed for e in evaluations.values())


def test_a_file_that_is_neither_recorded_nor_skipped_is_noticed(cozo):
    write(cozo, "snapshots", files=3)
    assert failing(cozo) == {"every_file_is_accounted_for"}


def test_a_key_that_stood_twice_is_noticed(cozo):
    write(cozo, "snapshots", records=2)
    assert failing(cozo) == {"keys_are_unique"}


def test_a_record_without_code_is_noticed(cozo):
    write(cozo, "source_records", code="")
    assert failing(cozo) == {"no_record_is_empty"}


def test_a_record_whose_code_changed_after_its_summary_is_missing_one(cozo):
    write(cozo, "source_records", content_hash="other")
    evaluation = check(cozo)["every_record_has_a_verdict"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.ERROR
    assert evaluation.metadata["missing"].value == 1


def test_records_that_a_limit_left_out_give_a_warning_only(cozo):
    write(cozo, "source_records", content_hash="other")
    evaluation = check(cozo, {LIMIT_TAG: "1"})["every_record_has_a_verdict"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN


def test_too_many_quarantined_summaries_are_noticed(cozo):
    write(cozo, "summary_bodies", status="quarantined", reasons=["cut_off"])
    roll_up(cozo)
    assert failing(cozo) == {"enough_is_published"}


@pytest.mark.parametrize(("quarantined", "passes"), [(3, True), (40, False)])
def test_one_published_summary_is_enough_among_a_few_only(cozo, quarantined, passes):
    for number in range(quarantined):
        key = {"symbol": f"g{number}", "summary_key": f"k{number}"}
        write(cozo, "source_records", symbol=key["symbol"])
        write(cozo, "symbol_summaries", **key)
        write(cozo, "summary_bodies", summary_key=key["summary_key"], status="quarantined")
    assert check(cozo)["enough_is_published"].passed == passes


@pytest.mark.parametrize("column", ["model", "model_revision", "prompt_version", "device"])
def test_a_summary_that_does_not_say_where_it_comes_from_is_noticed(cozo, column):
    write(cozo, "summary_bodies", **{column: ""})
    assert failing(cozo) == {"provenance_is_complete"}


def test_a_reference_without_a_commit_is_noticed(cozo):
    write(cozo, "symbol_summaries", commit="")
    assert failing(cozo) == {"provenance_is_complete"}


def test_a_repository_that_was_never_read_fails_the_checks_on_its_records(tmp_path):
    empty = CozoResource(home=str(tmp_path))
    migrate(empty.store())
    assert {"every_file_is_accounted_for", "keys_are_unique"} <= failing(empty)


@pytest.mark.parametrize(("origin", "passes"), [("generated", True), ("extractive", False)])
def test_what_stands_in_for_the_models_own_does_not_count_as_published(cozo, origin, passes):
    write(cozo, "summary_bodies", origin=origin)
    assert check(cozo)["enough_is_published"].passed == passes


def test_a_published_text_that_names_what_is_not_there_is_noticed(cozo):
    write(cozo, "summary_bodies", text="Adds `a` and `b` with `frobnicate()`.")
    roll_up(cozo)
    evaluation = check(cozo)["what_is_published_passes_the_gate"]
    assert not evaluation.passed
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "frobnicate" in (evaluation.description or "")
    assert evaluation.metadata["mean grounded share"].value == pytest.approx(2 / 3)


@pytest.mark.parametrize(("unlike", "passes"), [(1, True), (2, False)])
def test_one_text_for_unlike_code_is_noticed(cozo, unlike, passes):
    for number in range(unlike):
        key = {"symbol": f"g{number}", "content_hash": f"h{number}"}
        write(cozo, "source_records", **key, name=key["symbol"])
        write(cozo, "symbol_summaries", **key, summary_key=f"k{number}")
        write(cozo, "summary_bodies", summary_key=f"k{number}")
    evaluation = check(cozo)["summaries_tell_code_apart"]
    assert evaluation.passed == passes
    assert evaluation.metadata["generic"].value == (0 if passes else 3)


def test_a_file_whose_summary_was_made_from_others_is_stale(cozo):
    write(cozo, "summary_bodies", text="Adds two numbers, `a` and `b`.")
    evaluations = check(cozo)
    stale = {name for name, e in evaluations.items() if not e.passed}
    assert stale == {"every_file_has_a_verdict", "the_repository_has_a_verdict"}
    assert evaluations["every_file_has_a_verdict"].metadata["stale"].value == 1


def test_a_repository_without_a_summary_is_noticed(cozo):
    cozo.store().run("remove", "?[repo] <- [['example']] :rm repo_summaries {repo}", write=True)
    assert failing(cozo) == {"the_repository_has_a_verdict"}


def test_a_file_whose_summary_names_none_of_its_symbols_is_noticed(cozo):
    roll_up(cozo, file="Holds functions for numbers.")
    evaluation = check(cozo)["files_name_what_they_hold"]
    assert not evaluation.passed
    assert evaluation.metadata["mean child recall"].value == 0


def test_a_repository_whose_summary_names_nothing_at_its_top_is_noticed(cozo):
    roll_up(cozo, repo="Adds numbers.")
    assert failing(cozo) == {"the_repository_names_what_it_holds"}


def test_what_would_mislead_stops_what_comes_after_it_and_the_rest_only_warns():
    warn_only = {
        *("what_is_published_passes_the_gate", "summaries_tell_code_apart"),
        *("files_name_what_they_hold", "the_repository_names_what_it_holds"),
    }
    specs = [spec for definition in CHECKS for spec in definition.check_specs]
    assert {spec.name for spec in specs if not spec.blocking} == warn_only
