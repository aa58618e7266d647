"""Opening repositories of every sort, resolving refs, and listing trees as git does."""

import os
import subprocess
from pathlib import Path

import pytest

from dobby_pipeline.sources.git_tree import (
    SourceError,
    display_path,
    list_tree,
    open_repository,
    resolve_commit,
)
from dobby_pipeline_tests.conftest import commit_files, git


def listing(folder: Path, ref: str = "HEAD") -> list[str]:
    repository = open_repository(folder)
    return [entry.path for entry in list_tree(repository, resolve_commit(repository, ref))]


def message_of(call, *args) -> str:
    with pytest.raises(SourceError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_any_folder_of_a_work_tree_opens_its_repository(git_repo):
    folder = git_repo({"a/b/c.py": "x = 1\n"})
    assert listing(folder / "a" / "b") == ["a/b/c.py"]


def test_bare_shallow_and_linked_repositories_open(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    commit_files(folder, {"b.py": "y = 1\n"})
    git(tmp_path, "clone", "-q", "--bare", str(folder), "bare.git")
    git(tmp_path, "clone", "-q", "--depth=1", folder.as_uri(), "shallow")
    git(folder, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD~1")
    assert listing(tmp_path / "bare.git") == ["a.py", "b.py"]
    assert listing(tmp_path / "shallow") == ["a.py", "b.py"]
    assert listing(tmp_path / "linked") == ["a.py"]


def test_a_repository_with_sha256_names_is_refused_with_what_to_do(tmp_path):
    git(tmp_path, "init", "-q", "--object-format=sha256", "wide")
    message = message_of(open_repository, tmp_path / "wide")
    assert "sha256" in message
    assert "--worktree" in message


def test_a_missing_path_a_file_and_a_plain_folder_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "plain").mkdir()
    assert "does not exist: check the path" in message_of(open_repository, tmp_path / "none")
    assert "is a file: give the repository's folder" in message_of(
        open_repository, tmp_path / "file"
    )
    message = message_of(open_repository, tmp_path / "plain")
    assert str(tmp_path / "plain") in message
    assert "git init" in message
    assert "--worktree" in message


def test_a_folder_with_a_line_break_in_its_name_still_gives_one_line(tmp_path):
    (tmp_path / "two\nlines").mkdir()
    message_of(open_repository, tmp_path / "two\nlines")


def test_a_repository_format_that_libgit2_cannot_read_is_named(git_repo):
    folder = git_repo({"a.py": "x"})
    git(folder, "config", "core.repositoryformatversion", "1")
    git(folder, "config", "extensions.fromTheFuture", "true")
    assert "cannot be opened by libgit2" in message_of(open_repository, folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing a folder's owner needs root")
def test_a_repository_of_another_user_is_read(git_repo):
    folder = git_repo({"a.py": "x"})
    subprocess.run(["chown", "-R", "12345:12345", str(folder)], check=True)
    assert listing(folder) == ["a.py"]


def test_every_way_to_name_a_commit_resolves_to_it(git_repo, tmp_path):
    folder = git_repo({"a.py": "x"})
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "tag", "light")
    git(folder, "tag", "-a", "-m", "annotated", "heavy")
    git(folder, "branch", "feature/x")
    git(tmp_path, "clone", "-q", str(folder), "clone")
    clone = open_repository(tmp_path / "clone")
    for ref in ("HEAD", "main", "light", "heavy", "origin/feature/x", "refs/tags/heavy", first[:8]):
        assert resolve_commit(clone, ref) == first


def test_a_detached_head_resolves(git_repo):
    folder = git_repo({"a.py": "x"})
    first = git(folder, "rev-parse", "HEAD")
    commit_files(folder, {"b.py": "y"})
    git(folder, "checkout", "-q", "--detach", first)
    assert resolve_commit(open_repository(folder), "HEAD") == first


@pytest.mark.parametrize("ref", ["nowhere", "", "a b", "~", "HEAD~7", "x\0y", ":/nothing", "@{"])
def test_a_ref_that_is_not_there_is_refused_with_the_branches_that_are(git_repo, ref):
    folder = git_repo({"a.py": "x"})
    git(folder, "branch", "other")
    message = message_of(resolve_commit, open_repository(folder), ref)
    assert repr(ref) in message
    assert "main, other" in message


def test_only_some_of_many_branches_are_listed(git_repo):
    folder = git_repo({"a.py": "x"})
    for number in range(12):
        git(folder, "branch", f"topic-{number}")
    message = message_of(resolve_commit, open_repository(folder), "gone")
    assert message.endswith("and 5 more")


def test_a_ref_to_a_blob_is_no_commit(git_repo):
    folder = git_repo({"a.py": "x"})
    blob = git(folder, "rev-parse", "HEAD:a.py")
    assert "no branch, tag or commit" in message_of(resolve_commit, open_repository(folder), blob)


def test_an_empty_repository_says_that_it_has_no_commits(tmp_path):
    git(tmp_path, "init", "-q")
    message = message_of(resolve_commit, open_repository(tmp_path), "HEAD")
    assert "has no commits yet" in message


def test_an_unborn_branch_beside_others_lists_the_others(git_repo):
    folder = git_repo({"a.py": "x"})
    git(folder, "checkout", "-q", "--orphan", "fresh")
    message = message_of(resolve_commit, open_repository(folder), "HEAD")
    assert "its branches are main" in message


def test_files_are_listed_in_git_s_order(git_repo):
    names = ["a.b", "a/b", "a-b", "a0", "B", "b", "z/y/x/w", "é", "名前.py", "-", "x y"]
    folder = git_repo(dict.fromkeys(names, "x"))
    expected = git(
        folder, "-c", "core.quotePath=false", "ls-tree", "-r", "-z", "--name-only", "HEAD"
    )
    assert listing(folder) == expected.rstrip("\0").split("\0")


def test_an_entry_says_mode_id_and_size(git_repo):
    folder = git_repo({"run.sh": "echo\n"})
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    commit_files(folder, {})
    repository = open_repository(folder)
    link, script = list_tree(repository, resolve_commit(repository, "HEAD"))
    assert (link.mode, link.size) == (0o120000, 6)
    assert (script.mode, script.size) == (0o100755, 5)
    assert script.blob_id == git(folder, "rev-parse", "HEAD:run.sh")


def test_a_tree_nested_thousands_deep_is_listed(tmp_path):
    git(tmp_path, "init", "-q")
    repository = open_repository(tmp_path)
    tree = repository.create_blob(b"x = 1\n")
    mode = 0o100644
    for _ in range(3000):
        builder = repository.TreeBuilder()
        builder.insert("d", tree, mode)
        tree, mode = builder.write(), 0o40000
    (entry,) = list_tree(repository, str(tree))
    assert entry.path == "/".join(["d"] * 3000)


def test_a_missing_tree_is_one_clear_line(git_repo):
    folder = git_repo({"sub/a.py": "x"})
    tree = git(folder, "rev-parse", "HEAD:sub")
    (folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    message = message_of(listing, folder)
    assert "the tree of sub" in message
    assert "git fsck" in message


def test_paths_that_are_not_utf8_become_escapes_and_stay_apart():
    names = [b"caf\xe9", rb"caf\xe9", rb"caf\x5cxe9", "café".encode(), rb"a\b", b"a\\\xff"]
    shown = [display_path(name) for name in names]
    assert shown == [
        r"caf\xe9",
        r"caf\x5cxe9",
        r"caf\x5cx5cxe9",
        "café",
        r"a\b",
        r"a\\xff",
    ]
    assert len(set(shown)) == len(names)
