"""No secret leaves `sources/`: planted ones are gone, code around them parses, the rest stays.

The secrets are put together at run time from parts, so that none stands in this repository.
"""

import base64
import importlib
import json
import random
import string
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

import pytest
import tree_sitter
from hypothesis import given, settings
from hypothesis import strategies as st

from dobby_pipeline.sources.extractor_version import EXTRACTOR_VERSION
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.sources.secret_formats import FORMATS, PLUGINS, RUN_LENGTH
from dobby_pipeline.sources.secrets import redact, redaction_fingerprint

ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
HEX = "0123456789abcdef"
B64 = ALNUM + "+/"
URLSAFE = ALNUM + "-_"


def pick(seed: str, alphabet: str, length: int) -> str:
    """Random characters, the same in each run. The ends are no signs, so that it is one word."""
    chooser = random.Random(seed)  # a string seeds the same in every process
    text = "".join(chooser.choice(alphabet) for _ in range(length))
    return "Q" + text[1:-1] + "7" if alphabet in (B64, URLSAFE) else text


def jwt(seed: str) -> str:
    parts = [{"alg": "HS" + "256", "typ": "JWT"}, {"sub": pick(seed, ALNUM, 20), "iat": 1}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(text.rstrip("=") for text in encoded), pick(seed, URLSAFE, 43)])


def uuid(seed: str) -> str:
    return "-".join(pick(f"{seed}{n}", HEX, n) for n in (8, 4, 4, 4, 12))


# Told by their format alone: they stand at a name that says nothing.
FORMAT_SECRETS: dict[str, str] = {
    "aws access key id": "AK" + "IA" + pick("1", UPPER, 16),
    "aws temporary key id": "AS" + "IA" + pick("2", UPPER, 16),
    "aws secret key": pick("3", B64, 40),
    "github classic": "gh" + "p_" + pick("4", ALNUM, 36),
    "github oauth": "gh" + "o_" + pick("5", ALNUM, 36),
    "github server": "gh" + "s_" + pick("6", ALNUM, 36),
    "github refresh, longer": "gh" + "r_" + pick("7", ALNUM, 76),
    "github fine-grained": "github" + "_pat_" + pick("8", ALNUM, 22) + "_" + pick("9", ALNUM, 59),
    "gitlab": "gl" + "pat-" + pick("10", URLSAFE, 20),
    "gitlab routable": "gl" + "pat-" + pick("11", URLSAFE, 27) + ".01." + pick("12", LOWER, 9),
    "slack bot": "xo"
    "xb-" + "-".join(pick(f"13{n}", "123456789", 12) for n in "ab") + "-" + pick("14", ALNUM, 24),
    "slack app": "xa"
    "pp-1-A"
    + pick("15", UPPER, 10)
    + "-"
    + pick("16", "123456789", 13)
    + "-"
    + pick("17", HEX, 64),
    "stripe live": "sk" + "_live_" + pick("18", ALNUM, 24),
    "stripe long": "rk" + "_live_" + pick("19", ALNUM, 99),
    "stripe webhook": "wh" + "sec_" + pick("20", ALNUM, 32),
    "twilio key": "S" + "K" + pick("21", HEX, 32),
    "twilio account": "A" + "C" + pick("22", HEX, 32),
    "sendgrid": "S" + "G." + pick("23", URLSAFE, 22) + "." + pick("24", URLSAFE, 43),
    "mailchimp": pick("25", HEX, 32) + "-us" + "12",
    "mailgun": "ke" + "y-" + pick("26", HEX, 32),
    "npm": "np" + "m_" + pick("27", ALNUM, 36),
    "pypi": "py" + "pi-AgEIcHlwaS5vcmc" + pick("28", URLSAFE, 130),
    "google api": "AI" + "za" + pick("29", URLSAFE, 35),
    "google oauth client": "GOC" + "SPX-" + pick("30", URLSAFE, 28),
    "google access token": "ya" + "29." + pick("31", URLSAFE, 120),
    "json web token": jwt("32"),
    "discord": pick("33", "MNO", 1)
    + pick("34", ALNUM, 23)
    + "."
    + pick("35", ALNUM, 6)
    + "."
    + pick("36", URLSAFE, 27),
    "telegram": pick("37", "123456789", 10) + ":" + "AA" + pick("38", URLSAFE, 33),
    "square": "sq" + "0csp-" + pick("39", URLSAFE, 43),
    "square access": "sq" + "0atp-" + pick("40", URLSAFE, 22),
    "artifactory": "AK" + "Cp8" + pick("41", ALNUM, 69),
    "openai legacy": "sk" + "-" + pick("42", ALNUM, 20) + "T3Blbk" + "FJ" + pick("43", ALNUM, 20),
    "openai project": "sk" + "-proj-" + pick("44", URLSAFE, 120),
    "anthropic": "sk" + "-ant-api03-" + pick("45", URLSAFE, 93) + "AA",
    "hugging face": "h" + "f_" + pick("46", string.ascii_letters, 34),
    "digitalocean": "do" + "p_v1_" + pick("47", HEX, 64),
    "databricks": "da" + "pi" + pick("48", HEX, 32),
    "heroku": "HR" + "KU-AA" + pick("49", URLSAFE, 58),
    "facebook": "EA" + "A" + pick("50", ALNUM, 120),
    "shopify": "sh" + "pat_" + pick("51", HEX, 32),
    "vault": "hv" + "s." + pick("52", URLSAFE, 90),
    "new relic": "NR" + "AK-" + pick("53", UPPER, 27),
    "grafana": "gl" + "sa_" + pick("54", ALNUM, 32) + "_" + pick("55", HEX, 8),
    "docker hub": "dc" + "kr_pat_" + pick("56", URLSAFE, 27),
    "atlassian": "AT" + "ATT3" + pick("57", URLSAFE, 180),
    "age": "AGE-SEC" + "RET-KEY-1" + pick("58", UPPER, 58),
    "linear": "li" + "n_api_" + pick("59", ALNUM, 40),
    "rubygems": "ruby" + "gems_" + pick("60", HEX, 48),
    "azure client": pick("61", ALNUM, 3) + "8Q" + "~" + pick("62", ALNUM, 34),
    "base64 key": pick("63", B64, 43) + "=",
}

# Told by the name they stand at: the context brings it.
NAMED_SECRETS: dict[str, tuple[str, str]] = {
    "aws secret": ("aws_secret_access_key", pick("n1", B64, 40)),
    "short password": ("password", "hun" + "ter2"),
    "symbols": ("db_password", "Tr0ub" + "4dor&3x!"),
    "word": ("admin_password", "sword" + "fish"),
    "passphrase": ("passphrase", "correct horse " + "battery staple"),
    "hex key": ("api_key", pick("n2", HEX, 32)),
    "hex 40": ("client_secret", pick("n3", HEX, 40)),
    "hex 64": ("encryption_key", pick("n4", HEX, 64)),
    "uuid key": ("heroku_api_key", uuid("n5")),
    "linkedin": ("linkedin_client_secret", pick("n6", ALNUM, 16)),
    "ibm": ("ibm_cloud_api_key", pick("n7", URLSAFE, 44)),
    "ibm cos": ("cos_hmac_secret_access_key", pick("n8", HEX, 48)),
    "cloudant": ("cloudant_api_key", pick("n9", string.ascii_lowercase, 24)),
    "softlayer": ("softlayer_api_key", pick("n10", LOWER, 64)),
    "auth token": ("auth_token", pick("n11", LOWER, 24)),
    "jwt secret": ("JWT_SECRET", pick("n12", ALNUM, 20)),
    "smtp": ("SMTP_PASS", pick("n13", ALNUM, 12)),
    "twitter": ("consumerSecret", pick("n14", ALNUM, 50)),
    "private key id": ("private_key_id", pick("n15", HEX, 40)),
}

# Told by what is around them: {} is the secret.
SURROUNDED_SECRETS: dict[str, tuple[str, str]] = {
    "basic auth": ("https://alice:{}@example.com/x", pick("s1", ALNUM, 10)),
    "postgres": ("postgres://app:{}@db.internal:5432/main", "p4ss!w" + "0rd$x"),
    "redis": ("redis://:{}@cache:6379/0", pick("s2", ALNUM, 16)),
    "mongodb": ("mongodb+srv://root:{}@c0.example.net/?w=1", pick("s3", ALNUM, 14)),
    "word in url": ("amqp://svc:{}@mq/", "sword" + "fish"),
    "slack webhook": (
        "https://hooks.sl" + "ack.com/services/{}",
        f"T{pick('s4', UPPER, 8)}/B{pick('s5', UPPER, 8)}/{pick('s6', ALNUM, 24)}",
    ),
    "discord webhook": (
        "https://discord.com/api/webhooks/{}",
        pick("s7", "123456789", 18) + "/" + pick("s8", URLSAFE, 68),
    ),
    "azure storage": (
        "DefaultEndpointsProtocol=https;AccountName=x;Account" + "Key={};EndpointSuffix=y",
        pick("s9", B64, 86) + "==",
    ),
    "azure sas": ("https://x.blob.core.windows.net/c?sv=2022&sig={}&se=1", pick("s10", ALNUM, 44)),
    "npmrc": ("//registry.example.org/:_auth" + "Token={}", uuid("s11")),
    "bearer": ("Authorization: Bearer {}", pick("s12", ALNUM, 40)),
    "basic header": ("Authorization: Basic {}", base64.b64encode(b"bob:hun" + b"ter2!!").decode()),
    "connection string": ("Server=tcp:x;User Id=sa;Password={};Encrypt=True", "Yukon" + "!900"),
    "query string": ("https://api.example.com/v1?api_key={}&page=2", pick("s13", HEX, 32)),
    "curl": ("curl -u admin:{} https://example.com", pick("s14", ALNUM, 12)),
    "flag": ("mysqldump --user=x --password={} main", pick("s15", ALNUM, 12)),
    "cli": ("deploy --token {} --force", pick("s16", ALNUM, 32)),
    "environment": ("export DB_PASSWORD={}", "hun" + "ter2"),
    "yaml": ("db_password: {}", pick("s17", ALNUM, 12)),
    "comment": ("login admin, password: {}", "Tr0ub" + "4dor"),
    "jdbc": ("jdbc:mysql://localhost/db?user=root&password={}", "Pa55" + "w0rd"),
    "sql": ("CREATE USER x IDENTIFIED BY '{}'", pick("s18", ALNUM, 12)),
}

PYTHON = ("python", "language")
# One statement or more in a file of its own; @ is the name, § what is planted.
STRINGS: dict[str, tuple[tuple[str, str], str]] = {
    "python string": (PYTHON, '@ = "§"\n'),
    "python single quotes": (PYTHON, "def f():\n    @ = '§'  # note\n    return @\n"),
    "python typed": (PYTHON, '@: str = "§"\n'),
    "python dict": (PYTHON, 'CONFIG = {"a": 1, "@": "§"}\n'),
    "python keyword": (PYTHON, 'connect("db", @="§", retries=3)\n'),
    "python f-string": (PYTHON, '@ = f"§"\n'),
    "python bytes": (PYTHON, '@ = b"§"\n'),
    "python test": (PYTHON, 'def test_login():\n    assert login(@="§").ok\n'),
    "python environment": (PYTHON, 'os.environ["@"] = "§"\n'),
    "python default": (PYTHON, '@ = os.environ.get("@", "§")\n'),
    "python next line": (PYTHON, '@ = (\n    "§"\n)\n'),
    "javascript": (("javascript", "language"), 'const @ = "§";\n'),
    "javascript object": (("javascript", "language"), "f({ a: 1, @: '§' });\n"),
    "javascript template": (("javascript", "language"), "const @ = `§`;\n"),
    "typescript": (("typescript", "language_typescript"), 'export const @: string = "§";\n'),
    "tsx": (("typescript", "language_tsx"), 'const e = <A @="§" b={1} />;\n'),
    "rust": (("rust", "language"), 'const @: &str = "§";\n'),
    "rust call": (("rust", "language"), 'fn f() { let @ = String::from("§"); }\n'),
    "go": (("go", "language"), 'package a\n\nconst @ string = "§"\n'),
    "go short": (("go", "language"), 'package a\n\nfunc f() {\n\t@ := "§"\n\t_ = @\n}\n'),
    "java": (("java", "language"), 'class A { private static final String @ = "§"; }\n'),
    "c": (("c", "language"), 'static const char @[] = "§";\n'),
    "c++": (("cpp", "language"), 'std::string @ = "§";\n'),
    "ruby": (("ruby", "language"), "A = { :@ => '§' }\n"),
    "c#": (("c_sharp", "language"), 'class A { const string @ = "§"; }\n'),
    "kotlin": (("kotlin", "language"), 'val @ = "§"\n'),
    "json in a string": (PYTHON, """X = '{"@": "§", "b": 1}'\n"""),
    "escaped json": (PYTHON, 'X = "{\\"@\\": \\"§\\", \\"b\\": 1}"\n'),
}
TEXTS: dict[str, tuple[tuple[str, str], str]] = {
    "python comment": (PYTHON, "x = 1  # §\n"),
    "python docstring": (PYTHON, 'def f():\n    """Run this:\n\n        §\n    """\n'),
    "python string": (PYTHON, 'X = "§"\n'),
    "python triple quotes": (PYTHON, 'X = """\na: 1\n§\n"""\n'),
    "escaped line break": (PYTHON, 'X = "a\\n§\\nb"\n'),
    "javascript comment": (("javascript", "language"), "// §\nconst x = 1;\n"),
    "javascript block comment": (("javascript", "language"), "/**\n * §\n */\nfunction f() {}\n"),
    "go raw string": (("go", "language"), "package a\n\nvar x = `\n§\n`\n"),
    "rust comment": (("rust", "language"), "/// §\nfn f() {}\n"),
    "java string": (("java", "language"), 'class A { String x = "§"; }\n'),
    "ruby comment": (("ruby", "language"), "# §\nx = 1\n"),
    "c comment": (("c", "language"), "/* § */\nint x;\n"),
    "bash": (("bash", "language"), "# §\necho hello\n"),
}


@cache
def parser(grammar: tuple[str, str]) -> tree_sitter.Parser:
    name, function = grammar
    module = importlib.import_module(f"tree_sitter_{name}")
    return tree_sitter.Parser(tree_sitter.Language(getattr(module, function)()))


def has_error(grammar: tuple[str, str], data: bytes) -> bool:
    return parser(grammar).parse(data).root_node.has_error


def survivors(secret: str, text: str) -> list[str]:
    width = min(8, len(secret))
    pieces = {secret[at : at + width] for at in range(len(secret) - width + 1)}
    return sorted(piece for piece in pieces if piece in text)


def assert_redacted(grammar: tuple[str, str], code: str, secret: str) -> None:
    before = code.encode()
    result = redact(before)
    after = result.data.decode()
    assert not survivors(secret, after), after
    assert "REDACTED_" in after
    assert result.found
    assert after.count("\n") == code.count("\n")
    assert redact(result.data).data == result.data
    assert not has_error(grammar, before), "the test's own code is wrong"
    assert not has_error(grammar, result.data), after


@pytest.mark.parametrize("context", STRINGS)
@pytest.mark.parametrize("kind", FORMAT_SECRETS)
def test_a_format_gives_a_secret_away_in_any_language(kind: str, context: str) -> None:
    grammar, template = STRINGS[context]
    secret = FORMAT_SECRETS[kind]
    assert_redacted(grammar, template.replace("@", "data").replace("§", secret), secret)


@pytest.mark.parametrize("context", TEXTS)
@pytest.mark.parametrize("kind", sorted(FORMAT_SECRETS.keys() - {"aws secret key", "base64 key"}))
def test_a_format_gives_a_secret_away_in_comments_and_texts(kind: str, context: str) -> None:
    grammar, template = TEXTS[context]
    secret = FORMAT_SECRETS[kind]
    assert_redacted(grammar, template.replace("§", f"see {secret} there"), secret)


@pytest.mark.parametrize("context", STRINGS)
@pytest.mark.parametrize("kind", NAMED_SECRETS)
def test_a_name_gives_a_secret_away_in_any_language(kind: str, context: str) -> None:
    grammar, template = STRINGS[context]
    name, secret = NAMED_SECRETS[kind]
    assert_redacted(grammar, template.replace("@", name).replace("§", secret), secret)


@pytest.mark.parametrize("context", TEXTS)
@pytest.mark.parametrize("kind", SURROUNDED_SECRETS)
def test_what_is_around_gives_a_secret_away(kind: str, context: str) -> None:
    grammar, template = TEXTS[context]
    around, secret = SURROUNDED_SECRETS[kind]
    assert_redacted(grammar, template.replace("§", around.format(secret)), secret)


@pytest.mark.parametrize("context", TEXTS)
@pytest.mark.parametrize("kind", ["hex key", "hex 40", "short password", "symbols", "uuid key"])
def test_an_environment_file_in_a_text_gives_secrets_away(kind: str, context: str) -> None:
    grammar, template = TEXTS[context]
    name, secret = NAMED_SECRETS[kind]
    assert_redacted(grammar, template.replace("§", f"{name.upper()}={secret}"), secret)


def pem(label: str, seed: str, lines: int = 6) -> list[str]:
    body = [pick(f"{seed}{n}", B64, 64) for n in range(lines)]
    dashes = "-" * 5
    return [
        f"{dashes}BEGIN {label}{dashes}",
        *body,
        pick(f"{seed}t", B64, 10) + "==",
        f"{dashes}END {label}{dashes}",
    ]


LABELS = [
    kind + "PRIV" + "ATE KEY" + block
    for kind, block in [
        ("", ""), ("RSA ", ""), ("EC ", ""), ("DSA ", ""), ("OPENSSH ", ""), ("ENCRYPTED ", ""),
        ("PGP ", " BLOCK"), ("SSH2 ENCRYPTED ", ""),
    ]
]  # fmt: skip
KEY_LAYOUTS: dict[str, Callable[[list[str]], str]] = {
    "triple quotes": lambda key: 'KEY = """' + "\n".join(key) + '\n"""\n',
    "one line": lambda key: 'KEY = "' + "\\n".join(key) + '\\n"\n',
    "escaped twice": lambda key: 'KEY = "{\\"key\\": \\"' + "\\\\n".join(key) + '\\"}"\n',
    "a string a line": lambda key: "KEY = (\n" + "".join(f'    b"{x}\\n"\n' for x in key) + ")\n",
    "joined": lambda key: "KEY = " + " + \\\n    ".join(f"'{x}\\n'" for x in key) + "\n",
    "list": lambda key: "KEY = [\n" + "".join(f'    "{x}",\n' for x in key) + "]\n",
    "comment": lambda key: "".join(f"# {x}\n" for x in key) + "x = 1\n",
    "indented": lambda key: 'def f():\n """\n' + "".join(f" {x}\n" for x in key) + ' """\n',
    "windows": lambda key: 'KEY = """' + "\r\n".join(key) + '"""\r\n',
    "blanks": lambda key: 'KEY = "' + " ".join(key) + '"\n',
    "service account": lambda key: "X = '{\"type\": \"service_account\", \"private_key\": \""
    + "\\n".join(key) + "\\n\"}'\n",
    "headers": lambda key: 'KEY = """'
    + "\n".join([key[0], "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0A1B2C", "", *key[1:]])
    + '\n"""\n',
    "cut off": lambda key: 'KEY = """' + "\n".join(key[:4]) + '\n"""\nprint("hello")\n',
}  # fmt: skip


@pytest.mark.parametrize("layout", KEY_LAYOUTS)
@pytest.mark.parametrize("label", LABELS)
def test_private_keys_lose_every_line_and_keep_their_lines(label: str, layout: str) -> None:
    key = pem(label, label + layout)
    code = KEY_LAYOUTS[layout](key)
    result = redact(code.encode())
    after = result.data.decode()
    for line in key[1:-1]:
        assert not survivors(line, after), after
    assert after.count("\n") == code.count("\n")
    assert key[0] in after
    assert not has_error(PYTHON, result.data), after
    assert redact(result.data).data == result.data


def test_code_that_speaks_of_private_keys_stays() -> None:
    begin, end = ("-" * 5 + f"{edge} PRIV" + "ATE KEY" + "-" * 5 for edge in ("BEGIN", "END"))
    code = (
        f'def kind(line):\n    if line.startswith("{begin}"):\n        return parse\n'
        f'    elif "{end}" in line:\n        return finish\n    raise UnknownKeyFormatError\n'
    )
    assert redact(code.encode()).data.decode() == code


def test_a_putty_key_and_an_encoded_pem_are_redacted() -> None:
    body = [pick(f"putty{n}", B64, 64) for n in range(3)]
    lines = ["PuTTY-User-" + "Key-File-2: ssh-rsa", "Encryption: none", "Private-Lines: 3", *body]
    assert not survivors(body[1], redact("\n".join(lines).encode()).data.decode())
    encoded = base64.b64encode("\n".join(pem(LABELS[1], "k8s")).encode()).decode()
    text = redact(f"data: {encoded}\n".encode()).data.decode()
    assert not survivors(encoded, text)


def test_a_secret_is_gone_wherever_else_it_stands() -> None:
    token, password = FORMAT_SECRETS["aws secret key"], "hun" + "ter2"
    code = f'secret_key = "{token}"\n# was x{token}y\npassword = "{password}"\nf({password!r}, 1)\n'
    text = redact(code.encode()).data.decode()
    assert not survivors(token, text)
    assert password not in text
    assert text.splitlines()[1].startswith("# was xREDACTED_")


def test_a_password_that_is_a_word_does_not_take_code_away() -> None:
    code = 'password = "python"\nprint("python", "a python script")\nimport python\n'
    text = redact(code.encode()).data.decode()
    placeholder = "REDACTED_SECRET_KEYWORD"
    assert text == code.replace('"python"', f'"{placeholder}"')


@pytest.mark.parametrize(
    "code",
    [
        'requests.get(url, auth=("admin", "§"))\n',
        'passwords = ["Alpha' + '9!x", "§", "Beta' + '77!y"]\n',
        'if password == "§":\n    pass\n',
        'if ("§" == password):\n    pass\n',
        'user.set_password("§")\n',
        'XML = """<add key="Password" value="§" />"""\n',
        'login("--password", "§")\n',
        'x = 1  # password = "§"\n',
    ],
)
def test_other_ways_to_write_a_password(code: str) -> None:
    secret = "S3cret" + "Pw!9"
    assert_redacted(PYTHON, code.replace("§", secret), secret)
    assert len(redact(code.replace("§", secret).encode()).found) == 1


NEAR_MISSES = {
    "call": "password = get_password()",
    "attribute": "password = settings.PASSWORD_2",
    "own name": 'token = "token"',
    "field": 'PASSWORD_FIELD = "password"',
    "field name": 'password_field = "user_password_1"',
    "header": 'API_KEY_HEADER = "x-api-key-v2"',
    "environment name": 'password = os.environ["DB1_PASSWORD"]',
    "lookup": 'secret = get_secret("prod/db-2/main")',
    "annotation": "def login(user: str, password: str, token: Optional[Token2] = None): ...",
    "argument": "login(user=user, password=password1, token=token2)",
    "prompt": 'password = getpass("Enter your password 2: ")',
    "sentence": 'PASSWORD_HELP = "Your password must have 8 characters."',
    "error": 'raise ValueError("password: must have 12 characters")',
    "empty": 'password = ""',
    "none": "password = None",
    "mask": 'password = "********"',
    "template": 'password = "{db_password}"',
    "shell variable": 'password = "${DB_PASSWORD}"',
    "mustache": 'token: "{{ .Values.token2 }}"',
    "angle brackets": 'api_key = "<your-api-key-1>"',
    "placeholder": 'api_key = "your_api_key_here"',
    "change me": 'password = "changeme"',
    "git sha": 'COMMIT = "' + pick("m1", HEX, 40) + '"',
    "sha256": 'EXPECTED_SHA256 = "' + pick("m2", HEX, 64) + '"',
    "digest of a key": 'key_digest = "' + pick("m3", HEX, 64) + '"',
    "vector": 'check(b"abc", "' + pick("m4", HEX, 64) + '")',
    "uuid": 'NAMESPACE = uuid.UUID("' + uuid("m5") + '")',
    "client id": 'CLIENT_ID = "' + uuid("m6") + '"',
    "integrity": 'integrity = "sha512-' + pick("m7", B64, 86) + '=="',
    "data address": 'src = "data:image/png;base64,' + pick("m8", B64, 200) + '"',
    "alphabet": f'ALPHABET = "{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}+/"',
    "hex alphabet": 'HEX = "0123456789abcdefABCDEF"',
    "encoded words": f'TEXT = "{base64.b64encode(b"Many hands make light work for us").decode()}"',
    "camel case": 'name = "convertBase64StringToUtf8Array2WithPadding"',
    "path": 'path = "src/components/Button2/styles/Primary3/index4.tsx"',
    "url": 'URL = "https://example.com:8080/path@2"',
    "user in url": 'URL = "ssh://git@github.com/a/b.git"',
    "documented url": 'URL = "https://user:password@example.com/"',
    "formatted url": 'URL = f"https://{user}:{password}@{host}/"',
    "scanner": 'PREFIXES = ("AKIA", "ghp_", "xoxb-", "sk-ant-", "glpat-", "AIza", "hf_")',
    "version": 'token_version = "v2.0.1-rc1"',
    "tokens": "max_tokens = 2048",
    "tokenizer": 'tokenizer = "cl100k_base"',
    "key of a dictionary": 'rows.sort(key="created_at_2")',
    "keyboard": 'KEYBOARD_LAYOUT = "qwerty2"',
    "license": "# SPDX-License-Identifier: Apache-2.0",
    "basic words": "# Basic authentication, bearer authorization",
    "joined code": 'url = "?password=" + quote2(pw) + "&token=" + token2',
    "joined code, single": "url = 'password:' + user2 + ';secret=' + x3",
    "long test name": "def test_that_a_very_long_name_with_digits_123_is_kept(): ...",
    "punctuation": 'sep_token = "</s2>"',
    "node": 'raise SyntaxError("unexpected token: %s2" % token)',
    "ruler": "# " + "-" * 90,
    "redacted already": 'password = "REDACTED_SECRET_KEYWORD"',
    "expression": 'TOKEN_FORMATS = {"api_token": r"tok[A-Za-z0-9]{14}_"}',
    "pair with an expression": 'Format("api_secret", r"sec1[a-z0-9]{40}x")',
    "svg": 'd = "M10.5,20.25 L30.125,40.0625 C50.5,60.25 70.125,80.0625 90,100 Z"',
}


@pytest.mark.parametrize("kind", NEAR_MISSES)
def test_a_near_miss_stays(kind: str) -> None:
    code = NEAR_MISSES[kind] + "\n"
    result = redact(code.encode())
    assert result.data.decode() == code
    assert result.found == {}


def test_hex_is_a_secret_only_where_a_name_says_so() -> None:
    """The trade-off: most hex in code are hashes, so that what is unnamed stays."""
    text = pick("t1", HEX, 64)
    assert redact(f'ROOT = "{text}"'.encode()).found == {}
    for line in (f'API_SECRET = "{text}"', f"# the signing key\nX = '{text}'", f'sign("{text}")'):
        assert text not in redact(line.encode()).data.decode()


def test_every_format_of_ours_and_of_the_library_is_tried() -> None:
    kinds = {kind for text in FORMAT_SECRETS.values() for kind in redact(text.encode()).found}
    assert len(kinds) >= 35
    assert len({row.kind for row in FORMATS}) + len(PLUGINS) > 60
    assert len(FORMAT_SECRETS["aws access key id"]) == RUN_LENGTH


def test_counts_are_by_kind_and_place() -> None:
    token = FORMAT_SECRETS["github classic"]
    result = redact(f'a = "{token}"\nb = "{token}"\npassword = "hun'.encode() + b'ter2"\n')
    assert result.found == {"github_token": 2, "secret_keyword": 1}


SECRET_TEXTS = [
    *FORMAT_SECRETS.values(),
    *(f'{name} = "{secret}"' for name, secret in NAMED_SECRETS.values()),
    *(around.format(secret) for around, secret in SURROUNDED_SECRETS.values()),
    *("\n".join(pem(label, label)) for label in LABELS),
]
FRAGMENTS = [
    "password", "secret=", "token: ", "api_key", "REDACTED_SECRET_KEYWORD", "REDACTED_", "\n",
    '"', "'", "`", "\\", "\\n", " = ", "==", "é", "名", "://u:", "@h", "bearer ", "-----BEGIN ",
    "PRIV" + "ATE KEY-----", "{", "}",
    "a1B2c3D4" + "e5F6g7H8i9J0k1", ",", "(", ")", "AK" + "IA", "#",
]  # fmt: skip
texts = st.lists(
    st.one_of(st.sampled_from(SECRET_TEXTS), st.sampled_from(FRAGMENTS), st.text(max_size=12)),
    max_size=24,
).map("".join)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_redacting_again_changes_nothing_and_lines_stay(text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:  # lone surrogates are no UTF-8
        return
    result = redact(data)
    result.data.decode()
    assert result.data.count(b"\n") == data.count(b"\n")
    assert redact(result.data).data == result.data
    assert bool(result.found) == (result.data != data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(FORMAT_SECRETS.values())), texts, texts)
def test_a_format_is_found_in_any_surroundings(secret: str, before: str, after: str) -> None:
    text = f"{before}\nx = '{secret}'\n{after}"
    assert not survivors(secret, redact(text.encode("utf-8", "ignore")).data.decode())


PATHOLOGICAL = {
    "letters": "a",
    "quotes": '"',
    "equals": "=",
    "blanks": " ",
    "digits": "1",
    "lines": "\n",
    "base64": pick("p1", B64, 4096),
    "hex": pick("p2", HEX, 4096),
    "names": "password",
    "names with signs": "password=",
    "names with quotes": 'token="',
    "keys": "key ",
    "urls": "://",
    "urls with colons": "://a:",
    "headers": "-----BEGIN PRIV" + "ATE KEY-----\n",
    "tokens": "eyJ",
    "prefixes": "sk-",
    "numbers": "xo" + "xb-1-",
    "bearer": "bearer ",
    "secrets": 'password = "x9' + 'Yz8!kq"\n',
    "backslashes": "\\",
    "openers": "([{",
    "placeholders": "REDACTED_",
    "dots": "eyJa.",
}


def seconds(data: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        redact(data)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("kind", PATHOLOGICAL)
def test_time_grows_with_the_text_and_no_faster(kind: str) -> None:
    """Four times the text: quadratic time would be sixteen times as long."""
    pattern = PATHOLOGICAL[kind].encode()
    small = pattern * (2**14 // len(pattern))
    redact(small)
    assert seconds(small * 4) < 8 * seconds(small) + 0.02


def test_a_line_of_five_megabytes_is_read_to_its_end() -> None:
    secret = FORMAT_SECRETS["github classic"]
    line = b"var a=[" + b"1,2,'x'," * 650_000 + f"'{secret}'];".encode()
    result = redact(line)
    assert result.found == {"github_token": 1}


MODULES = {
    "a.py": 'def login(key="§"):\n    """Doc: § here."""\n    # §\n    return "§"\n',
    "tests/test_a.py": 'class TestA:\n    """§"""\n    def test_it(self):\n        f("§")\n',
    "a.ts": '/** See § here. */\nexport function f(a: string = "§") { return `§`; }\n',
    "a.rs": '/// See § here.\nfn f() -> &\'static str { "§" }\n',
    "a.go": 'package a\n\n// F uses §.\nfunc F() string { return "§" }\n',
    "A.java": 'class A {\n  /** § */\n  String f() { return "§"; }\n}\n',
    "a.c": '/* § */\nconst char *f(void) { return "§"; }\n',
}


@pytest.mark.parametrize("path", MODULES)
@pytest.mark.parametrize("kind", FORMAT_SECRETS)
def test_records_hold_nothing_of_a_secret(kind: str, path: str) -> None:
    secret = FORMAT_SECRETS[kind]
    plain = content_of(path, MODULES[path].replace("§", "a string").encode())
    content = content_of(path, MODULES[path].replace("§", secret).encode())
    assert content.records
    assert not survivors(secret, repr(content))
    assert sum(content.redacted.values()) >= 2
    places = [(record.symbol, record.start_line, record.end_line) for record in plain.records]
    assert [(item.symbol, item.start_line, item.end_line) for item in content.records] == places
    assert "REDACTED_" in repr(content.records)


def test_a_file_without_records_tells_its_secrets_all_the_same() -> None:
    secret = FORMAT_SECRETS["github classic"]
    content = content_of("settings.py", f'TOKEN = "{secret}"\n'.encode())
    assert content.reason == "no_symbols"
    assert content.redacted == {"github_token": 1}
    assert content_of("clean.py", b"def f(): ...\n").redacted == {}


def test_the_extractor_s_version_names_the_rules() -> None:
    assert EXTRACTOR_VERSION.endswith(redaction_fingerprint())


def test_other_rules_have_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = redaction_fingerprint()
    monkeypatch.setattr("dobby_pipeline.sources.secrets.FORMATS", FORMATS[1:])
    assert redaction_fingerprint() != before


def test_detect_secrets_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, dobby_pipeline.sources.reader as r\n"
        "r.content_of('a.py', b'def f(): return 1')\n"
        "assert 'detect_secrets' not in sys.modules and 'requests' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
