"""Prompt templates and outlines."""

from dobby_pipeline.summaries import prompts
from dobby_pipeline.summaries.prompts import load_prompt, outline


def test_the_code_goes_in_as_it_is_even_with_dollars_and_names_of_ours():
    code = 'def f():\n    return "$code $kind ${language} $$"'
    assert code in load_prompt("symbol").fill(language="python", kind="function", code=code)


def test_an_edit_of_a_template_changes_its_version(tmp_path, monkeypatch):
    before = load_prompt("symbol")
    for role, text in (("system", before.system), ("user", before.user)):
        (tmp_path / f"symbol.{role}.txt").write_text(text)
    monkeypatch.setattr(prompts, "_FOLDER", tmp_path)
    assert load_prompt("symbol").version == before.version
    (tmp_path / "symbol.user.txt").write_text(before.user + " Be brief.")
    assert load_prompt("symbol").version != before.version


def test_the_instructions_are_the_prompt_without_any_code():
    prompt = load_prompt("symbol")
    assert "$" not in prompt.instructions
    assert prompt.system in prompt.instructions


def test_an_outline_leaves_nested_bodies_out():
    code = "class A:\n    def f(self):\n        return 1\n    def g(self):\n        return 2"
    first, second = code.index("return 1"), code.index("return 2")
    inner = [[first, first + 8], [second, second + 8]]
    expected = "class A:\n    def f(self):\n        ...\n    def g(self):\n        ..."
    assert outline(code, inner) == expected
    assert outline(code, []) == code
