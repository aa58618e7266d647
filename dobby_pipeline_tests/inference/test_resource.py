"""The resource's pools, one for each model that is asked for."""

import dagster as dg
import pytest

from dobby_pipeline.inference.models.manifests import ModelError
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.remote.pool import RemotePool
from dobby_pipeline.inference.requests import Request
from dobby_pipeline.inference.resource import MlxSessionsResource
from dobby_pipeline.settings import Settings

REQUESTS = [Request(str(n), f"Say it {n} times.", max_tokens=8) for n in range(4)]


@pytest.fixture
def resource(models):
    """Makes the resource, and tears it down."""
    made: list[MlxSessionsResource] = []

    def make(**fields) -> MlxSessionsResource:
        given = {"model": "tiny", "sessions": 4, "device": "cpu", "memory_limit_gb": 2, **fields}
        made.append(MlxSessionsResource(**given))
        return made[-1]

    yield make
    for resource in made:
        resource.teardown_after_execution(dg.build_init_resource_context())


def test_each_model_has_a_pool_of_its_own_and_the_default_is_one_of_them(resource):
    mlx = resource()
    assert mlx.manifest == mlx.manifest_of("tiny")
    assert mlx.pool() is mlx.pool_of("tiny")
    assert mlx.pool_of("tiny-random") is not mlx.pool()
    assert mlx.pool_of("tiny-random").manifest.name == "tiny-random"
    with pytest.raises(ModelError, match="gpt-9"):
        mlx.pool_of("gpt-9")


def test_tokens_of_all_models_count_also_after_one_has_made_room(resource):
    mlx = resource(memory_limit_gb=0.0014)  # the sentence model takes 1.2 MB
    assert (mlx.tokens_spent(), mlx.latest) == (0, None)
    done = [*mlx.pool().generate(REQUESTS)]
    done += mlx.pool_of("tiny-random").generate(REQUESTS)
    assert mlx.latest is mlx.pool_of("tiny-random")
    assert mlx.tokens_spent() == sum(one.prompt_tokens + one.output_tokens for one in done)
    assert mlx.stats().requests == 2 * len(REQUESTS)


def test_the_end_of_a_run_closes_all_pools(resource):
    mlx = resource()
    pools = [mlx.pool_of(name) for name in ("tiny", "tiny-random")]
    assert all(isinstance(pool, SessionPool) for pool in pools)
    for pool in pools:
        list(pool.generate(REQUESTS))
    mlx.teardown_after_execution(dg.build_init_resource_context())
    assert not any(pool.loaded for pool in pools)
    assert mlx.stats().requests == 0


def test_servers_are_asked_for_each_model_by_its_name(resource):
    mlx = resource(base_url="http://127.0.0.1:9/v1", memory_limit_gb=0.000001)
    pools = [mlx.pool_of(name) for name in ("tiny", "tiny-random")]
    assert all(isinstance(pool, RemotePool) for pool in pools)
    assert [pool.manifest.name for pool in pools] == ["tiny", "tiny-random"]
    assert mlx.pool() is pools[0]  # their memory is not this machine's, so nothing makes room


def test_the_resource_is_what_the_settings_say(tmp_path):
    settings = Settings.from_env({"DOBBY_HOME": str(tmp_path), "DOBBY_ROUTES": "routes.toml"})
    assert settings.routes.startswith("/")
    assert MlxSessionsResource.from_settings(settings).routes == settings.routes
