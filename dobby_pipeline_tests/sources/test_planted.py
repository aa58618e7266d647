"""Each kind of secret in each place, as the benchmark plants them."""

import random

import pytest
from tree_sitter import Parser

from dobby_pipeline.sources.languages import grammar, language_of
from dobby_pipeline.sources.secrets import redact
from dobby_pipeline_tests.sources.planted import fragments, planted

NAMES = sorted(planted())

CONTEXTS = {
    "a.py": [
        'def f():\n    {name} = "{secret}"\n    return connect({name})\n',
        'def f():\n    """Call with {name} = {secret}"""\n    return 1\n',
        "def f():\n    # {name}: {secret}\n    return 1\n",
        'def test_f():\n    assert login({name}="{secret}") is None\n',
        'def f():\n    return {{"{name}": "{secret}"}}\n',
    ],
    "a.js": ['function f() {{\n  const {name} = "{secret}";\n  return {name};\n}}\n'],
    "a.ts": ['function f(): string {{\n  return g({{ {name}: "{secret}" }});\n}}\n'],
    "a.go": ['package a\n\nfunc f() string {{\n\t{name} := "{secret}"\n\treturn {name}\n}}\n'],
    "a.rs": ['fn f() {{\n    let {name} = "{secret}";\n    g({name});\n}}\n'],
    "a.java": ['class A {{\n  void f() {{\n    String {name} = "{secret}";\n  }}\n}}\n'],
    "a.c": ['int f(void) {{\n  const char *{name} = "{secret}";\n  return g({name});\n}}\n'],
}


def has_error(path: str, text: str) -> bool:
    language = language_of(path, b"")
    assert language
    return Parser(grammar(language)).parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_a_secret_of_each_kind_goes_from_each_place_and_the_code_still_parses(name, seed):
    random.seed(seed)
    secret = planted()[name]
    for path, templates in CONTEXTS.items():
        for template in templates:
            text = template.format(name=name, secret=secret.replace("\n", "\\n"))
            redacted = redact(text.encode())
            assert redacted.found
            assert not [piece for piece in fragments(secret) if piece in redacted.data]
            assert has_error(path, redacted.data.decode()) <= has_error(path, text)
            assert redact(redacted.data).data == redacted.data
