"""From symbols to files to the repository: what is asked, and what not again."""

import re
from dataclasses import replace
from zlib import crc32

import pytest

from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.requests import Completion, Request
from dobby_pipeline.quality.children import read_tree
from dobby_pipeline.schema.relations import FILE_SUMMARIES, REPO_SUMMARIES
from dobby_pipeline.summaries.budget import Budget
from dobby_pipeline.summaries.files import FileSummaries
from dobby_pipeline.summaries.prompts import load_prompts
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.repository import RepoSummary
from dobby_pipeline.summaries.work import Work
from dobby_pipeline.summaries.writers import Writer, one_writer
from dobby_pipeline_tests.summaries.stored import COMMIT, REPO, StubPool, put_files, run


def file_of(*names: str, says: int = 1) -> str:
    return "".join(f"def {name}():\n    return {says}\n\n\n" for name in names)


def speak(request: Request) -> Completion:
    """Says the number that the code returns, so that only some edits change the text."""
    said = re.findall(r"return (\d+)", request.prompt)
    text = (
        f"It returns the number {said[0]}."
        if said
        else f"It tells a caller what the number {crc32(request.prompt.encode())} is."
    )
    return Completion(request.request_id, text, "stop", 10, 9, 1, -0.1)


def level_of(request: Request) -> str:
    first = request.prompt.split("\n")[0]
    for words, level in (
        ("what the symbols in", "file"),
        ("of a code repository", "repo"),
        ("in the directory", "directory"),
    ):
        if words in first:
            return level
    return "symbol"


def work(store: CozoStore, pool: StubPool, stage: str, budget: Budget | None = None) -> Work:
    writers = one_writer(Writer(Recipe("stub", "1", "", "greedy"), lambda: pool))
    repair = load_prompts().repair
    return Work(stage, store, REPO, writers, repair, lambda _: None, budget or Budget())


def roll_up(store: CozoStore, answer=speak, budget: Budget | None = None) -> list[str]:
    """One whole run; the level of each request, in the order in which they were made."""
    pool = StubPool(answer)
    run(store, pool, budget=budget)
    files = FileSummaries(work(store, pool, "file_summaries", budget), load_prompts(), COMMIT)
    write_partition(store, FILE_SUMMARIES, REPO, f"run-{id(pool)}", files.batches())
    tree = read_tree(store, REPO, f"run-{id(pool)}")
    checked = read_tree(store, REPO)  # what the run has just written need not be, and is the same
    assert tree.missing == checked.missing
    if not tree.missing:
        assert tree == checked
        summary = RepoSummary(
            work(store, pool, "repo_summary", budget), load_prompts(), tree, COMMIT
        )
        write_partition(store, REPO_SUMMARIES, REPO, f"run-{id(pool)}", summary.batches())
    return [level_of(request) for request in pool.requests]


def texts(store: CozoStore, relation: str) -> dict[str, str]:
    path = "path, " if relation != "repo_summaries" else ""
    rows = store.run(
        "read",
        f"?[{path}text] := *{relation}{{repo: 'example', {path}summary_key}}, "
        "*summary_bodies{summary_key, text}",
    )
    return {row.get("path", ""): row["text"] for row in rows}


TREE = {
    "a.py": file_of("f"),
    "src/one/b.py": file_of("g", "h"),
    "src/one/c.py": file_of("i"),
    "src/two/d.py": file_of("j", says=2),
}


def test_each_symbol_then_each_file_then_directories_with_several_children_then_the_repo(store):
    put_files(store, TREE)
    asked = roll_up(store)
    # f, g, h and i have code of their own; `src/two` holds one file, so it says what that says.
    assert asked == ["symbol"] * 5 + ["file"] * 4 + ["directory"] * 2 + ["repo"]
    assert texts(store, "file_summaries").keys() == TREE.keys()
    assert texts(store, "directory_summaries").keys() == {"src", "src/one"}
    assert len(texts(store, "repo_summaries")) == 1
    assert roll_up(store) == []


def test_an_edit_makes_calls_upwards_only_as_far_as_texts_change(store):
    put_files(store, TREE)
    roll_up(store)
    put_files(store, {**TREE, "src/one/b.py": file_of("g", "h") + "# end\n"})
    assert roll_up(store) == []  # no symbol's code changed
    edited = file_of("g").replace("return", "value = 0\n    return") + file_of("h")
    put_files(store, {**TREE, "src/one/b.py": edited})
    assert roll_up(store) == ["symbol"]  # the summary says the same, so nothing above is asked
    edited = file_of("g", says=30) + file_of("h")
    put_files(store, {**TREE, "src/one/b.py": edited})
    assert roll_up(store) == ["symbol", "file", "directory", "directory", "repo"]


WORDS = {
    "README.md": "It counts all things.",
    "src/one/__init__.py": '"""Counts single things."""\n',
    "src/one/b.py": f'"""Counts by letters."""\n{TREE["src/one/b.py"]}',
}


def test_what_the_authors_say_about_the_whole_is_shown_and_its_change_asks_anew(store):
    put_files(store, {**TREE, **WORDS})
    requests: list[Request] = []

    def note(request: Request) -> Completion:
        requests.append(request)
        return speak(request)

    roll_up(store, note)
    for words, level in (
        ("It counts all things.", "repo"),
        ("Counts single things.", "directory"),
        ("Counts by letters.", "file"),
    ):
        assert [level_of(r) for r in requests if words in r.prompt] == [level]
    put_files(store, {**TREE, **WORDS, "README.md": "It counts other things."})
    assert roll_up(store) == ["repo"]
    put_files(store, {**TREE, **WORDS, "src/one/b.py": TREE["src/one/b.py"]})
    assert roll_up(store)[0] == "file"


def test_where_the_model_goes_astray_twice_the_authors_words_stand_in(store):
    def wander(request: Request) -> Completion:
        if level_of(request) != "repo":
            return speak(request)
        text = "This software takes screenshots of the main page."
        return Completion(request.request_id, text, "stop", 10, 9, 1, -0.1)

    put_files(store, {**TREE, "README.md": "It counts each leaf of large trees. It is quick."})
    assert roll_up(store, wander)[-2:] == ["repo", "repo"]
    said = "It counts each leaf of large trees. It is quick."
    assert texts(store, "repo_summaries") == {"": said}


def test_an_edit_in_one_of_a_thousand_functions_makes_one_symbol_call(store):
    files = {f"{n % 10}/{n}.py": file_of(*(f"f_{n}_{m}" for m in range(10))) for n in range(100)}
    put_files(store, files)
    first = roll_up(store)
    assert first.count("symbol") == 1_000
    path = next(iter(files))
    put_files(store, {**files, path: files[path].replace("return 1", "return 22", 1)})
    again = roll_up(store)
    assert again.count("symbol") == 1
    assert again == ["symbol", "file", "directory", "repo"]
    put_files(store, files)
    assert roll_up(store) == []


def test_a_fork_that_shares_most_makes_calls_for_the_rest(store):
    files = {f"{n}.py": file_of(f"f{n}", says=n) for n in range(20)}
    put_files(store, files)
    roll_up(store)
    store.run("forget", "?[repo, path] := *file_summaries{repo, path} "
              ":rm file_summaries {repo, path}", write=True)  # fmt: skip
    put_files(store, {**files, "0.py": file_of("f0", says=777)})
    assert roll_up(store).count("symbol") == 1


def test_a_file_with_very_many_symbols_is_summarised_group_by_group(store):
    names = [f"f{n:04}" for n in range(300)]
    put_files(store, {"a.py": "".join(file_of(n, says=i) for i, n in enumerate(names))})
    pool = StubPool(speak)
    run(store, pool)
    pool.requests.clear()
    files = FileSummaries(work(store, pool, "file_summaries"), load_prompts(), COMMIT)
    write_partition(store, FILE_SUMMARIES, REPO, "run", files.batches())
    assert len(pool.requests) == 25 + 2 + 1  # the 25th group is alone in its group of groups
    assert files.work.tally.covered == 1
    for name in names:
        assert sum(f"`{name}`: It returns" in request.prompt for request in pool.requests) == 1
    again = StubPool(speak)
    files = FileSummaries(work(store, again, "file_summaries"), load_prompts(), COMMIT)
    write_partition(store, FILE_SUMMARIES, REPO, "run", files.batches())
    assert again.requests == []


def test_a_file_waits_until_all_of_its_symbols_have_a_verdict(store):
    put_files(store, {"a.py": file_of("f", "g"), "b.py": file_of("h")})
    run(store, StubPool(speak), limit=1)
    files = FileSummaries(work(store, StubPool(speak), "file_summaries"), load_prompts(), COMMIT)
    write_partition(store, FILE_SUMMARIES, REPO, "run", files.batches())
    assert files.incomplete == 2
    assert texts(store, "file_summaries") == {}
    assert read_tree(store, REPO).missing == 2


def test_a_file_is_held_against_its_symbols_texts_where_another_run_wrote_its_row(store):
    put_files(store, TREE)
    roll_up(store)
    # As when another repository with the same code had a summary made anew.
    store.run(
        "say something else",
        "?[summary_key, text] := *symbol_summaries{repo: 'example', path: 'a.py', summary_key}, "
        "text = 'It returns a number.' :update summary_bodies {summary_key => text}",
        write=True,
    )
    assert read_tree(store, REPO).missing == 1
    assert read_tree(store, REPO, "another run").missing == 1
    assert roll_up(store) == ["file", "repo"]


def test_a_quarantined_roll_up_is_replaced_by_the_names_of_what_is_there(store):
    files = {"a.py": file_of("f", "g"), "lib/b.py": file_of("h"), "lib/c.py": file_of("k")}
    put_files(store, files)

    def answer(request: Request) -> Completion:
        said = speak(request)
        return said if level_of(request) == "symbol" else replace(said, text="No.")

    assert roll_up(store, answer).count("file") == 2 * 3
    assert texts(store, "file_summaries")["a.py"] == (
        "A Python file that holds the functions `f`, `g`."
    )
    assert texts(store, "directory_summaries") == {"lib": "A directory that holds `b.py`, `c.py`."}
    assert texts(store, "repo_summaries")[""] == "A repository that holds `lib/`, `a.py`."


def test_a_repository_that_lost_a_directory_keeps_no_summary_of_it(store):
    put_files(store, TREE)
    roll_up(store)
    put_files(store, {"a.py": TREE["a.py"]})
    roll_up(store)
    assert texts(store, "directory_summaries") == {}


@pytest.mark.parametrize("most", [25, 130])
def test_a_run_whose_tokens_are_spent_ends_and_the_next_one_goes_on(store, most):
    put_files(store, TREE)
    spent = 0

    def answer(request: Request) -> Completion:
        nonlocal spent
        spent += 19
        return speak(request)

    first = roll_up(store, answer, Budget(max_tokens=most, tokens=lambda: spent))
    assert 0 < len(first) < 12
    second = roll_up(store)
    assert len(first) + len(second) == 12
    assert len(texts(store, "repo_summaries")) == 1


def test_a_run_whose_time_is_up_asks_nothing(store):
    put_files(store, TREE)
    assert roll_up(store, budget=Budget(seconds=0.0)) == []
