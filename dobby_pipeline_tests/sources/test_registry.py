"""The registry on a real store."""

import pytest

from dobby_pipeline.errors import UsageError
from dobby_pipeline.schema.relations import RELATIONS
from dobby_pipeline.sources.git_tree import SourceError
from dobby_pipeline.sources.registry import (
    Repo,
    add_repo,
    checked_location,
    find_repo,
    get_repo,
    is_url,
    list_repos,
    name_for,
    remove_repo,
)
from dobby_pipeline_tests.conftest import git
from dobby_pipeline_tests.sources.files_source import put


def test_a_path_is_stored_as_the_root_of_its_repository(store, git_repo):
    folder = git_repo({"src/a.py": "x = 1\n"})
    repo = add_repo(store, Repo("example", str(folder / "src")))
    assert repo.location == str(folder)
    assert list_repos(store) == [repo] == [find_repo(store, "example")]


def test_registering_again_changes_the_ref_and_keeps_the_date(store, git_repo):
    folder = git_repo({"a.py": "x = 1\n"})
    first = add_repo(store, Repo("example", str(folder), added_at="2020-01-01T00:00:00+00:00"))
    again = add_repo(store, Repo("example", str(folder), ref="main"))
    assert (again.ref, again.added_at) == ("main", first.added_at)


def test_two_repositories_of_one_name_are_told_apart_by_a_clear_line(store, git_repo):
    one, two = git_repo({"a.py": ""}, "one"), git_repo({"a.py": ""}, "two")
    add_repo(store, Repo("same", str(one)))
    with pytest.raises(UsageError, match=f"{one}.*repos add"):
        add_repo(store, Repo("same", str(two)))
    assert get_repo(store, "same").location == str(one)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a:b", "a b", "a..b", "x" * 101, "é"])
def test_a_name_that_cannot_be_a_partition_key_is_refused(store, git_repo, name):
    with pytest.raises(UsageError, match="cannot be a repository's name"):
        add_repo(store, Repo(name, str(git_repo({"a.py": ""}))))


def test_a_folder_that_is_no_repository_is_refused_and_nothing_is_stored(store, tmp_path):
    with pytest.raises(SourceError, match="is not a git repository"):
        add_repo(store, Repo("plain", str(tmp_path)))
    assert list_repos(store) == []


def test_a_repository_that_its_work_tree_does_not_lead_to_is_known_by_its_own_folder(
    store, git_repo, tmp_path
):
    folder = git_repo({"a.py": ""})
    for name, config in (("without.git", ""), ("apart.git", f"[core]\n\tworktree = {tmp_path}\n")):
        git(tmp_path, "clone", "-q", "--bare", str(folder), name)
        (tmp_path / name / "config").write_text(config)
        assert add_repo(store, Repo(name, str(tmp_path / name))).location == str(tmp_path / name)
    (tmp_path / "without.git" / "config").unlink()
    assert checked_location(str(tmp_path / "without.git")) == str(tmp_path / "without.git")
    assert checked_location(str(folder / ".git")) == str(folder)


@pytest.mark.parametrize(
    "url", ["https://{}@example.org/a/b.git", "https://example.org/a/b.git?access_token={}"]
)
def test_a_url_with_a_token_is_refused_without_repeating_it(store, url):
    token = "ghp_" + "aB3dE5gH" * 4 + "wxyz"
    with pytest.raises(UsageError, match="github_token") as error:
        add_repo(store, Repo("r", url.format(token)))
    assert token not in str(error.value)
    assert list_repos(store) == []


def test_a_url_with_a_password_is_refused_without_repeating_it(store):
    with pytest.raises(UsageError) as error:
        add_repo(store, Repo("x", "https://me:hunter2@example.invalid/x.git"))
    assert "hunter2" not in str(error.value)


def test_an_unknown_name_is_answered_with_those_that_are_there(store, git_repo):
    add_repo(store, Repo("example", str(git_repo({"a.py": ""}))))
    with pytest.raises(UsageError, match=r"'exmaple'.*registered: example"):
        get_repo(store, "exmaple")


def test_removing_a_repository_takes_its_rows_and_nobody_elses(store, git_repo):
    for name in ("one", "two"):
        add_repo(store, Repo(name, str(git_repo({"a.py": ""}, name))))
        put(store, {"a.py": "def f(): 1\n"}, name)
    remove_repo(store, "one")
    assert [repo.repo for repo in list_repos(store)] == ["two"]
    for relation in RELATIONS.values():
        if "repo" in relation.keys:
            rows = store.run("left", f"?[repo] := *{relation.name}{{repo}}")
            assert {row["repo"] for row in rows} <= {"two"}
    assert store.run("kept", "?[repo] := *source_files{repo}") == [{"repo": "two"}]


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/home/me/Requests", "Requests"),
        ("/srv/git/requests.git", "requests"),
        ("https://example.invalid/psf/requests.git", "requests"),
        ("git@example.invalid:psf/requests", "requests"),
        ("git@example.invalid:requests.git", "requests"),
        ("/home/me/my project (2)", "my-project-2"),
        ("/", "repo"),
    ],
)
def test_a_name_is_made_from_the_location(location, name):
    assert name_for(location) == name


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://example.invalid/x", True),
        ("file:///srv/x.git", True),
        ("git@example.invalid:x.git", True),
        ("/srv/x", False),
        ("./x@y", False),
        ("x", False),
    ],
)
def test_urls_are_told_from_paths(location, expected):
    assert is_url(location) is expected
