"""`dobby summarize` and `dobby doctor` with DOBBY_MLX_URL: no weights here, a server elsewhere."""

import json
import re
import shutil

import dagster as dg
import pytest

from dobby_pipeline.definitions import build_defs
from dobby_pipeline.inference.remote import pool as remote
from dobby_pipeline.inference.requests import Request
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.settings import Settings
from dobby_pipeline_tests.cli.test_flow import FILES, last_metadata
from dobby_pipeline_tests.inference.remote.llm_server import (
    completion,
    free_port,
    mlx_server,
    standing_in,
)
from dobby_pipeline_tests.inference.remote.test_pool import QUICK
from dobby_pipeline_tests.inference.tiny_model import SENTENCE

SECRET = "sk-secret-of-the-test"


@pytest.fixture(scope="module")
def server(models_dir, tmp_path_factory):
    """`mlx_lm.server` on the sentence model."""
    with mlx_server(models_dir / "sentence", tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture
def without_weights(workplace, models_dir, tmp_path, monkeypatch):
    """The workplace with the manifests alone."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    for manifest in models_dir.glob("*.toml"):
        shutil.copy(manifest, folder)
    monkeypatch.setenv("DOBBY_MODELS", str(folder))
    monkeypatch.setenv("DOBBY_MLX_TOKEN", SECRET)
    return workplace


def everything_written(workplace) -> str:
    """All that Dagster and the database keep, as text."""
    files = [file for file in workplace.home.rglob("*") if file.is_file()]
    return "".join(file.read_bytes().decode("latin-1") for file in files)


def test_a_repository_is_summarised_by_a_server_on_a_machine_without_weights(
    without_weights, git_repo, server, monkeypatch
):
    url = server.url.replace("http://", "http://me:pass-of-the-test@")
    monkeypatch.setenv("DOBBY_MLX_URL", url)
    workplace = without_weights
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 0, done.err
    assert "4 summaries published, 0 quarantined, 0 missing" in done.err

    rows = workplace.dobby("summaries", "example", "--json").rows
    assert {row["text"] for row in rows} == {SENTENCE}
    assert {row["device"] for row in rows} == {"remote"}
    assert {row["model"] for row in rows} == {"sentence"}
    assert {row["finish_reason"] for row in rows} == {"stop"}
    assert all(row["prompt_tokens"] > 10 and row["output_tokens"] > 5 for row in rows)
    assert all(row["confidence"] <= 0 and row["ms"] > 0 for row in rows)
    figures = last_metadata(workplace.home, "symbol_summaries")
    assert (figures["generated"], figures["device"], figures["sessions"]) == (4, "remote", 4)

    kept = everything_written(workplace) + done.err + json.dumps(rows) + str(figures)
    assert SECRET not in kept
    assert "pass-of-the-test" not in kept


def test_what_a_run_finished_before_all_servers_went_is_kept_and_the_next_goes_on(
    without_weights, git_repo, monkeypatch
):
    monkeypatch.setattr(remote, "Patience", lambda: QUICK)
    monkeypatch.setenv("DOBBY_SESSIONS", "1")
    functions = "\n\n".join(f"def f{n:02}(x):\n    return x + {n}\n" for n in range(60))
    folder = git_repo({"many.py": functions})
    answered = []

    def reply(body):
        answered.append(body)
        return (200, completion(SENTENCE)) if len(answered) <= 40 else None

    def greet(_):
        return (200, completion()) if len(answered) <= 40 else None

    with standing_in(reply, greet=greet, models=lambda: (200, {})) as failing:
        monkeypatch.setenv("DOBBY_MLX_URL", failing.url)
        done = without_weights.dobby("summarize", folder)
        lines = [line for line in done.err.splitlines() if line.startswith("dobby: ")]
        assert done.status == 1
        assert len(lines) == 1, done.err
        assert re.search(rf"no server answers: {failing.url} \(.*\): what was finished", lines[0])
        kept = without_weights.dobby("status", "example", "--json").rows[0]["symbol"]["published"]
        assert 32 <= kept <= 40
        answered.clear()
        failing.reply = lambda body: (200, completion(SENTENCE))
        again = without_weights.dobby("summarize", folder)
        assert again.status == 0, again.err
        assert last_metadata(without_weights.home, "symbol_summaries")["generated"] == 60 - kept


def test_a_second_run_asks_no_server(without_weights, git_repo, monkeypatch):
    folder = git_repo({"a.py": "def f(): return 1\n"})
    with standing_in(lambda _: (200, completion(SENTENCE))) as once:
        monkeypatch.setenv("DOBBY_MLX_URL", once.url)
        assert without_weights.dobby("summarize", folder).status == 0
    assert without_weights.dobby("summarize", folder).status == 0
    assert last_metadata(without_weights.home, "symbol_summaries")["generated"] == 0


def test_a_wrong_address_is_refused_before_anything_is_read(workplace, git_repo, monkeypatch):
    monkeypatch.setenv("DOBBY_MLX_URL", "localhost:8080")
    done = workplace.dobby("summarize", git_repo(FILES))
    assert done.status == 2
    assert "DOBBY_MLX_URL: address 1 of 1" in done.err
    assert done.err.count("\n") == 1


def test_the_doctor_shows_each_server_and_whether_it_answers(without_weights, server, monkeypatch):
    gone = f"http://127.0.0.1:{free_port()}/v1"
    monkeypatch.setenv("DOBBY_MLX_URL", f"{server.url},{gone.replace('//', '//me:hidden@')}")
    done = without_weights.dobby("doctor", "--json")
    assert done.status == 1
    names = [row["check"] for row in done.rows]
    assert names == ["python", "device", "model", "server", "server", "database", "dagster"]
    good, bad = (row for row in done.rows if row["check"] == "server")
    assert good["ok"]
    assert good["detail"].startswith(f"{server.url} answers as ")
    assert (bad["ok"], bad["detail"]) == (False, f"{gone}: no connection")
    assert "DOBBY_MLX_URL" in bad["advice"]
    assert next(row for row in done.rows if row["check"] == "model")["ok"]
    assert "hidden" not in done.out + done.err

    monkeypatch.setenv("DOBBY_MLX_URL", server.url)
    assert without_weights.dobby("doctor").status == 0


def test_the_doctor_tells_what_is_wrong_with_an_address(workplace, monkeypatch):
    monkeypatch.setenv("DOBBY_MLX_URL", "http://h:port")
    done = workplace.dobby("doctor", "--json")
    (row,) = [row for row in done.rows if row["check"] == "server"]
    assert (row["ok"], row["advice"]) == (False, "give http://host:port/v1")


def test_no_credentials_are_in_what_dagster_shows_of_the_resource(monkeypatch, tmp_path):
    url = "http://me:hidden@h:1/v1,http://other/v1"
    monkeypatch.setenv("DOBBY_MLX_URL", url)
    monkeypatch.setenv("DOBBY_MLX_TOKEN", SECRET)
    settings = Settings.from_env()
    assert "hidden" not in repr(settings)
    resource = MlxSessionsResource.from_settings(settings)
    assert resource.base_url == "http://h:1/v1,http://other/v1"
    shown = str(build_defs().get_repository_def().get_top_level_resources()["mlx"].config_schema)
    assert "hidden" not in shown + repr(resource)
    assert SECRET not in shown + repr(resource)


def test_the_resources_pool_has_the_credentials_of_the_environment(
    without_weights, git_repo, monkeypatch
):
    with standing_in(lambda _: (200, completion(SENTENCE))) as asked:
        monkeypatch.setenv("DOBBY_MLX_URL", asked.url.replace("//", "//me:pass@"))
        assert without_weights.dobby("summarize", git_repo(FILES)).status == 0
        assert {h["authorization"] for h in asked.headers} == {"Basic bWU6cGFzcw=="}
        asked.headers.clear()
        monkeypatch.setenv("DOBBY_MLX_URL", "")
        resource = MlxSessionsResource(
            model="sentence", sessions=1, device="cpu", memory_limit_gb=1, base_url=asked.url
        )
        with dg.build_init_resource_context() as context:
            assert resource.pool() is resource.pool()
            assert len(list(resource.pool().generate([Request("a", "Say it.")]))) == 1
            resource.teardown_after_execution(context)
        assert {h["authorization"] for h in asked.headers} == {f"Bearer {SECRET}"}
