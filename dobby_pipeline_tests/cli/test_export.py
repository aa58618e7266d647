"""`dobby export` through the real command: what it writes, says and refuses."""

import json

from dobby_pipeline_tests.conftest import git
from dobby_pipeline_tests.inference.tiny_model import SENTENCE

FILES = {
    "pkg/one.py": 'def add(a, b):\n    """Add."""\n    return a + b\n',
    "web/app.js": "export function start(port) { return listen(port) }\n",
}


def test_a_summarised_repository_is_exported_with_links_to_its_lines(workplace, git_repo, tmp_path):
    folder = git_repo(FILES)
    git(folder, "remote", "add", "origin", "https://me:secret@gitlab.com/group/example.git")
    commit = git(folder, "rev-parse", "HEAD")
    out = tmp_path / "out"

    workplace.dobby("ingest", folder)
    nothing = workplace.dobby("export", "example", "--out", out)
    assert (nothing.status, nothing.out) == (1, "")
    assert nothing.err.startswith("dobby: example has no fresh summary to export")
    assert nothing.err.count("\n") == 1
    assert not out.exists()

    assert workplace.dobby("summarize", folder, "--level", "symbol").status == 0
    done = workplace.dobby("export", "example", "--format", "markdown", "--out", out)
    assert (done.status, done.out) == (0, "")
    assert f"summaries of 2 symbols, 0 files, 0 directories written to {out}" in done.err
    (event,) = [e for e in workplace.dobby("audit", "--json").rows if e["action"] == "exported"]
    assert event["repo"] == "example"
    assert event["detail"] == {"format": "markdown", "to": str(out), "rows": 2}
    page = (out / "pkg" / "one.py.md").read_text()
    assert SENTENCE in page
    link = f"https://gitlab.com/group/example/-/blob/{commit}/pkg/one.py#L1-3"
    assert f"[`pkg/one.py:1-3`]({link})" in page
    assert not any("secret" in path.read_text() for path in out.rglob("*") if path.is_file())

    (folder / "pkg" / "one.py").write_text("def add(a, b):\n    return b + a\n")
    git(folder, "commit", "-qam", "change")
    workplace.dobby("ingest", folder)
    done = workplace.dobby("export", "example", "--format", "json", "--out", out)
    assert "1 stale summaries left out: refresh with `dobby summarize example`" in done.err
    document = json.loads((out / "summaries.json").read_text())
    assert [file["path"] for file in document["files"]] == ["web/app.js"]

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    refused = workplace.dobby("export", "example", "--out", tmp_path / "mine")
    assert refused.status == 2
    assert refused.err.count("\n") == 1
    assert "is not empty and no export of Dobby's" in refused.err


def test_a_wrong_format_or_an_unknown_name_is_refused(workplace, tmp_path):
    wrong = workplace.dobby("export", "example", "--format", "pdf", "--out", tmp_path / "out")
    assert wrong.status == 2
    unknown = workplace.dobby("export", "example", "--out", tmp_path / "out")
    assert unknown.status == 2
    assert "start with `dobby summarize" in unknown.err
    assert workplace.dobby("export", "example").status == 2
    assert not (tmp_path / "out").exists()
