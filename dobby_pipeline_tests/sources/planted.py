"""Secrets of thirty kinds, made at random so that none stands in this file, and where they hide."""

import base64
import random
import re
import string
from pathlib import Path

FRAGMENT = 12
"""Bytes of a secret that must not be found together anywhere."""


def _letters(count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(random.choices(alphabet, k=count))


def _digits(count: int) -> str:
    return _letters(count, string.digits)


def _hex(count: int) -> str:
    return _letters(count, "0123456789abcdef")


def _pem(kind: str) -> str:
    body = base64.b64encode(random.randbytes(300)).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {kind} PRIVATE KEY-----\n{lines}\n-----END {kind} PRIVATE KEY-----"


def _jwt() -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"' + _letters(24).encode() + b'"}')
    head = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    return f"{head}.{_letters(43)}"


def planted() -> dict[str, str]:
    """A fresh secret of each kind, by name."""
    upper = string.ascii_uppercase + string.digits
    return {
        "aws_access_key_id": "AKIA" + _letters(16, upper),
        "aws_secret_access_key": _letters(40),
        "github_token": "ghp_" + _letters(36),
        "github_fine_grained": "github_pat_" + _letters(22) + "_" + _letters(59),
        "gitlab_token": "glpat-" + _letters(20),
        "slack_token": f"xoxb-{_digits(12)}-{_digits(12)}-{_letters(24)}",
        "slack_webhook": "https://hooks.slack.com/services/"
        f"T{_letters(8, upper)}/B{_letters(8, upper)}/{_letters(24)}",
        "stripe_key": "sk_live_" + _letters(24),
        "twilio_key": "SK" + _hex(32),
        "sendgrid_key": f"SG.{_letters(22)}.{_letters(43)}",
        "mailchimp_key": _hex(32) + "-us12",
        "npm_token": f"//registry.example/:_authToken=npm_{_letters(36)}",
        "pypi_token": "pypi-AgEIcHlwaS5vcmc" + _letters(70),
        "azure_account_key": "AccountKey=" + base64.b64encode(random.randbytes(64)).decode(),
        "google_api_key": "AIza" + _letters(35),
        "rsa_private_key": _pem("RSA"),
        "openssh_private_key": _pem("OPENSSH"),
        "jwt": _jwt(),
        "url_password": f"https://admin:{_letters(16)}@example.invalid/path",
        "postgres_url": f"postgres://app:{_letters(18)}@db.example.invalid:5432/app",
        "telegram_token": f"{_digits(10)}:AA{_letters(33)}",
        "discord_token": f"M{_letters(23)}.{_letters(6)}.{_letters(27)}",
        "square_token": "sq0csp-" + _letters(43),
        "openai_key": f"sk-{_letters(20)}T3BlbkFJ{_letters(20)}",
        "anthropic_key": "sk-ant-api03-" + _letters(93) + "AA",
        "huggingface_token": "hf_" + _letters(34, string.ascii_letters),
        "digitalocean_token": "dop_v1_" + _hex(64),
        "databricks_token": "dapi" + _hex(32),
        "client_secret": _letters(32),
        "db_password": "Tr0ub4dor&" + _letters(12),
    }


def plant(folder: Path, secrets: dict[str, str]) -> None:
    """A folder with each secret in code, a comment, a docstring and a test, in turn."""
    for index, (name, secret) in enumerate(secrets.items()):
        text = secret.replace("\n", "\\n") if index % 2 else secret
        quoted = f'"""{text}"""' if "\n" in text else f'"{text}"'
        comment = "".join(f"    # {name}: {line}\n" for line in secret.splitlines())
        bodies = (
            f"def use_{name}():\n    {name} = {quoted}\n    return connect({name})\n",
            f'def use_{name}():\n    """Call with {name} = {text}"""\n    return 1\n',
            f"def use_{name}():\n{comment}    return 1\n",
            f"def test_{name}():\n    assert login({name}={quoted}) is None\n",
        )
        target = folder / ("tests" if index % 4 == 3 else "src") / f"{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(bodies[index % 4])


def fragments(secret: str) -> list[bytes]:
    """Pieces that carry the secret: windows of its longest part without a place's name."""
    login = re.search(r"://[^/:]*:([^@]*)@", secret)
    longest = login[1] if login else max(re.split(r"[\s=/]", secret.rstrip("=")), key=len)
    data = longest[-3 * FRAGMENT :].encode()
    return [data[i : i + FRAGMENT] for i in range(max(1, len(data) - FRAGMENT + 1))]
