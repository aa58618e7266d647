"""`dobby summarize` and `dobby ingest` end to end: real git, store, Dagster and MLX."""

import shutil
import signal
import time

import dagster as dg
import pytest

from dobby_pipeline.cozo.store import StoreError
from dobby_pipeline.inference.models.manifests import weights_folder
from dobby_pipeline.summaries.read import FIELDS
from dobby_pipeline_tests.conftest import commit_files, git
from dobby_pipeline_tests.inference.tiny_model import SENTENCE

FILES = {
    "pkg/one.py": 'def add(a, b):\n    """Add."""\n    return a + b\n\n\nclass Box:\n'
    "    def open(self):\n        return self.lid\n",
    "web/app.js": "export function start(port) { return listen(port) }\n",
    "README.md": "# Example\n",
}


def runs(home) -> list[dg.DagsterRun]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return list(instance.get_runs())


def last_metadata(home, asset: str) -> dict[str, object]:
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return {key: value.value for key, value in event.asset_materialization.metadata.items()}


def test_a_repository_goes_through_the_whole_flow(workplace, git_repo):
    folder = git_repo(FILES)
    commit = git(folder, "rev-parse", "HEAD")
    done = workplace.dobby("summarize", folder)
    assert (done.status, done.out) == (0, "")
    assert "4 summaries published, 0 quarantined, 0 missing" in done.err

    status = workplace.dobby("status", "example", "--json").rows[0]
    assert status.pop("updated_at")
    assert status == {
        "repo": "example",
        "location": str(folder),
        "kind": "git",
        "commit": commit,
        "files": 3,
        "records": 4,
        "skipped": {"unsupported": 1},
        "symbol": {"published": 4, "quarantined": 0, "missing": 0},
        "file": {"published": 2, "quarantined": 0, "missing": 0},
        "repo_summary": {"published": 1, "quarantined": 0, "missing": 0},
        "extractive": {"symbol": 0, "file": 0, "repo_summary": 0},
        "stale": {"symbol": 0, "file": 0, "repo_summary": 0},
        "latest_commit": commit,
    }

    records = workplace.dobby("records", "example", "--json").rows
    assert [(r["path"], r["symbol"], r["kind"]) for r in records] == [
        ("pkg/one.py", "Box", "class"),
        ("pkg/one.py", "Box.open", "method"),
        ("pkg/one.py", "add", "function"),
        ("web/app.js", "start", "function"),
    ]
    assert list(records[0]) == [
        *("repo", "path", "symbol", "kind", "language"),
        *("start_line", "end_line", "content_hash", "code"),
    ]
    skipped = workplace.dobby("skipped", "example", "--json").rows
    assert skipped == [
        {"repo": "example", "path": "README.md", "reason": "unsupported", "bytes": 10}
    ]

    summaries = workplace.dobby("summaries", "example", "--json").rows
    assert [tuple(row) for row in summaries] == [FIELDS] * (4 + 2 + 1)
    assert [row["path"] for row in summaries[4:]] == ["pkg/one.py", "web/app.js", ""]
    assert [row["level"] for row in summaries[4:]] == ["file", "file", "repo"]
    by_symbol = {row["symbol"]: row for row in summaries}
    row = by_symbol["add"]
    assert row["text"] == SENTENCE
    assert row["commit"] == commit
    assert (row["path"], row["start_line"], row["end_line"]) == ("pkg/one.py", 1, 3)
    assert (row["level"], row["status"], row["origin"]) == ("symbol", "published", "generated")
    assert (row["model"], row["device"], row["finish_reason"]) == ("sentence", "cpu", "stop")
    assert row["content_hash"] == next(r for r in records if r["symbol"] == "add")["content_hash"]
    assert row["prompt_tokens"] > 10
    assert row["output_tokens"] > 5
    assert row["confidence"] <= 0

    shown = workplace.dobby("show", "example:pkg/one.py::Box.open").out
    assert SENTENCE in shown
    assert commit in shown
    assert "Box.open" in workplace.dobby("show", "example").out
    assert "published" in workplace.dobby("summaries", "example").out
    assert "unsupported" in workplace.dobby("skipped", "example").out
    assert "pkg/one.py:1" in workplace.dobby("records", "example").out
    assert workplace.dobby("summaries", "example", "--json", "--status", "quarantined").rows == []
    (file, _) = workplace.dobby("summaries", "example", "--json", "--level", "file").rows
    assert (file["path"], file["symbol"], file["start_line"]) == ("pkg/one.py", "", 1)


def test_the_run_shows_in_dagster_with_its_figures(workplace, git_repo):
    workplace.dobby("summarize", git_repo(FILES))
    (run,) = runs(workplace.home)
    assert (run.job_name, run.status) == ("summarize_repo", dg.DagsterRunStatus.SUCCESS)
    assert run.tags["dagster/partition"] == "example"
    records = last_metadata(workplace.home, "source_records")
    assert records["dagster/row_count"] == 4
    counts = {row.data["name"]: row.data["count"] for row in records["records by language"].records}
    assert counts == {"python": 3, "javascript": 1}
    figures = last_metadata(workplace.home, "symbol_summaries")
    assert (figures["generated"], figures["models"], figures["device"]) == (4, "sentence", "cpu")
    assert figures["prompt tokens"] > 40
    assert figures["records a minute"] > 0
    assert SENTENCE in figures["samples"]


def test_a_second_run_of_the_same_commit_calls_no_model_and_loads_no_weights(
    workplace, git_repo, models_dir
):
    folder = git_repo(FILES)
    workplace.dobby("summarize", folder)
    before = workplace.dobby("summaries", "example", "--json").out
    weights = weights_folder("sentence") / "model.safetensors"
    hidden = weights.with_suffix(".hidden")
    weights.rename(hidden)
    try:
        done = workplace.dobby("summarize", folder)
        other = workplace.dobby("summarize", shutil.copytree(folder, folder.with_name("fork")))
    finally:
        hidden.rename(weights)
    assert done.status == 0, done.err
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 0
    assert workplace.dobby("summaries", "example", "--json").out == before
    assert other.status == 0, other.err


def test_an_edit_generates_the_changed_symbols_only_and_leaves_no_orphans(workplace, git_repo):
    folder = git_repo(FILES)
    workplace.dobby("summarize", folder)
    edited = FILES["pkg/one.py"].replace("return a + b", "return a - b")
    commit_files(folder, {"pkg/one.py": edited, "web/app.js": None})
    workplace.dobby("summarize", "example")
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 1
    summaries = workplace.dobby("summaries", "example", "--json").rows
    assert {row["symbol"] for row in summaries} == {"", "add", "Box", "Box.open"}
    rows = workplace.store.run("all", "?[path] := *symbol_summaries{path}")
    assert {row["path"] for row in rows} == {"pkg/one.py"}


def test_equal_code_in_one_repository_is_generated_once(workplace, git_repo):
    text = "def same():\n    return 1\n"
    folder = git_repo({f"f{n:02}.py": text for n in range(12)})
    workplace.dobby("summarize", folder)
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 1
    status = workplace.dobby("status", "example", "--json").rows[0]
    assert status["symbol"] == {"published": 12, "quarantined": 0, "missing": 0}


def test_a_limit_leaves_the_rest_for_later_and_says_so(workplace, git_repo):
    folder = git_repo(FILES)
    done = workplace.dobby("summarize", folder, "--limit", "3", "--json")
    assert done.status == 0
    assert done.rows[0]["symbol"] == {"published": 3, "quarantined": 0, "missing": 1}
    assert "1 records without a summary, left out by the run's limit" in done.err
    again = workplace.dobby("summarize", folder, "--limit", "3")
    assert again.status == 0
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 0
    workplace.dobby("summarize", folder)
    workplace.dobby("summarize", folder, "--limit", "1")
    status = workplace.dobby("status", "example", "--json").rows[0]
    assert status["symbol"] == {"published": 4, "quarantined": 0, "missing": 0}


def test_ingest_needs_no_model(workplace, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_MODEL", "absent")
    done = workplace.dobby("ingest", git_repo(FILES), "--json")
    assert done.status == 0, done.err
    assert done.rows[0]["records"] == 4
    assert done.rows[0]["symbol"]["missing"] == 4


def test_of_a_model_that_babbles_nothing_is_published_and_the_run_fails(
    workplace, git_repo, monkeypatch
):
    monkeypatch.setenv("DOBBY_MODEL", "random")
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 1
    assert "enough_is_published failed" in done.err
    status = workplace.dobby("status", "example", "--json").rows[0]
    assert status["symbol"] == {"published": 4, "quarantined": 0, "missing": 0}
    assert status["extractive"] == {"symbol": 4, "file": 0, "repo_summary": 0}
    assert status["file"]["missing"] == 2
    rows = workplace.dobby("summaries", "example", "--json").rows
    assert all(row["reasons"] and row["origin"] == "extractive" for row in rows)
    shown = workplace.dobby("show", "example").out
    assert "    `add` is a Python function, declared as" in shown
    assert "    from the code, in the place of the model's, which was refused: " in shown
    assert shown.endswith("4 summaries: 4 from the code in its place\n")


def test_a_prompt_over_the_budget_is_refused_by_name_and_the_rest_goes_on(workplace, git_repo):
    long = f"def long():\n    return [{'1,' * 1900}]\n"  # too little to be read in parts
    done = workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n", "b.py": long}))
    rows = {row["symbol"]: row for row in workplace.dobby("summaries", "example", "--json").rows}
    assert rows["f"]["status"] == "published"
    assert rows["long"]["reasons"][0].startswith("prompt_too_long")
    assert rows["long"]["origin"] == "extractive"
    assert rows["long"]["text"] == "`long` is a Python function, declared as `def long()`."
    assert done.status == 0


def test_several_targets_go_on_after_one_that_fails(workplace, git_repo, tmp_path):
    folder = git_repo(FILES)
    done = workplace.dobby("summarize", tmp_path / "nowhere", folder)
    assert done.status in (1, 2)
    assert "does not exist" in done.err
    assert workplace.dobby("status", "example", "--json").rows[0]["symbol"]["published"] == 4


def test_a_folder_without_git_needs_the_worktree_flag(workplace, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.py").write_text("def f():\n    return 1\n")
    refused = workplace.dobby("summarize", folder)
    assert refused.status in (1, 2)
    assert "is not a git repository" in refused.err
    assert "--worktree" in refused.err
    done = workplace.dobby("summarize", folder, "--worktree", "--json")
    assert done.status == 0, done.err
    assert done.rows[0]["symbol"]["published"] == 1


def test_a_url_is_summarised_like_a_path(workplace, git_repo):
    done = workplace.dobby("summarize", git_repo(FILES).as_uri(), "--json")
    assert done.status == 0, done.err
    assert done.rows[0]["symbol"]["published"] == 4


def many(git_repo):
    functions = [f"def f{n:03}(x):\n    return x + {n}\n" for n in range(150)]
    return git_repo({"many.py": "\n\n".join(functions)})


def committed(store) -> dict[str, str]:
    """When each symbol's summary was made; empty while the schema is not there yet."""
    made = """?[k, t] := *summary_bodies{summary_key: k, created_at: t, prompt_version: v},
                         starts_with(v, 'symbol')"""
    try:
        rows = store.run("made", made)
    except StoreError:
        return {}
    return {row["k"]: row["t"] for row in rows}


def stop_in_the_middle(workplace, folder, how: int) -> tuple[int, str]:
    """Start a run of 150 summaries, signal it when some are committed; its status and stderr."""
    process = workplace.start("summarize", folder, DOBBY_SESSIONS="1")
    deadline = time.monotonic() + 120
    while not (workplace.store.exists and committed(workplace.store)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    err = process.communicate(timeout=60)[1]
    return process.returncode, err


def test_a_killed_run_is_finished_by_the_next_without_generating_anything_twice(
    workplace, git_repo
):
    folder = many(git_repo)
    stop_in_the_middle(workplace, folder, signal.SIGKILL)
    before = committed(workplace.store)
    assert 0 < len(before) < 150

    done = workplace.dobby("summarize", folder)
    assert done.status == 0, done.err
    after = committed(workplace.store)
    assert len(after) == 150
    assert {key: after[key] for key in before} == before
    figures = last_metadata(workplace.home, "symbol_summaries")
    assert figures["generated"] == 150 - len(before)
    states = sorted(run.status.value for run in runs(workplace.home))
    assert states == ["FAILURE", "SUCCESS"]


def test_an_interrupted_run_ends_with_a_line_and_the_next_goes_on(workplace, git_repo):
    folder = many(git_repo)
    status, err = stop_in_the_middle(workplace, folder, signal.SIGINT)
    before = committed(workplace.store)
    assert status == 130, err
    assert "dobby: stopped: what was committed is kept" in err
    assert "Traceback" not in err
    assert 0 < len(before) < 150
    assert workplace.dobby("summarize", folder).status == 0
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 150 - len(before)


def test_a_wrong_argument_is_refused_before_anything_is_made(workplace):
    for args in (["summarize"], ["summarize", ".", "--limit", "0"], ["nonsense"], ["status", "-x"]):
        assert workplace.dobby(*args).status == 2
    assert not workplace.home.exists()


@pytest.mark.parametrize("command", ["status", "records", "skipped", "summaries", "show"])
def test_reading_before_anything_is_there_says_how_to_start(workplace, command):
    done = workplace.dobby(command, "example")
    assert done.status == 2
    assert "start with `dobby summarize" in done.err
    assert done.err.count("\n") == 1
    assert not workplace.home.exists()
