"""The settings of the public contract, read from the environment.

Not here: what the settings mean for a database or a device, which is the rooms' business.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dobby_pipeline.errors import UsageError

ROUTES_ENV = "DOBBY_ROUTES"
"""A file of rules that choose among models."""

DEFAULT_HOME = ".dobby"
DEFAULT_MODEL = "smollm2-135m"
DEFAULT_SESSIONS = 20
DEFAULT_MEMORY_LIMIT_GB = 8.0
MOST_PORT = 65535
DEVICES = ("auto", "gpu", "cpu")


@dataclass(frozen=True)
class Settings:
    """One reading of the environment.

    Attributes:
        home: absolute; holds `cozo/`, clones, and `dagster/` when DAGSTER_HOME is unset.
        cozo_url: address of a Cozo server (`http://host:port`), or empty for the embedded store.
        cozo_auth: the value of the `x-cozo-auth` header for `cozo_url`.
        mlx_url: addresses of OpenAI-compatible servers, separated by commas, or empty for a
            model on this machine. May hold passwords, so it is not printed. Their bearer token,
            DOBBY_MLX_TOKEN, is read where it is sent and kept nowhere.
        source_cozo_auth: the same for Cozo servers that are read from, as kind cozo or
            parseltongue; never stored.
        model: a manifest's name under models/.
        sessions: parallel sessions of the pool; None for `auto`, as many as fit.
        device: one of DEVICES.
        metrics_port: where Prometheus may ask on this machine while a run lasts; 0 for nowhere.
        routes: absolute path of the rules that choose among models; empty for `model` alone.
        memory_limit_gb: for weights, KV cache and MLX's own cache together, in 10^9 bytes.
    """

    home: Path
    cozo_url: str = ""
    cozo_auth: str = ""
    model: str = DEFAULT_MODEL
    sessions: int | None = DEFAULT_SESSIONS
    device: str = "auto"
    memory_limit_gb: float = DEFAULT_MEMORY_LIMIT_GB
    source_cozo_auth: str = field(default="", repr=False)
    mlx_url: str = field(default="", repr=False)
    metrics_port: int = 0
    routes: str = ""

    @property
    def dagster_home(self) -> Path:
        """Where Dagster's instance lives unless DAGSTER_HOME says otherwise."""
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster").absolute()

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Read the DOBBY_* variables; an empty one counts as unset.

        Raises:
            UsageError: when a value is not of its setting's form.
        """
        env = os.environ if env is None else env
        return cls(
            home=Path(env.get("DOBBY_HOME") or DEFAULT_HOME).expanduser().absolute(),
            cozo_url=env.get("DOBBY_COZO_URL") or "",
            cozo_auth=env.get("DOBBY_COZO_AUTH") or "",
            source_cozo_auth=env.get("DOBBY_SOURCE_COZO_AUTH") or "",
            mlx_url=env.get("DOBBY_MLX_URL") or "",
            model=env.get("DOBBY_MODEL") or DEFAULT_MODEL,
            sessions=_sessions(env),
            device=_one_of(env, "DOBBY_DEVICE", DEVICES),
            memory_limit_gb=_positive_float(env, "DOBBY_MEMORY_LIMIT_GB", DEFAULT_MEMORY_LIMIT_GB),
            metrics_port=_port(env, "DOBBY_METRICS_PORT"),
            routes=_path(env, ROUTES_ENV),
        )


def project_file(name: str) -> Path:
    """Path of a file or folder that stands beside the package in the repository.

    In an installed wheel the same file lies inside the package.
    """
    package = Path(__file__).parent
    inside = package / name
    return inside if inside.exists() else package.parent / name


def _sessions(env: Mapping[str, str]) -> int | None:
    value = env.get("DOBBY_SESSIONS")
    if not value:
        return DEFAULT_SESSIONS
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) < 1:
        raise UsageError(f"DOBBY_SESSIONS={value!r}: give a whole number of 1 or more, or auto")
    return int(value)


def _path(env: Mapping[str, str], name: str) -> str:
    value = env.get(name)
    return str(Path(value).expanduser().absolute()) if value else ""


def _port(env: Mapping[str, str], name: str) -> int:
    value = env.get(name) or "0"
    if not (value.isascii() and value.isdecimal()) or int(value) > MOST_PORT:
        raise UsageError(f"{name}={value!r}: give the number of a port, 1 to {MOST_PORT}")
    return int(value)


def _positive_float(env: Mapping[str, str], name: str, default: float) -> float:
    value = env.get(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"{name}={value!r}: give a number above 0")
    return number


def _one_of(env: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = env.get(name) or allowed[0]
    if value not in allowed:
        raise UsageError(f"{name}={value!r}: give one of {', '.join(allowed)}")
    return value
