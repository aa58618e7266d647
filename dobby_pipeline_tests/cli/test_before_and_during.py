"""What a run would cost, ends that are set for it, and what is out of date: the real command."""

import pytest

from dobby_pipeline_tests.cli.test_flow import last_metadata
from dobby_pipeline_tests.conftest import commit_files

FUNCTIONS = {
    f"m{n}.py": "\n\n".join(f"def f{n}{k}(x):\n    return x + {n}{k}\n" for k in range(10))
    for n in range(3)
}


def by_level(done) -> dict[str, dict]:
    return {row["level"]: row for row in done.rows}


def test_an_estimate_is_what_the_run_then_takes_and_makes_nothing(workplace, git_repo):
    folder = git_repo(FUNCTIONS)
    told = workplace.dobby("summarize", folder, "--estimate", "--json")
    assert told.status == 0, told.err
    costs = by_level(told)
    assert costs["symbol"]["calls"] == 30
    assert costs["symbol"]["exact"] == costs["symbol"]["prompt_tokens"] > 30 * 40
    assert costs["file"]["calls"] == 3
    assert costs["all"]["seconds"] is None  # no history yet
    assert workplace.dobby("summaries", "example", "--json").rows == []

    workplace.dobby("summarize", folder)
    figures = last_metadata(workplace.home, "symbol_summaries")
    assert figures["generated"] == costs["symbol"]["calls"]
    assert figures["prompt tokens"] == costs["symbol"]["exact"]

    nothing = workplace.dobby("summarize", folder, "--estimate", "--json")
    assert by_level(nothing)["all"]["calls"] == 0
    assert "nothing to do" in workplace.dobby("summarize", folder, "--estimate").out
    commit_files(folder, {"m0.py": FUNCTIONS["m0.py"].replace("+ 05", "- 5")})
    later = by_level(workplace.dobby("summarize", folder, "--estimate", "--json"))
    assert later["symbol"]["calls"] == 1
    assert later["all"]["seconds"] > 0  # by the run's history


@pytest.mark.parametrize(
    ("option", "end"),
    [(("--max-tokens-total", 1), "tokens is spent"), (("--max-minutes", 1e-9), "the time is up")],
)
def test_a_budget_ends_the_run_and_says_so_and_the_next_goes_on(workplace, git_repo, option, end):
    folder = git_repo(FUNCTIONS)
    done = workplace.dobby("summarize", folder, *option, "--json")
    assert done.status == 0, done.err
    assert end in done.err
    symbols = done.rows[0]["symbol"]
    assert symbols["missing"] > 0
    assert symbols["published"] + symbols["missing"] == 30
    assert workplace.dobby("summarize", folder).status == 0
    assert last_metadata(workplace.home, "symbol_summaries")["generated"] == symbols["missing"]


def test_what_is_out_of_date_is_told_from_the_fresh(workplace, git_repo):
    folder = git_repo(FUNCTIONS)
    workplace.dobby("summarize", folder)
    assert workplace.dobby("summaries", "example", "--stale", "--json").rows == []
    commit_files(folder, {"m1.py": FUNCTIONS["m1.py"].replace("+ 13", "- 3")})
    workplace.dobby("ingest", folder)
    fresh = workplace.dobby("summaries", "example", "--level", "symbol", "--json").rows
    assert {row["symbol"] for row in fresh} == {f"f{n}{k}" for n in range(3) for k in range(10)} - {
        "f13"
    }
    stale = workplace.dobby("summaries", "example", "--stale", "--json").rows
    assert {(row["path"], row["symbol"]) for row in stale if row["symbol"]} == {("m1.py", "f13")}
    shown = workplace.dobby("show", "example:m1.py").out
    assert "    stale: " in shown
    assert ", 2 stale\n" in shown


def test_with_callees_an_edit_that_says_something_else_costs_the_callers_too(workplace, git_repo):
    files = {"a.py": "def low(x):\n    return x\n\n\ndef high(x):\n    return low(x) + 1\n"}
    folder = git_repo(files)
    done = workplace.dobby("summarize", folder, "--with-callees", "--level", "symbol")
    assert done.status == 0, done.err
    first = last_metadata(workplace.home, "symbol_summaries")
    plain = workplace.dobby("summarize", folder, "--level", "symbol")
    assert plain.status == 0, plain.err
    second = last_metadata(workplace.home, "symbol_summaries")
    assert first["generated"] == 2
    assert second["generated"] == 1  # `high`, whose prompt had its callee's summary
