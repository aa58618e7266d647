"""Versions of the summaries: the same exactly when nothing above would be made anew."""

import pytest

from dobby_pipeline.schema.relations import SUMMARY_BODIES
from dobby_pipeline.summaries.data_versions import data_version
from dobby_pipeline_tests.summaries.stored import REPO, put_files
from dobby_pipeline_tests.summaries.test_rollups import TREE, file_of, roll_up

LEVELS = ("symbol_summaries", "file_summaries", "repo_summary")


def versions(store) -> list[str]:
    return [data_version(store, asset, REPO) for asset in LEVELS]


def changed(before: list[str], after: list[str]) -> list[bool]:
    return [one != other for one, other in zip(before, after, strict=True)]


@pytest.fixture
def summarised(store):
    put_files(store, TREE)
    roll_up(store)
    return store


def test_a_second_run_gives_the_same_versions(summarised):
    before = versions(summarised)
    roll_up(summarised)
    assert versions(summarised) == before
    assert len(set(before)) == 3


def test_an_edit_that_says_the_same_and_moves_lines_changes_no_version(summarised):
    before = versions(summarised)
    put_files(summarised, {**TREE, "a.py": "# moved\n\nX = 2\n\n" + TREE["a.py"]})
    roll_up(summarised)
    assert versions(summarised) == before


def test_an_edit_that_is_summarised_otherwise_changes_the_versions_up_to_the_top(summarised):
    before = versions(summarised)
    put_files(summarised, {**TREE, "a.py": file_of("f", says=7)})
    roll_up(summarised)
    assert changed(before, versions(summarised)) == [True, True, True]


def test_a_symbol_that_is_not_summarised_yet_changes_the_version_of_the_symbols(summarised):
    before = versions(summarised)
    put_files(summarised, {**TREE, "a.py": file_of("f", "new")})
    assert changed(before, versions(summarised)) == [True, False, False]


def test_what_the_gate_takes_back_changes_the_version_and_its_text_does_not(summarised):
    before = versions(summarised)
    refused = quarantine(summarised, "It returns the number 2.", "One text.")
    assert refused == 1
    after = versions(summarised)
    assert changed(before, after) == [True, False, False]
    quarantine(summarised, "One text.", "Another text.")
    assert versions(summarised) == after


def quarantine(store, text: str, put: str) -> int:
    """Refuse the summaries that say `text`, and have them say `put`; how many they were."""
    columns = ", ".join(SUMMARY_BODIES.columns)
    script = f"?[{columns}] := *summary_bodies{{{columns}}}, text == $text"
    rows = store.run("read", script, {"text": text})
    changed_rows = [{**row, "text": put, "status": "quarantined"} for row in rows]
    params = {"rows": SUMMARY_BODIES.rows(changed_rows)}
    store.run("write", SUMMARY_BODIES.put(), params, write=True)
    return len(rows)


def test_of_a_repository_without_summaries_there_is_a_version_too(store):
    put_files(store, TREE)
    assert len(versions(store)[0]) == 64
