"""Where remote sessions go: the addresses in DOBBY_MLX_URL, with their credentials kept apart.

Not here: talking to what is there (server.py). What an address prints as never holds a
password, so that every message may name it.
"""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from dobby_pipeline.errors import UsageError

URL_ENV = "DOBBY_MLX_URL"
TOKEN_ENV = "DOBBY_MLX_TOKEN"  # noqa: S105 - the variable's name

_PREFIX = "/v1"
"""Of an address that names no path: where OpenAI's own API and its followers begin."""


@dataclass(frozen=True, slots=True)
class Address:
    """One server.

    Attributes:
        url: such as `http://127.0.0.1:8080/v1`: no credentials, no slash at its end.
        user: of basic authentication, from `http://user:password@host`; empty for none.
        password: never printed.
    """

    url: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which no proxy stands before."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def parse_addresses(text: str) -> tuple[Address, ...]:
    """The addresses in a comma-separated list, each once, in their order.

    Raises:
        UsageError: one line that counts addresses instead of repeating a wrong one, which may
            hold a password.
    """
    given = [part.strip() for part in text.split(",") if part.strip()]
    found: dict[str, Address] = {}
    for number, part in enumerate(given, 1):
        address = _parse(part, f"{URL_ENV}: address {number} of {len(given)}")
        found.setdefault(address.url, address)
    return tuple(found.values())


def _parse(text: str, which: str) -> Address:
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise UsageError(f"{which} cannot be read: give http://host:port/v1") from None
    problem = _problem(text, parts)
    if problem:
        raise UsageError(f"{which} {problem}: give http://host:port/v1")
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or _PREFIX
    url = f"{parts.scheme}://{shown}{port}{path}"
    return Address(url, unquote(parts.username or ""), unquote(parts.password or ""))


def _problem(text: str, parts: SplitResult) -> str:
    if parts.scheme not in ("http", "https"):
        return "does not begin with http:// or https://"
    if not parts.hostname:
        return "names no host"
    if parts.query or parts.fragment:
        return "has a ? or #, which an address of this kind has not"
    if any(character.isspace() or not character.isprintable() for character in text):
        return "has a space or a control character in it"
    return ""
