"""The smaller commands: repos, models, gate, doctor, show."""

import io
import json
import sys

import pytest

from dobby_pipeline.schema.migrations import latest_version
from dobby_pipeline_tests.inference.models.gguf_models import write_gguf_model
from dobby_pipeline_tests.inference.tiny_model import SENTENCE


def test_repos_are_added_listed_and_removed(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    assert workplace.dobby("repos", "add", "mine", folder, "--ref", "main").status == 0
    row = workplace.dobby("repos", "list", "--json").rows[0]
    assert row.pop("added_at")
    assert row == {
        "repo": "mine",
        "location": str(folder),
        "kind": "git",
        "ref": "main",
        "worktree": False,
        "columns": {},
    }
    assert str(folder) in workplace.dobby("repos", "list").out
    assert "not read yet" in workplace.dobby("status").out
    assert workplace.dobby("repos", "remove", "mine").status == 0
    assert workplace.dobby("repos", "list").out == ""
    again = workplace.dobby("repos", "remove", "mine")
    assert again.status == 2
    assert "'mine'" in again.err


def test_models_are_listed_with_what_is_pulled(workplace):
    rows = {row["name"]: row for row in workplace.dobby("models", "list", "--json").rows}
    assert rows["sentence"]["pulled"]
    assert rows["sentence"]["size"] > 0
    assert not rows["absent"]["pulled"]
    lines = workplace.dobby("models", "list").out.splitlines()
    assert next(line for line in lines if line.startswith("*")).split()[1] == "sentence"


def test_the_list_of_models_tells_what_fits(workplace, monkeypatch):
    row = next(r for r in workplace.dobby("models", "list", "--json").rows if r["name"] == "random")
    assert row["fits"]
    assert row["needs"] > 0
    assert {"size", "parameters", "licence", "context", "pulled"} <= row.keys()
    assert "GB (fits)" in workplace.dobby("models", "list").out
    monkeypatch.setenv("DOBBY_MEMORY_LIMIT_GB", "0.000001")
    lines = workplace.dobby("models", "list").out.splitlines()
    assert "GB (more than 1e-06)" in next(line for line in lines if " random " in line)
    assert "memory unknown" in next(line for line in lines if " absent " in line)


def test_a_gguf_file_is_converted_listed_and_verified(workplace, tmp_path, monkeypatch):
    monkeypatch.setenv("DOBBY_MODELS", str(tmp_path / "models"))
    changes = {"general.license": None}
    file = write_gguf_model(tmp_path / "tiny.gguf", "qwen2", "Q4_K", **changes)
    done = workplace.dobby("models", "convert", file, "mine", "--quantize", "8")
    assert (done.status, done.out) == (0, "")
    assert "mine: ready in" in done.err
    assert "names no licence" in done.err
    row = next(r for r in workplace.dobby("models", "list", "--json").rows if r["name"] == "mine")
    assert row["pulled"]
    verified = workplace.dobby("models", "verify", "mine")
    assert verified.status == 0
    assert "golden tokens are those of its source" in verified.err
    again = workplace.dobby("models", "convert", file, "mine")
    assert (again.status, again.err.count("\n")) == (1, 1)
    assert workplace.dobby("models", "convert", file, "other", "--quantize", "3").status == 2
    (tmp_path / "models" / "mine" / "config.json").write_text("{}")
    broken = workplace.dobby("models", "verify", "mine")
    assert (broken.status, broken.err.count("\n")) == (1, 1)
    assert "config.json: wrong hash" in broken.err


def test_a_model_is_verified_by_its_hashes_its_scores_and_an_answer(workplace):
    done = workplace.dobby("models", "verify", "sentence")
    assert done.status == 0
    assert "all files are whole" in done.err
    refused = workplace.dobby("models", "verify", "absent")
    assert refused.status == 1
    assert "dobby models pull absent" in refused.err


def test_pulling_what_is_there_says_so(workplace):
    done = workplace.dobby("models", "pull", "sentence")
    assert done.status == 0
    assert "ready in" in done.err
    assert done.out == ""


def test_the_gate_judges_lines_from_standard_input(workplace, monkeypatch):
    lines = [
        {"language": "python", "code": "def f(): ...", "summary": SENTENCE},
        {"language": "python", "code": "def f(): ...", "summary": ""},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n\n"
    given(monkeypatch, text)
    first, second = workplace.dobby("gate", "--json").rows
    assert first == {"status": "published", "reasons": []}
    assert second["status"] == "quarantined"
    assert second["reasons"]


def test_the_gate_reads_what_else_a_line_may_say(workplace, monkeypatch):
    line = {"language": "python", "code": "def f(path): ...", "summary": SENTENCE}
    more = [
        {"summary": "Reads the `Config` of the path."},
        {"summary": "Reads the `Config` of the path.", "known_names": ["Config"]},
        {"summary": "Reads the `Config` of the path.", "children": ["It makes a Config."]},
        {"summary": "Reads the path.", "level": "repo"},
        {"instructions": SENTENCE},
        {"summary": "Reads the path and", "finish_reason": "length", "symbol": None},
    ]
    text = "\n".join(json.dumps({**line, **fields}) for fields in more)
    given(monkeypatch, text)
    reasons = [row["reasons"] for row in workplace.dobby("gate", "--json").rows]
    assert [[reason.partition(":")[0] for reason in row] for row in reasons] == [
        ["grounding"], [], [], ["too_short"], ["parroting"], ["cut_off"]
    ]  # fmt: skip
    assert "length" in reasons[-1][0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no json", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"language": "c", "code": "x"}', "has no summary"),
        (b'{"language": "c", "summary": "x"}', "has no code"),
        (b'{"code": "x", "summary": "x"}', "has no language"),
        (b'{"language": "c", "code": null, "summary": "x"}', "has no code"),
        (b'{"language": "c", "code": "x", "summary": 3}', "a summary that is no string"),
        (b'{"language": "c", "code": 3, "summary": "x"}', "a code that is no string"),
        (b'{"language": "c", "code": "x", "summary": "x", "level": "folder"}', "symbol, file"),
        (b'{"language": "c", "code": "x", "summary": "x", "known_names": "y"}', "known_names"),
        (b'{"language": "c", "code": "x", "summary": "x", "children": [1]}', "children"),
        (b'{"language": "c", "code": "\xff", "summary": "x"}', "UTF-8"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_a_line_that_the_gate_cannot_read_is_named_and_the_others_are_judged(
    workplace, monkeypatch, line, reason
):
    good = json.dumps({"language": "python", "code": "def f(): ...", "summary": SENTENCE}).encode()
    given(monkeypatch, b"\n".join([good, line, good + b"\r"]))
    done = workplace.dobby("gate", "--json")
    assert done.status == 2
    assert done.err.startswith("dobby: line 2 of standard input")
    assert done.err.count("\n") == 1
    assert reason in done.err
    first, second, third = done.rows
    assert first == third == {"status": "published", "reasons": []}
    assert second["status"] == "quarantined"
    assert [text.partition(":")[0] for text in second["reasons"]] == ["input"]


def test_the_gate_publishes_no_summary_of_nothing(workplace, monkeypatch):
    lines = [
        {"language": "python", "code": " \n", "summary": SENTENCE},
        {"language": "python", "code": "", "summary": SENTENCE, "children": [SENTENCE]},
    ]
    given(monkeypatch, "\n".join(map(json.dumps, lines)))
    done = workplace.dobby("gate", "--json")
    assert done.status == 0
    first, second = done.rows
    assert [text.partition(":")[0] for text in first["reasons"]] == ["no_code"]
    assert second["status"] == "published"


@pytest.mark.parametrize("language", ["c++", "C++", "cpp", "CPP", "cc", ".hpp"])
def test_the_gate_knows_a_language_by_the_names_that_people_give_it(
    workplace, monkeypatch, language
):
    code = "int add(int a, int b) { return a + b; }"
    line = {"language": language, "code": code, "summary": "Adds `a` to `b` and returns nothing."}
    given(monkeypatch, json.dumps(line))
    (row,) = workplace.dobby("gate", "--json").rows
    assert [text.partition(":")[0] for text in row["reasons"]] == ["contradiction"]


def test_the_gate_by_itself_refuses_what_repeats_the_own_prompts(workplace, monkeypatch):
    text = "In one or two short sentences, tell what this function does and what it is for."
    line = {"language": "python", "code": "def tell(): ...", "summary": text}
    given(monkeypatch, json.dumps(line))
    (row,) = workplace.dobby("gate", "--json").rows
    assert "parroting" in [text.partition(":")[0] for text in row["reasons"]]


def given(monkeypatch, text: str | bytes) -> None:
    """What the command finds on its standard input."""
    data = text if isinstance(text, bytes) else text.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


def test_the_doctor_tells_what_works_on_this_machine(workplace, git_repo):
    workplace.dobby("ingest", git_repo({"a.py": "def f(): return 1\n"}))
    done = workplace.dobby("doctor", "--json")
    findings = {row["check"]: row for row in done.rows}
    assert list(findings) == ["python", "device", "blas", "model", "database", "dagster"]
    assert done.status == 0, done.out
    known = latest_version()
    assert f"schema version {known} of {known}" in findings["database"]["detail"]
    assert "sentence" in findings["model"]["detail"]
    assert "GFLOP/s" in findings["blas"]["detail"]
    assert "ok   blas" in workplace.dobby("doctor").out


def test_the_doctor_says_what_to_do_about_what_does_not(workplace, monkeypatch, tmp_path):
    monkeypatch.setenv("DOBBY_MODEL", "absent")
    done = workplace.dobby("doctor", "--json")
    model = next(row for row in done.rows if row["check"] == "model")
    assert done.status == 1
    assert not model["ok"]
    assert model["advice"] == "run `dobby models pull absent`"
    assert "FAIL model" in workplace.dobby("doctor").out


def test_show_names_what_it_cannot_find(workplace, git_repo):
    workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"}))
    for address in ("example:b.py", "example:a.py::g", "nobody"):
        done = workplace.dobby("show", address)
        assert done.status == 2
        assert done.err.count("\n") == 1


def test_help_lists_every_command_of_the_contract(workplace):
    out = workplace.dobby("--help").out
    for command in (
        "summarize",
        "ingest",
        "repos",
        "status",
        "records",
        "skipped",
        "summaries",
        "show",
        "gate",
        "models",
        "doctor",
    ):
        assert f"  {command}" in out


def test_verify_names_what_does_not_hold_and_gc_removes_what_nothing_refers_to(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    assert workplace.dobby("summarize", folder).status == 0
    assert workplace.dobby("verify").status == 0
    assert "1 repositories hold" in workplace.dobby("verify", "example").err
    workplace.store.run(
        "damage",
        "?[repo, path, symbol, code] := *source_records{repo, path, symbol}, code = 'other' "
        ":update source_records {repo, path, symbol => code}",
        write=True,
    )
    damaged = workplace.dobby("verify", "--json")
    assert damaged.status == 1
    assert [(row["relation"], row["key"]) for row in damaged.rows] == [
        ("source_records", "a.py::f")
    ]
    assert "a.py::f" in workplace.dobby("verify").out
    workplace.dobby("repos", "remove", "example")
    assert "0 summary bodies removed" in workplace.dobby("gc").err
    assert "3 summary bodies removed" in workplace.dobby("gc", "--days", "0").err


def test_bench_passes_the_figures_on_and_fails_where_one_misses_its_target(
    workplace, tmp_path, monkeypatch
):
    figure = {
        "name": "n",
        "metric": "time",
        "value": 2.0,
        "unit": "s",
        "peer": "p",
        "peer_value": 1.0,
        "ratio": 2.0,
        "target": "<= 3 x peer",
        "met": True,
    }
    (tmp_path / "good.py").write_text(f"import json\nprint(json.dumps({figure!r}))\n")
    missed = {**figure, "met": False}
    (tmp_path / "slow.py").write_text(f"import json\nprint(json.dumps({missed!r}))\n")
    (tmp_path / "measure.py").write_text("")
    monkeypatch.setattr("dobby_pipeline.cli.bench.project_file", lambda _: tmp_path)
    done = workplace.dobby("bench", "good", "--json")
    assert (done.status, done.rows) == (0, [figure])
    both = workplace.dobby("bench")
    assert both.status == 1
    assert [line.split()[-1] for line in both.out.splitlines()] == ["met)", "MISSED)"]
    (tmp_path / "absent.py").write_text("raise SystemExit('no ctags: install it')\n")
    rest = workplace.dobby("bench", "absent", "good")
    assert (rest.status, "met)" in rest.out) == (1, True)
    assert "absent ended with status 1" in rest.err
    unknown = workplace.dobby("bench", "other")
    assert unknown.status == 2
    assert "absent, good, slow" in unknown.err
