"""Bad input: one clear line that says what, where and what to do, and nothing lost."""

import json
import os
import subprocess
import sys

import pytest

from dobby_pipeline.inference.models.manifests import weights_folder
from dobby_pipeline.settings import project_file
from dobby_pipeline_tests.conftest import commit_files, git
from dobby_pipeline_tests.cozo.test_store import hold


def refused(done, *words: str) -> None:
    """Exit status 1 or 2, and one line that holds the words."""
    assert done.status in (1, 2)
    lines = [line for line in done.err.splitlines() if line.startswith("dobby: ")]
    assert len(lines) == 1, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in lines[0], lines[0]


def test_a_path_that_is_no_repository(workplace, tmp_path):
    (tmp_path / "plain").mkdir()
    refused(workplace.dobby("summarize", tmp_path / "plain"), "plain", "--worktree")


def test_a_path_that_is_not_there(workplace, tmp_path):
    refused(workplace.dobby("summarize", tmp_path / "nowhere"), "nowhere", "does not exist")


@pytest.mark.parametrize("about", ["status", "repos list", "verify", "gc", "audit"])
def test_what_is_asked_of_all_is_answered_before_anything_is_registered(workplace, about):
    done = workplace.dobby(*about.split())
    assert (done.status, done.out, done.err.count("\n")) == (0, "", 1)
    assert "nothing is registered" in done.err
    assert not workplace.home.exists()


@pytest.mark.parametrize("about", ["status", "records", "skipped", "summaries", "show", "verify"])
def test_what_is_asked_of_a_repository_that_nobody_registered_is_refused(
    workplace, git_repo, about
):
    before = workplace.dobby(about, "nobody")
    refused(before, "nothing is registered")
    assert workplace.dobby("repos", "add", "example", git_repo({"a.py": "A = 1\n"})).status == 0
    after = workplace.dobby(about, "nobody")
    refused(after, "'nobody'", "example")
    assert (before.status, after.status) == (2, 2)
    assert before.out + after.out == ""


def test_an_empty_repository(workplace, tmp_path):
    git(tmp_path, "init", "-q", "empty")
    refused(workplace.dobby("summarize", tmp_path / "empty"), "empty", "no commits yet")


def test_a_branch_that_does_not_exist(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    done = workplace.dobby("repos", "add", "example", folder, "--ref", "nope")
    refused(done, "'nope'", "main")
    assert workplace.dobby("repos", "list").out == ""


def test_a_branch_that_is_gone_when_it_is_read(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    git(folder, "branch", "old")
    assert workplace.dobby("repos", "add", "example", folder, "--ref", "old").status == 0
    assert workplace.dobby("summarize", "example").status == 0
    git(folder, "branch", "-D", "old")
    refused(workplace.dobby("summarize", "example"), "'old'", "main")
    kept = workplace.dobby("summaries", "example", "--level", "symbol", "--json").rows
    assert [row["symbol"] for row in kept] == ["f"]


def test_a_file_that_is_not_utf8_and_a_symlink_loop_are_in_the_ledger(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    (folder / "latin.py").write_bytes("def é(): pass\n".encode("latin-1"))
    (folder / "loop.py").symlink_to("loop.py")
    commit_files(folder, {})
    assert workplace.dobby("summarize", folder).status == 0
    skipped = {
        row["path"]: row["reason"] for row in workplace.dobby("skipped", "example", "--json").rows
    }
    assert skipped == {"latin.py": "not_utf8", "loop.py": "symlink"}


def test_a_name_that_would_steer_the_terminal_is_shown_and_not_obeyed(workplace, git_repo):
    names = ("new\nline.py", "red\x1b[31m.py", "bidi\u202e.py", "caf\u00e9.py")
    text = {name: f"def f{i}(): return {i}\n" for i, name in enumerate(names)}
    other = {name.replace(".py", ".txt"): "x\n" for name in names}
    assert workplace.dobby("summarize", git_repo({**text, **other})).status == 0
    for command in ("records", "skipped", "show", "summaries"):
        out = workplace.dobby(command, "example").out
        assert "\x1b[31m" not in out
        assert "\u202e" not in out
        for shown in (r"new\nline", r"red\x1b[31m", r"bidi\u202e", "caf\u00e9"):
            assert shown in out
    paths = {row["path"] for row in workplace.dobby("records", "example", "--json").rows}
    assert paths == set(names)


def test_a_model_that_is_not_pulled(workplace, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_MODEL", "absent")
    done = workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"}))
    refused(done, "absent", "dobby models pull absent")
    assert not (workplace.home / "cozo").exists()


def test_a_model_without_a_manifest(workplace, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_MODEL", "gpt-9")
    done = workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"}))
    refused(done, "gpt-9", "sentence")


def test_weights_that_vanish_during_the_run_lose_nothing_that_was_committed(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    assert workplace.dobby("summarize", folder).status == 0
    commit_files(folder, {"b.py": "def g(): return 2\n"})
    weights = weights_folder("sentence") / "model.safetensors"
    hidden = weights.with_suffix(".hidden")
    weights.rename(hidden)
    try:
        refused(workplace.dobby("summarize", folder), "sentence")
    finally:
        hidden.rename(weights)
    kept = workplace.dobby("summaries", "example", "--level", "symbol", "--json").rows
    assert [row["symbol"] for row in kept] == ["f"]


def test_a_database_held_by_another_process(workplace, git_repo, monkeypatch):
    assert workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"})).status == 0
    process = hold(workplace.store.path, 60)
    monkeypatch.setattr("dobby_pipeline.cli.setting.LOCK_WAIT_S", 0.5)
    try:
        refused(workplace.dobby("status"), "held by another process", str(workplace.store.path))
    finally:
        process.kill()
        process.wait()
    assert workplace.dobby("status", "--json").rows[0]["symbol"]["published"] == 1


def test_a_database_newer_than_the_code(workplace, git_repo):
    assert workplace.dobby("ingest", git_repo({"a.py": "def f(): return 1\n"})).status == 0
    put = "?[version, name] <- [[99, 'later']] :put schema_version {version => name}"
    workplace.store.run("future", put, write=True)
    refused(workplace.dobby("status"), "99", "update Dobby")
    refused(workplace.dobby("summarize", "example"), "99", "update Dobby")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(workplace, git_repo, small_disk, monkeypatch):
    monkeypatch.setenv("DOBBY_HOME", str(small_disk / "home"))
    folder = git_repo({"a.py": "def f(): return 1\n"})
    assert workplace.dobby("summarize", folder).status == 0
    with pytest.raises(OSError, match="No space"), (small_disk / "ballast").open("wb") as ballast:
        while True:
            ballast.write(b"\0" * 1_000_000)
            ballast.flush()
    commit_files(folder, {"b.py": "def g(): return 2\n"})
    refused(workplace.dobby("summarize", folder), "home", "free some space")
    (small_disk / "ballast").unlink()
    assert workplace.dobby("summarize", folder).status == 0
    made = workplace.dobby("summaries", "example", "--level", "symbol", "--json").rows
    assert [row["symbol"] for row in made] == ["f", "g"]


def test_a_read_only_disk(workplace, git_repo, small_disk, monkeypatch):
    monkeypatch.setenv("DOBBY_HOME", str(small_disk / "home"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"}))
    refused(done, "Read-only file system", "DOBBY_HOME")


def test_a_name_that_is_taken_by_another_repository(workplace, git_repo, tmp_path):
    one = git_repo({"a.py": "def f(): return 1\n"}, "one/same")
    two = git_repo({"a.py": "def f(): return 1\n"}, "two/same")
    assert workplace.dobby("ingest", one).status == 0
    refused(workplace.dobby("ingest", two), str(one), "repos add")


def test_a_wrong_setting(workplace, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_SESSIONS", "0")
    done = workplace.dobby("summarize", git_repo({"a.py": "def f(): return 1\n"}))
    refused(done, "DOBBY_SESSIONS", "1 or more")


@pytest.mark.parametrize("number", ["nan", "inf", "-1"])
def test_a_number_that_is_none_is_wrong_usage(workplace, git_repo, number):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    for command in (("summarize", folder, "--max-minutes", number), ("gc", "--days", number)):
        done = workplace.dobby(*command)
        assert done.status == 2
        assert "Invalid value" in done.err
    assert not workplace.home.exists()


def test_a_home_that_is_a_file(workplace, git_repo, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("DOBBY_HOME", str(tmp_path / "file"))
    refused(workplace.dobby("ingest", git_repo({"a.py": "def f(): return 1\n"})), "is a file")
    database = next(r for r in workplace.dobby("doctor", "--json").rows if r["check"] == "database")
    assert not database["ok"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_damaged_history_of_dagster(workplace, git_repo):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    assert workplace.dobby("ingest", folder).status == 0
    for history in (workplace.home / "dagster" / "history").glob("*.db"):
        history.write_bytes(b"no database" * 1000)
    words = "Dagster's database cannot be used", "history of runs"
    refused(workplace.dobby("ingest", folder), *words)
    assert len(workplace.dobby("records", "example", "--json").rows) == 1


def test_no_code_of_a_repository_is_run_by_one_who_stands_in_it(workplace, git_repo, tmp_path):
    touch = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\nraise ImportError\n"
    theirs = ("logging", "pickle", "queue", "signal", "threading", "tree_sitter", "pygit2")
    # So much that it is read by several processes.
    text = '"' + "and more " * 10 + '"\n'
    long = {f"m{n}.py": f"def f{n}(): return {n}\nX = (\n{text * 2_000})\n" for n in range(12)}
    folder = git_repo({**{f"{name}.py": touch for name in theirs}, **long})
    code = "from dobby_pipeline.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "ingest", ".", "--json"],
        cwd=folder,
        env={
            **os.environ,
            "DAGSTER_HOME": "",
            "PYTHONPATH": str(project_file("dagster.yaml").parent),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    assert "unparsable" not in json.loads(done.stdout)["skipped"]
    assert len(workplace.dobby("records", "example", "--json").rows) == len(long)


def test_a_reader_that_goes_away_ends_the_command_without_a_trace(workplace, git_repo):
    text = "\n".join(f"def f{n}():\n    return {n}\n" for n in range(2000))
    assert workplace.dobby("ingest", git_repo({"a.py": text})).status == 0
    process = workplace.start("records", "example", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(30)
