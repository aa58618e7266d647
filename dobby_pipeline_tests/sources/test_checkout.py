"""From a registered repository to a commit, on real git repositories."""

import socket

import pytest

from dobby_pipeline.sources import checkout as checkout_module
from dobby_pipeline.sources.checkout import checkout, latest_commit
from dobby_pipeline.sources.git_tree import SourceError, list_tree
from dobby_pipeline.sources.registry import Repo
from dobby_pipeline_tests.conftest import commit_files, git


def paths(source) -> list[str]:
    return [entry.path for entry in list_tree(source.repository, source.commit)]


def test_a_path_is_read_at_its_ref(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "branch", "old")
    second = commit_files(folder, {"b.py": "y = 1\n"})
    assert checkout(Repo("r", str(folder)), tmp_path).commit == second
    assert checkout(Repo("r", str(folder), ref="old"), tmp_path).commit == first
    assert latest_commit(Repo("r", str(folder), ref="old")) == first


def test_a_url_is_mirrored_under_home_and_follows_new_and_rewritten_commits(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    repo = Repo("r", folder.as_uri())
    home = tmp_path / "home"
    assert paths(checkout(repo, home)) == ["a.py"]
    second = commit_files(folder, {"b.py": "y = 1\n"})
    assert latest_commit(repo) == second
    assert checkout(repo, home).commit == second
    git(folder, "reset", "-q", "--hard", "HEAD~1")
    third = commit_files(folder, {"c.py": "z = 1\n"})
    assert checkout(repo, home).commit == third
    assert [path.name for path in (home / "clones").iterdir()] == ["r.git"]


def test_a_url_resolves_branches_and_annotated_tags(git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    commit = git(folder, "rev-parse", "HEAD")
    git(folder, "tag", "-a", "v1", "-m", "one")
    commit_files(folder, {"b.py": ""})
    assert latest_commit(Repo("r", folder.as_uri(), ref="v1")) == commit
    assert latest_commit(Repo("r", folder.as_uri(), ref="main")) != commit
    with pytest.raises(SourceError, match="no ref 'nope'"):
        latest_commit(Repo("r", folder.as_uri(), ref="nope"))


def test_a_url_is_read_at_a_commit_that_is_given_by_its_id(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    first = git(folder, "rev-parse", "HEAD")
    commit_files(folder, {"b.py": ""})
    repo = Repo("r", folder.as_uri(), ref=first)
    assert latest_commit(repo) == first
    assert checkout(repo, tmp_path / "home").commit == first
    with pytest.raises(SourceError, match="all 40 digits"):
        latest_commit(Repo("r", folder.as_uri(), ref=first[:9]))
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        checkout(Repo("r", folder.as_uri(), ref="1" * 40), tmp_path / "home")


def test_a_url_without_commits_says_so(tmp_path):
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(SourceError, match="no commits yet"):
        latest_commit(Repo("r", (tmp_path / "empty").as_uri()))


def test_a_url_whose_default_branch_was_renamed_is_read_at_the_new_one(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    repo, home = Repo("r", folder.as_uri()), tmp_path / "home"
    checkout(repo, home)
    git(folder, "checkout", "-q", "-b", "trunk")
    second = commit_files(folder, {"b.py": "y = 1\n"})
    assert checkout(repo, home).commit == second == latest_commit(repo)
    git(folder, "branch", "-D", "main")
    assert checkout(repo, home).commit == second
    git(folder, "checkout", "-q", "--detach", "HEAD~1")
    assert checkout(repo, home).commit == latest_commit(repo) == git(folder, "rev-parse", "HEAD")


def test_a_url_that_leads_nowhere_is_one_clear_line(tmp_path):
    repo = Repo("r", (tmp_path / "gone.git").as_uri())
    for read in (lambda: checkout(repo, tmp_path / "home"), lambda: latest_commit(repo)):
        with pytest.raises(SourceError, match="cannot be read by git") as error:
            read()
        assert "\n" not in str(error.value)
    assert not list((tmp_path / "home" / "clones").glob("r.git"))


def test_a_url_that_hangs_is_given_up_after_the_time_allowed(monkeypatch):
    monkeypatch.setattr(checkout_module, "LS_REMOTE_TIMEOUT_S", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        with pytest.raises(SourceError, match="did not answer within"):
            latest_commit(Repo("r", url))


def test_a_work_tree_is_read_as_it_lies_there_and_left_untouched(tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.py").write_text("x = 1\n")
    (folder / "junk.log").write_text("noise")
    (folder / ".gitignore").write_text("*.log\n")
    repo = Repo("r", str(folder), worktree=True)
    home = tmp_path / "home"
    first = checkout(repo, home)
    assert paths(first) == [".gitignore", "a.py"]
    assert checkout(repo, home).commit == first.commit
    (folder / "a.py").unlink()
    (folder / "b.py").write_text("y = 1\n")
    assert paths(checkout(repo, home)) == [".gitignore", "b.py"]
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "b.py", "junk.log"]
    assert latest_commit(repo) is None


def test_uncommitted_changes_of_a_repository_can_be_read_as_a_work_tree(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    (folder / "new.py").write_text("y = 1\n")
    assert paths(checkout(Repo("r", str(folder)), tmp_path)) == ["a.py"]
    shadow = checkout(Repo("r", str(folder), worktree=True), tmp_path)
    assert paths(shadow) == ["a.py", "new.py"]
    assert git(folder, "status", "--porcelain") == "?? new.py"
