"""Every file that git lists is accounted for, whatever it is."""

import subprocess
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from dobby_pipeline.sources.extractor_version import EXTRACTOR_VERSION
from dobby_pipeline.sources.git_tree import (
    SourceError,
    display_path,
    list_tree,
    open_repository,
    resolve_commit,
)
from dobby_pipeline.sources.reader import GitSource, content_of
from dobby_pipeline.sources.records import FileContent, ListedFile
from dobby_pipeline.sources.skip_rules import MAX_FILE_BYTES
from dobby_pipeline_tests.conftest import commit_files, git

FUNCTION = "def f():\n    return 1\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12\n"


def source_of(folder: Path) -> GitSource:
    repository = open_repository(folder)
    return GitSource(repository, resolve_commit(repository, "HEAD"))


def read(folder: Path) -> list[tuple[ListedFile, FileContent]]:
    """Each listed file with what it gives; a file that has a reason is not read."""
    source = source_of(folder)
    return [
        (file, FileContent(reason=file.reason) if file.reason else source.read(file))
        for file in source.files()
    ]


def reasons(folder: Path) -> dict[str, str]:
    return {file.path: content.reason for file, content in read(folder) if content.reason}


def listed(folder: Path) -> list[str]:
    output = git_bytes(folder, b"", "ls-tree", "-r", "-z", "--name-only", "HEAD")
    return [display_path(name) for name in output.rstrip(b"\0").split(b"\0")]


def commit_odd_files(folder: Path) -> dict[str, str]:
    """Commit files of every odd sort; the reasons of those that give no record.

    Straight into the index: not every file system can hold such names side by side.
    """
    contents: dict[str, tuple[bytes, str]] = {
        "good.py": (FUNCTION.encode(), ""),
        "bom.py": (b"\xef\xbb\xbf" + FUNCTION.encode(), ""),
        "crlf.py": (FUNCTION.replace("\n", "\r\n").encode(), ""),
        "broken.py": (b"class (:\n\ndef g():\n    return 1\n", ""),
        "at_limit.py": (FUNCTION.encode().ljust(MAX_FILE_BYTES, b"\n"), ""),
        "over_limit.py": (FUNCTION.encode().ljust(MAX_FILE_BYTES + 1, b"\n"), "too_large"),
        "big.bin": (b"\0" * (MAX_FILE_BYTES + 1), "too_large"),
        "nul.py": (b"x = 1\n\0\n", "binary"),
        "utf16.py": (FUNCTION.encode("utf-16"), "binary"),
        "latin1.py": ("# caf\xe9\n".encode("latin-1"), "not_utf8"),
        "surrogate.py": (b"x = '\xed\xa0\x80'\n", "not_utf8"),
        "pointer.py": (LFS.encode(), "lfs_pointer"),
        "empty.py": (b"", "no_symbols"),
        "constants.py": (b"X = 1\n", "no_symbols"),
        "punctuation.ts": (b"[" * 200_000, "unparsable"),
        "README.md": (b"# Hello\n", "unsupported"),
        "new\nline.py": (FUNCTION.encode(), ""),
        "quo\"te's.py": (FUNCTION.encode(), ""),
        "back\\slash.py": (FUNCTION.encode(), ""),
        "..py": (FUNCTION.encode(), ""),
        "bidi\u202e.py": (FUNCTION.encode(), ""),
        "名前.py": (FUNCTION.encode(), ""),
        "Case.py": (FUNCTION.encode(), ""),
        "case.py": (FUNCTION.encode(), ""),
    }
    lines = [
        index_line(folder, "100644", name.encode(), data) for name, (data, _) in contents.items()
    ]
    lines += [
        index_line(folder, "100644", b"byte\xff.py", FUNCTION.encode()),
        index_line(folder, "120000", b"loop", b"loop2"),
        index_line(folder, "120000", b"loop2", b"loop"),
        index_line(folder, "120000", b"link.py", b"good.py"),
        b"160000 " + b"1" * 40 + b" 0\tvendor/lib",
    ]
    git_bytes(folder, b"\0".join(lines), "update-index", "--add", "-z", "--index-info")
    git(folder, "commit", "-q", "-m", "odd")
    links = dict.fromkeys(("loop", "loop2", "link.py"), "symlink")
    expected = {name: reason for name, (_, reason) in contents.items() if reason}
    return {**expected, **links, "vendor/lib": "submodule"}


def index_line(folder: Path, mode: str, name: bytes, data: bytes) -> bytes:
    blob = git_bytes(folder, data, "hash-object", "-w", "--stdin").strip()
    return mode.encode() + b" " + blob + b" 0\t" + name


def git_bytes(folder: Path, data: bytes, *args: str) -> bytes:
    return subprocess.run(
        ["git", *args], cwd=folder, input=data, check=True, capture_output=True
    ).stdout


def test_files_with_records_and_skipped_ones_are_what_git_lists(git_repo):
    folder = git_repo({})
    expected = commit_odd_files(folder)
    skipped = reasons(folder)
    assert skipped == expected
    with_records = [file.path for file, content in read(folder) if content.records]
    assert Counter(listed(folder)) == Counter([*with_records, *skipped])
    assert r"byte\xff.py" in with_records


def test_items_come_in_the_order_of_the_listing(git_repo):
    folder = git_repo({"b.py": FUNCTION, "a/x.py": FUNCTION, "a.txt": "x"})
    assert [file.path for file, _ in read(folder)] == ["a.txt", "a/x.py", "b.py"]


def test_no_text_holds_a_lone_surrogate(git_repo):
    folder = git_repo({})
    commit_odd_files(folder)
    for file, content in read(folder):
        file.path.encode()
        for record in content.records:
            record.path.encode()
            record.code.encode()


def test_a_byte_order_mark_is_no_part_of_the_code(git_repo):
    (record,) = content_of("bom.py", b"\xef\xbb\xbf" + FUNCTION.encode()).records
    assert (record.start_line, record.code) == (1, FUNCTION.rstrip())


def test_carriage_returns_stay_in_the_code_and_leave_the_signature(git_repo):
    (record,) = content_of("a.py", b"def f(\r\n  a,\r\n):\r\n  '''d\r\n  e'''\r\n").records
    assert record.code.count("\r\n") == 4
    assert record.signature == "def f( a, )"
    assert (record.start_line, record.end_line) == (1, 5)
    assert record.docstring == "d\ne"


def test_a_listed_file_says_its_blob_and_size(git_repo):
    folder = git_repo({"notes.txt": "12345"})
    ((file, content),) = read(folder)
    assert file == ListedFile("notes.txt", git(folder, "rev-parse", "HEAD:notes.txt"), 5)
    assert content == FileContent(reason="unsupported")


def test_a_source_is_known_by_its_commit_and_its_content_by_the_tree(git_repo):
    folder = git_repo({"a.py": FUNCTION})
    before = source_of(folder)
    assert before.version == git(folder, "rev-parse", "HEAD")
    assert before.content == git(folder, "rev-parse", "HEAD^{tree}")
    commit_files(folder, {}, message="nothing changed")
    assert source_of(folder).version != before.version
    assert source_of(folder).content == before.content


def damage(folder: Path, revision: str, change) -> None:
    """Rewrite the loose object that `revision` names."""
    object_id = git(folder, "rev-parse", revision)
    path = folder / ".git" / "objects" / object_id[:2] / object_id[2:]
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))


# Cut off, as after a power cut; in two of these states libgit2 would never return.
DAMAGES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "end missing": lambda data: data[:-12],
    "zeros": lambda data: bytes(len(data)),
    "second half zeros": lambda data: data[: len(data) // 2].ljust(len(data), b"\0"),
    "flipped": lambda data: data[:20] + bytes([data[20] ^ 0xFF]) + data[21:],
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_blob_is_a_ledger_row_and_the_rest_is_read(git_repo, change):
    text = "".join(f"def f{number}(): return {number**9}\n" for number in range(200))
    folder = git_repo({"a.py": text, "b.py": FUNCTION})
    damage(folder, "HEAD:a.py", change)
    assert reasons(folder) == {"a.py": "unreadable"}
    assert [file.path for file, _ in read(folder)] == ["a.py", "b.py"]


@pytest.mark.parametrize("revision", ["HEAD", "HEAD^{tree}", "HEAD:sub"])
@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_commit_or_tree_is_one_clear_line(git_repo, revision, change):
    folder = git_repo({f"sub/{number}.py": FUNCTION for number in range(40)})
    linked = folder.parent / "linked"
    git(folder, "worktree", "add", "-q", "--detach", str(linked))
    damage(folder, revision, change)
    for place in (folder, linked):
        with pytest.raises(SourceError) as caught:
            read(place)
        assert str(place) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_blob_is_a_ledger_row(git_repo):
    folder = git_repo({"a.py": FUNCTION, "b.py": FUNCTION + "#\n"})
    blob = git(folder, "rev-parse", "HEAD:a.py")
    (folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert reasons(folder) == {"a.py": "unreadable"}


def test_a_partial_clone_lists_the_files_it_lacks(git_repo, tmp_path):
    folder = git_repo({"a.py": FUNCTION})
    git(folder, "config", "uploadpack.allowFilter", "true")
    clone = ("clone", "-q", "--bare", "--filter=blob:none", folder.as_uri(), "partial.git")
    git(tmp_path, *clone)
    assert reasons(tmp_path / "partial.git") == {"a.py": "unreadable"}


def test_an_empty_tree_gives_nothing(git_repo):
    assert read(git_repo({})) == []


def test_a_blob_over_the_limit_is_not_loaded(git_repo):
    folder = git_repo({})
    (folder / "huge.py").write_bytes(b"#" * (64 << 20))
    commit_files(folder, {})
    repository = open_repository(folder)
    (entry,) = list_tree(repository, resolve_commit(repository, "HEAD"))
    assert entry.size == 64 << 20
    tracemalloc.start()
    assert reasons(folder) == {"huge.py": "too_large"}
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_one_long_line_under_the_limit_is_read_and_over_it_is_not(git_repo):
    folder = git_repo({"under.js": "f();" * 1000, "over.js": "f();" * (MAX_FILE_BYTES // 2)})
    files = {file.path: file.reason for file in source_of(folder).files()}
    assert files == {"over.js": "too_large", "under.js": ""}
    assert reasons(folder) == {"over.js": "too_large", "under.js": "minified"}


def test_reading_is_lazy_and_twice_the_same(git_repo):
    folder = git_repo({f"m{number}.py": FUNCTION for number in range(20)})
    assert next(source_of(folder).files()).path == "m0.py"
    assert read(folder) == read(folder)


def test_the_extractor_s_version_is_short_and_stable():
    assert EXTRACTOR_VERSION.count("-") == 2
    assert len(EXTRACTOR_VERSION) < 30
