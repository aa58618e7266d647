"""Two real models in one pipeline: DOBBY_ROUTES from the command line to Dagster's metadata."""

import dagster as dg
import pytest

from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import pull
from dobby_pipeline_tests.cli.test_flow import last_metadata
from dobby_pipeline_tests.inference.tiny_model import SENTENCE, write_manifest, write_sentence_model

OTHER = "Sorry, I cannot tell anything about this code without more context."

SPLIT = """
[[route]]
model = "second"
level = ["file", "repo"]

[[route]]
split = { "sentence" = 0.5, "second" = 0.5 }
"""

FILES = {
    f"{name}.py": "".join(f"def {name}{n}(x):\n    return x + {n}\n\n\n" for n in range(8))
    for name in ("one", "two")
}


@pytest.fixture(scope="session")
def second_model(models_dir):
    """A model beside `sentence` that says what no gate lets pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOBBY_MODELS", str(models_dir))
        source = models_dir / "sources" / "second"
        write_manifest(models_dir, "second", write_sentence_model(source, OTHER))
        pull(load_manifest("second"))
    return "second"


@pytest.fixture
def routed(workplace, second_model, tmp_path, monkeypatch):
    """The workplace, and what writes the file that DOBBY_ROUTES names."""

    def write(text: str):
        (tmp_path / "routes.toml").write_text(text)
        monkeypatch.setenv("DOBBY_ROUTES", str(tmp_path / "routes.toml"))
        return workplace

    return write


def lines_by_model(rows, level: str) -> dict[str, dict]:
    return {row["model"]: row for row in rows if row["level"] == level}


def test_two_models_write_in_one_run_and_are_reported_side_by_side(routed, git_repo):
    workplace = routed(SPLIT)
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 0, done.err

    rows = workplace.dobby("summaries", "example", "--json", "--level", "symbol").rows
    assert len(rows) == 16
    assert {row["text"] for row in rows if row["model"] == "sentence"} == {SENTENCE}
    assert {row["origin"] for row in rows if row["model"] == "second"} == {"extractive"}
    above = [
        *workplace.dobby("summaries", "example", "--json", "--level", "file").rows,
        *workplace.dobby("summaries", "example", "--json", "--level", "repo").rows,
    ]
    assert len(above) == 3
    assert {row["model"] for row in above} == {"second"}

    report = workplace.dobby("models", "report", "example", "--json").rows
    symbols = lines_by_model(report, "symbol")
    wrote = {model: [r for r in rows if r["model"] == model] for model in symbols}
    assert set(symbols) == {"sentence", "second"}
    for model, line in symbols.items():
        assert line["summaries"] == line["answered"] == len(wrote[model])
        for field in ("prompt_tokens", "output_tokens", "ms"):
            mean = sum(row[field] for row in wrote[model]) / len(wrote[model])
            assert line[field] == pytest.approx(mean)
    assert (symbols["sentence"]["pass_rate"], symbols["second"]["pass_rate"]) == (1, 0)
    assert set(lines_by_model(report, "file")) == {"second"}
    shown = workplace.dobby("models", "report", "example").out
    assert "pass rate" in shown
    assert "sentence" in shown

    figures = last_metadata(workplace.home, "symbol_summaries")
    assert figures["models"] == "second, sentence"
    table = [dict(record.data) for record in figures["models side by side"].records]
    assert {row["model"]: row["summaries"] for row in table} == {
        model: line["summaries"] for model, line in symbols.items()
    }
    whole = last_metadata(workplace.home, "repo_summary")["models side by side"].records
    assert {record.data["level"] for record in whole} == {"symbol", "file", "repo"}


def test_a_second_run_generates_nothing_and_other_shares_only_what_changes_hands(routed, git_repo):
    workplace = routed(SPLIT)
    folder = git_repo(FILES)
    workplace.dobby("summarize", folder, "--level", "symbol")
    workplace.dobby("summarize", folder, "--level", "symbol")
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == 0
    rows = workplace.dobby("summaries", "example", "--json").rows
    theirs = sum(row["model"] == "second" for row in rows)
    assert 0 < theirs < 16
    routed('[[route]]\nmodel = "sentence"\n')
    workplace.dobby("summarize", folder, "--level", "symbol")
    figures = last_metadata(workplace.home, "symbol_summaries")
    assert figures["generated"] == theirs
    assert "models side by side" not in figures


def test_models_that_do_not_fit_side_by_side_take_turns(routed, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_MEMORY_LIMIT_GB", "0.0018")  # one of them takes some 1.1 MB
    workplace = routed(SPLIT)
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 0, done.err
    rows = workplace.dobby("summaries", "example", "--json", "--level", "symbol").rows
    assert {row["model"] for row in rows} == {"sentence", "second"}
    log = (workplace.home / "logs" / "dobby.jsonl").read_text()
    assert '"event": "model unloaded"' in log


def test_each_routed_model_has_to_be_pulled_before_a_run_starts(routed, git_repo):
    workplace = routed('[[route]]\nmodel = "absent"\nlanguage = "rust"\n')
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 1
    assert "dobby models pull absent" in done.err
    assert not (workplace.home / "cozo").exists()


def test_wrong_routes_are_told_in_one_line_before_anything_is_done(routed, git_repo):
    workplace = routed("[[route]]\nmodel = 'sentence'\nlevel = 'files'\n")
    for command in (("summarize", git_repo(FILES)), ("models", "list")):
        done = workplace.dobby(*command)
        assert done.status == 2
        assert len(done.err.splitlines()) == 1
        assert "level 'files' is not known" in done.err
    assert not (workplace.home / "cozo").exists()


def test_the_doctor_looks_at_each_routed_model(routed):
    workplace = routed(
        '[[route]]\nmodel = "absent"\nlevel = "repo"\n[[route]]\nmodel = "second"\nlevel = "file"\n'
    )
    done = workplace.dobby("doctor", "--json")
    models = [row for row in done.rows if row["check"] == "model"]
    assert [row["ok"] for row in models] == [False, True, True]
    assert models[0]["advice"] == "run `dobby models pull absent`"
    assert [row["detail"].split(",")[0] for row in models[1:]] == ["second", "sentence"]


def test_the_list_marks_the_default_and_what_may_be_chosen(routed):
    workplace = routed('[[route]]\nmodel = "second"\nlevel = "file"\n')
    lines = workplace.dobby("models", "list").out.splitlines()
    marks = {line[2:].split()[0]: line[0] for line in lines}
    assert (marks["sentence"], marks["second"], marks["random"]) == ("*", "+", " ")
    rows = workplace.dobby("models", "list", "--json").rows
    assert {row["name"] for row in rows if row["used"]} == {"sentence", "second"}


def test_an_estimate_says_that_it_leaves_the_routes_out(routed, git_repo):
    workplace = routed('[[route]]\nmodel = "second"\nlevel = "file"\n')
    done = workplace.dobby("summarize", git_repo(FILES), "--estimate")
    assert done.status == 0, done.err
    assert "as if sentence wrote every summary" in done.err


def test_a_repository_without_summaries_has_no_report(workplace, git_repo):
    workplace.dobby("ingest", git_repo(FILES))
    done = workplace.dobby("models", "report", "example")
    assert (done.status, done.out) == (0, "")
    assert "no summaries yet" in done.err
    assert workplace.dobby("models", "report", "nothing").status == 2


def test_the_metadata_is_a_table_in_dagster(routed, git_repo):
    workplace = routed(SPLIT)
    workplace.dobby("summarize", git_repo(FILES), "--level", "symbol")
    with dg.DagsterInstance.from_config(str(workplace.home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("symbol_summaries"))
    assert event is not None
    assert event.asset_materialization is not None
    value = event.asset_materialization.metadata["models side by side"]
    assert isinstance(value, dg.TableMetadataValue)
    names = [column.name for column in value.schema.columns]
    assert names[:2] == ["model", "level"]
    assert {"pass_rate", "prompt_tokens", "ms"} <= set(names)
