"""Text that stays text in Markdown, names that every file system takes, and links to forges."""

import os

import pygit2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dobby_pipeline.sources.git_tree import display_path
from dobby_pipeline.sources.registry import Repo
from dobby_pipeline.summaries.export_links import Forge, forge_at, forge_of
from dobby_pipeline.summaries.export_text import Names, address, code, prose, safe_name, visible
from dobby_pipeline_tests.conftest import git

COMMIT = "c" * 40
RICH = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TEXTS = st.text(st.sampled_from("ab1 .`*_[]()<>&#!|~-+=:\\/@$\n{}w\u202e\u00e9"), max_size=60)


def inline(markdown: str) -> list[tuple[str, str]]:
    """The one paragraph that a line of Markdown is, as CommonMark reads it."""
    tokens = RICH.parse(markdown)
    assert [t.type for t in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    return [(t.type, t.content) for inner in tokens for t in inner.children or []]


@given(TEXTS | st.text(max_size=60))
def test_prose_reads_as_its_own_text_and_nothing_else(text):
    read = inline(prose(text))
    assert {kind for kind, _ in read} <= {"text", "text_special", "code_inline"}
    said = "".join(content for _, content in read)
    # Backquotes in pairs are gone: what was between them is code.
    assert said.replace("`", "").split() == visible(" ".join(text.split())).replace("`", "").split()


@given(TEXTS.filter(lambda text: text.strip()))
def test_code_reads_as_it_was(text):
    kind, content = inline("x " + code(text))[-1]
    assert (kind, content.strip()) == ("code_inline", visible(text).strip())


def test_addresses_are_code_so_that_no_reader_makes_links_of_them():
    written = prose("See http://e.com/a_b, www.e.com or me@e.com. It uses `load` <fast>.")
    assert written == (
        "See `http://e.com/a_b,` `www.e.com` or `me@e.com.` It uses `load` &lt;fast&gt;."
    )


@given(st.text(max_size=300))
def test_a_safe_name_is_one_name_that_can_be_made(name):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert not set('/\\:*?"<>|%\0\n') & set(safe)
    assert len(os.fsencode(safe + ".md")) <= 255
    assert "/" not in address([safe])


@pytest.mark.parametrize("name", ["", ".", "..", "...", " ", "a.", " a", "con", "NUL.txt", "a:b"])
def test_names_that_mean_something_else_get_a_mark(name):
    safe = safe_name(name)
    assert safe != name
    assert "~" in safe


@pytest.mark.parametrize("name", [".github", "a b.py", "_x", "é.py", "a+b,(c)=[d].py", "console"])
def test_harmless_names_stay_as_they_are(name):
    assert safe_name(name) == name


def test_the_first_has_a_name_plain_and_others_get_a_mark_of_their_own():
    names = Names("index.md")
    taken = [names.take(*given) for given in (("a", ".md"), ("A", ".md"), ("index", ".md"))]
    taken += [names.take("a.md"), names.take("A.MD")]
    assert taken[0] == "a.md"
    assert len({name.casefold() for name in taken}) == 5


@pytest.mark.parametrize(
    ("url", "project"),
    [
        ("https://github.com/them/it", "https://github.com/them/it"),
        ("https://github.com/them/it.git/", "https://github.com/them/it"),
        ("https://user:token@github.com/them/it.git", "https://github.com/them/it"),
        ("git@github.com:them/it.git", "https://github.com/them/it"),
        ("ssh://git@ssh.github.com:443/them/it.git", "https://github.com/them/it"),
        ("git@GitLab.com:group/sub/it.git", "https://gitlab.com/group/sub/it"),
        ("https://bitbucket.org/them/it", "https://bitbucket.org/them/it"),
        ("ssh://git@codeberg.org/them/it", "https://codeberg.org/them/it"),
    ],
)
def test_a_forge_is_known_by_any_url_of_git(url, project):
    forge = forge_at(url)
    assert forge
    assert forge.url == project


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/srv/github.com/them/it",
        "https://example.com/them/it",
        "https://github.com.evil.example/them/it",
        "https://github.com/them",
        "https://github.com/them/it/tree/main",
        "https://github.com/../it",
        "https://github.com/them/it)%20<b>",
        "https://[bad/them/it",
        "file://github.com/them/it",
        "C:/them/it",
    ],
)
def test_other_urls_and_paths_have_no_forge(url):
    assert forge_at(url) is None


@pytest.mark.parametrize(
    ("host", "page"),
    [
        ("github.com", f"https://github.com/a/b/blob/{COMMIT}/x%20y/%23.py#L2-L5"),
        ("gitlab.com", f"https://gitlab.com/a/b/-/blob/{COMMIT}/x%20y/%23.py#L2-5"),
        ("bitbucket.org", f"https://bitbucket.org/a/b/src/{COMMIT}/x%20y/%23.py#lines-2:5"),
        ("codeberg.org", f"https://codeberg.org/a/b/src/commit/{COMMIT}/x%20y/%23.py#L2-L5"),
    ],
)
def test_each_forge_shows_lines_in_its_own_way(host, page):
    row = {"level": "symbol", "path": "x y/#.py", "commit": COMMIT, "start_line": 2, "end_line": 5}
    assert Forge(host, "a/b").page(row) == page
    assert Forge(host, "a/b").page({**row, "level": "file"}) == page.partition("#")[0]


def test_a_path_that_is_not_utf_8_is_asked_for_as_git_has_it():
    row = {"level": "file", "path": display_path(b"caf\xe9\\xe9.py"), "commit": COMMIT}
    page = Forge("github.com", "a/b").page(row)
    assert page == f"https://github.com/a/b/blob/{COMMIT}/caf%E9%5Cxe9.py"


def test_a_state_that_is_no_commit_has_no_page():
    row = {"level": "file", "path": "a.py", "commit": "../../x"}
    assert Forge("github.com", "a/b").page(row) is None


def test_a_local_repository_is_known_by_its_origin(git_repo, tmp_path):
    folder = git_repo({"a.py": "x = 1\n"})
    repo = Repo("example", str(folder))
    assert forge_of(repo) is None
    git(folder, "remote", "add", "origin", "https://me:secret@github.com/them/it.git")
    assert forge_of(repo) == Forge("github.com", "them/it")
    assert pygit2.Repository(str(folder)).remotes["origin"].url.startswith("https://me:secret")
    assert forge_of(Repo("example", str(folder), worktree=True)) is None
    assert forge_of(Repo("example", str(folder), kind="cozo")) is None
    assert forge_of(Repo("example", str(tmp_path / "gone"))) is None
