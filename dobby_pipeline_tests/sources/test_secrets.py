"""What is a secret goes, wherever it stands; what only looks like one stays."""

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tree_sitter import Parser

from dobby_pipeline.sources.languages import grammar, language_of
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.secrets import PLACEHOLDER, redact
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
            redacted = redact(text)
            assert redacted.found
            assert not [piece for piece in fragments(secret) if piece.decode() in redacted.text]
            assert has_error(path, redacted.text) <= has_error(path, text)
            assert redact(redacted.text).text == redacted.text


def test_a_key_of_many_lines_keeps_its_lines():
    text = f"KEY = '''\n{planted()['rsa_private_key']}\n'''\nNEXT = 1\n"
    redacted = redact(text).text
    assert redacted.count("\n") == text.count("\n")
    assert redacted.splitlines()[-1] == "NEXT = 1"
    assert not [p for p in fragments(planted_in(text)) if p.decode() in redacted]


def planted_in(text: str) -> str:
    return text.split("'''")[1]


def test_a_secret_goes_wherever_else_it_stands():
    secret = planted()["client_secret"]
    text = f'client_secret = "{secret}"\n\n\ndef f():\n    return g({secret!r}, "x{secret}y")\n'
    assert secret not in redact(text).text


@pytest.mark.parametrize(
    "text",
    [
        'password = get_password("user1")',
        'PASSWORD_FIELD = "password1"',
        'token_type = "bearer2"',
        'token = "token"',
        'secret: str = ""',
        "def login(password: str, token=None): ...",
        "password = self.config.password2",
        'password = f"{prefix}1{suffix}"',
        'api_key = os.environ["API_KEY"]',
        'api_key = "<your key 1>"',
        'api_key = "$API_KEY1"',
        'url = "https://{user}:{password}@host/"',
        'url = "https://example.com:8080/a@b"',
        'revision = "9be1f7e0508f5e8117148c91478ec4c3adc97225"',
        'sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"',
        'id = "123e4567-e89b-12d3-a456-426614174000"',
        'alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"',
        'name = "SomeRatherLongCamelCaseIdentifierName2"',
        'path = "src/main/java/org/apache/commons/lang3/StringUtils"',
        "key = 12345678901234567890",
        "private_key: ed25519.Ed25519PrivateKey",
        "for token in tokens2: pass",
        "x = skiing + sk_learn",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert redact(text).text == text
    assert not redact(text).found


def test_records_hold_nothing_of_a_secret_and_say_what_was_taken_out():
    secret = planted()["github_token"]
    text = (
        f'def f(token="{secret}"):\n    """Uses {secret}."""\n\n'
        f'    def {secret}(): return "{secret}"\n'
    )
    content = content_of("a.py", text.encode())
    assert content.redacted == {"github_token": 4}
    assert secret not in str(content)
    assert {record.start_line for record in content.records} == {1, 4}


TEXTS = st.lists(
    st.sampled_from(
        [
            "password", "api_key", "token", "=", ": ", '"', "'", "`", "\n", " ", "AKIA", "://",
            "user:", "@host", "abc123DEF456ghi789", "0123456789abcdef" * 2, "-----BEGIN ",
            "RSA PRIVATE KEY-----", "-----END", "eyJ", ".", "\\n", "sk-", PLACEHOLDER, "ß", "İ",
        ]
    )
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TEXTS | st.text())
@example('password="İ"api_key="abc123DEF456"')
def test_lines_stay_and_a_second_time_changes_nothing(text):
    redacted = redact(text).text
    assert redacted.count("\n") == text.count("\n")
    assert redact(redacted).text == redacted


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        '"',
        "=",
        "A1b2C3d4",
        "password",
        "token=",
        'key="',
        "://a:",
        "\\n",
        "eyJhbGciOi.",
        "sk-a1B",
    ],
)
def test_time_grows_with_the_text_and_not_with_its_square(unit):
    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            redact(text)
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(20_000), seconds(160_000)
    assert large < 8 * 4 * small + 0.05
