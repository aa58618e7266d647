"""Thirty planted secrets of different kinds: how many reach the database, the log or Dagster.

Run: `.venv/bin/python benchmarks/planted_secrets.py`. They are made at random in each run.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROOT, Contract, commit_all, told

sys.path.insert(0, str(ROOT))

from dobby_pipeline_tests.sources.planted import fragments, plant, planted


def main() -> None:
    """Plant, ingest through Dagster, and search every byte that was written or printed."""
    secrets = planted()
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "home", Path(scratch) / "planted"
        plant(folder, secrets)
        commit_all(folder)
        env = {**os.environ, "DOBBY_HOME": str(home), "DAGSTER_HOME": ""}
        command = [sys.executable, "-m", "dobby_pipeline.cli.main", "ingest", str(folder)]
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        if done.returncode:
            sys.exit(done.stderr.decode())
        written = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    written.append(done.stdout + done.stderr)
    leaked = [
        name
        for name, secret in secrets.items()
        if any(piece in data for piece in fragments(secret) for data in written)
    ]
    for name in leaked:
        print(f"leaked: {name}", file=sys.stderr)
    told(
        Contract(
            f"{len(secrets)} planted secrets", "reach the disk or the log", float(len(leaked)),
            "secrets", "", None, "0", not leaked,
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
