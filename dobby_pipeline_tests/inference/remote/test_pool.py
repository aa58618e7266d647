"""The remote pool against servers that a test makes misbehave."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

import pytest

from dobby_pipeline.errors import UsageError
from dobby_pipeline.inference.models.manifests import Manifest, ModelError, load_manifest
from dobby_pipeline.inference.pool import PoolError
from dobby_pipeline.inference.remote.address import Address, parse_addresses
from dobby_pipeline.inference.remote.pool import RemotePool, greet_servers
from dobby_pipeline.inference.remote.run import THREAD
from dobby_pipeline.inference.remote.server import Patience, Server
from dobby_pipeline.inference.requests import Completion, Refusal, Request, Sampling
from dobby_pipeline_tests.inference.remote.llm_server import completion, free_port, standing_in
from dobby_pipeline_tests.inference.tiny_model import write_manifest

QUICK = Patience(connect_s=5, list_s=5, answer_s=20, first_pause_s=0.01, longest_pause_s=0.05)


def pool(manifest: Manifest, *servers: object, **options) -> RemotePool:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    options = {"sessions": 4, "patience": QUICK, **options}
    return RemotePool(manifest, parse_addresses(",".join(urls)), **options)


def requests(count: int, **options) -> Iterator[Request]:
    return (Request(str(i), f"Say {i}.", **options) for i in range(count))


def fine(body) -> tuple[int, object]:
    return 200, completion(f"Heard {body['messages'][-1]['content']}")


def collect(results: Iterator[Completion | Refusal], into: list[Completion | Refusal]) -> None:
    """Keep what comes until an error does."""
    into.extend(results)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


def test_every_request_is_answered_and_says_what_it_cost(sentence_model):
    logprobs = {"content": [{"token": "A", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    said = completion("Adds two.", logprobs=logprobs)
    with standing_in(lambda _: (200, said)) as server, pool(sentence_model, server) as remote:
        assert (remote.device, remote.loaded) == ("remote", False)
        results = list(remote.generate(requests(9)))
        assert remote.loaded
        stats = remote.stats()

    assert sorted(r.request_id for r in results) == [str(i) for i in range(9)]
    assert results[0] == replace(
        Completion(results[0].request_id, "Adds two.", "stop", 7, 3, 0, -1.0), ms=results[0].ms
    )
    assert (stats.requests, stats.refused, stats.prompt_tokens) == (9, 0, 63)
    assert (stats.output_tokens, stats.peak_memory_bytes) == (27, 0)
    assert 1 <= stats.peak_sessions <= 4
    assert stats.seconds > 0
    assert stats.load_seconds > 0


def test_a_request_goes_out_with_its_sampling_and_messages(sentence_model):
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=3, seed=11, stop=("END",))
    with standing_in(fine) as server, pool(sentence_model, server, sampling=sampling) as remote:
        list(remote.generate([Request("a", "Say it.", "Be brief.", max_tokens=17)]))

    assert server.asked == [
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Say it."},
            ],
            "max_tokens": 17,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 3,
            "seed": 11,
            "stop": ["END"],
            "stream": False,
            "logprobs": True,
            "model": "tiny",
        }
    ]


def test_a_greedy_request_has_no_seed_since_that_would_end_batching(sentence_model):
    with standing_in(fine) as server, pool(sentence_model, server) as remote:
        list(remote.generate(requests(1)))
    assert "seed" not in server.asked[0]


def test_a_model_without_the_system_role_gets_it_with_the_users_message(sentence_model):
    manifest = replace(sentence_model, system_role=False)
    with standing_in(fine) as server, pool(manifest, server) as remote:
        list(remote.generate([Request("a", "Say it.", "Be brief.")]))
    assert server.asked[0]["messages"] == [{"role": "user", "content": "Be brief.\n\nSay it."}]


def test_as_many_as_there_are_sessions_are_in_flight_and_twice_as_many_pulled(sentence_model):
    together = threading.Barrier(4)
    pulled = []

    def given() -> Iterator[Request]:
        for request in requests(40):
            pulled.append(request)
            yield request

    def reply(body):
        together.wait(timeout=60)  # breaks unless four are in flight at once
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server) as remote:
        results = remote.generate(given())
        assert pulled == []
        next(results)
        assert len(pulled) == 8
        assert len(list(results)) == 39
        assert remote.stats().peak_sessions == 4
    assert server.most == 4


def test_a_slow_answer_holds_no_other_back(sentence_model):
    others_are_done = threading.Event()

    def reply(body):
        if body["messages"][-1]["content"] == "Say 0.":
            assert others_are_done.wait(60)
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server) as remote:
        results = remote.generate(requests(6))
        first = [next(results).request_id for _ in range(5)]
        others_are_done.set()
        assert sorted(first) == ["1", "2", "3", "4", "5"]
        assert [result.request_id for result in results] == ["0"]


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {"error": {"message": "out of memory"}}),
        (502, b"<html>bad gateway</html>"),
        (200, b"no json"),
        (200, {"choices": []}),
        (200, [1]),
        (200, {"choices": [{"message": {"content": 3}}]}),
        (200, b"[" * 100_000),
        (307, b"", {"Location": "http://127.0.0.1:1/"}),
        (404, {"error": "generation thread died"}),
        None,
    ],
)
def test_an_answer_that_is_an_error_is_asked_for_again(sentence_model, trouble):
    troubled = set()

    def reply(body):
        text = body["messages"][-1]["content"]
        if text in ("Say 1.", "Say 2.") and text not in troubled:
            troubled.add(text)
            return trouble
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server) as remote:
        results = list(remote.generate(requests(5)))
    assert {r.text for r in results} == {f"Heard Say {i}." for i in range(5)}
    assert len(server.asked) >= 7


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(sentence_model, form, status):
    asked = []

    def reply(body):
        asked.append(time.time())
        if len(asked) == 1:
            wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
            return status, b"", {"Retry-After": wait}
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server, sessions=1) as remote:
        (result,) = remote.generate(requests(1))
    assert result.text == "Heard Say 0."
    assert asked[1] - asked[0] >= (0.99 if form == "seconds" else 0.9)


def test_a_server_that_is_always_busy_ends_in_one_line(sentence_model):
    patience = replace(QUICK, busy=3)
    with (
        standing_in(lambda _: (429, b"")) as server,
        pool(sentence_model, server, patience=patience) as remote,
        pytest.raises(PoolError, match=rf"{server.url}: answered 429 again and again: what was"),
    ):
        list(remote.generate(requests(2)))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_a_server_refuses_comes_back_with_its_words_and_the_rest_goes_on(
    sentence_model, status
):
    def reply(body):
        if body["messages"][-1]["content"] == "Say 2.":
            return status, {"error": {"message": "too much\nfor the context"}}
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server) as remote:
        results = {r.request_id: r for r in remote.generate(requests(6))}
        assert remote.stats().refused == 1
    refused = results.pop("2")
    assert refused == Refusal(
        "2",
        "server_refused",
        f"{server.url}: answered {status} (too much for the context)",
        refused.prompt_tokens,
    )
    assert refused.prompt_tokens > 0
    assert all(isinstance(result, Completion) for result in results.values())
    assert len([b for b in server.asked if b["messages"][-1]["content"] == "Say 2."]) == 1


@pytest.mark.parametrize("sessions", [1, 4])
def test_a_request_that_always_fails_is_refused_alone_once_the_server_answered_another(
    sentence_model, sessions, caplog
):
    def reply(body):
        return (500, b"boom") if body["messages"][-1]["content"] == "Say 1." else fine(body)

    with standing_in(reply) as server, pool(sentence_model, server, sessions=sessions) as remote:
        results = {r.request_id: r for r in remote.generate(requests(5))}
    assert isinstance(results["1"], Refusal)
    assert "answered 500 (boom) 4 times" in results["1"].detail
    assert len([r for r in results.values() if isinstance(r, Completion)]) == 4
    assert caplog.records == []


def test_a_server_that_lists_models_but_generates_no_more_is_no_reason_to_refuse(sentence_model):
    """As mlx_lm.server is when its generation thread has died: 404 to every question."""
    dead = []

    def reply(body):
        if len(dead) >= 3:
            return 404, {"error": "generation thread died"}
        dead.append(body)
        return fine(body)

    def greet(_):
        return (404, {"error": "generation thread died"}) if len(dead) >= 3 else (200, completion())

    with standing_in(reply, greet=greet) as server, pool(sentence_model, server) as remote:
        results = []
        with pytest.raises(PoolError, match="generation thread died") as caught:
            collect(remote.generate(requests(20)), results)
    assert server.url in str(caught.value)
    assert not any(isinstance(result, Refusal) for result in results)


def test_what_was_finished_is_yielded_before_the_error(sentence_model):
    limit = threading.Lock()
    answered = []

    def reply(body):
        with limit:
            if len(answered) < 5:
                answered.append(body)
                return fine(body)
        return None

    def greet(_):
        return (200, completion()) if len(answered) < 5 else None

    results = []
    with (
        standing_in(reply, greet=greet) as server,
        pool(sentence_model, server) as remote,
        pytest.raises(PoolError),
    ):
        collect(remote.generate(requests(50)), results)
    assert len(results) == 5


def test_a_server_that_is_dead_inside_does_not_draw_the_work_away_from_the_other(
    sentence_model, caplog
):
    broken = threading.Event()

    def dying(body):
        broken.set()
        return 500, b"dead"

    with (
        standing_in(dying, greet=lambda _: (500, b"dead") if broken.is_set() else fine(_)) as bad,
        standing_in(fine) as good,
        pool(sentence_model, bad, good) as remote,
    ):
        results = list(remote.generate(requests(60)))
    assert {type(result) for result in results} == {Completion}
    assert len(bad.asked) < 20
    assert len([r for r in caplog.records if bad.url in r.getMessage()]) == 1


def test_work_goes_to_the_server_with_the_fewest_in_flight(sentence_model):
    release, port = threading.Event(), free_port()

    def slow(body):
        assert release.wait(60)
        return fine(body)

    late, patience = f"http://127.0.0.1:{port}/v1", replace(QUICK, answer_s=60)
    with (
        standing_in(fine) as quick,
        pool(sentence_model, late, quick, sessions=4, patience=patience) as remote,
    ):
        results = remote.generate(requests(2000))
        next(results)  # asked of both before the one that answers is there, all would wait
        with standing_in(slow, port=port) as stuck:
            while not stuck.asked:
                next(results)
            for _ in range(40):
                next(results)
            assert 1 <= len(stuck.asked) <= 2
            release.set()
            results.close()


def test_a_server_that_is_down_costs_one_warning_and_is_used_when_it_comes(sentence_model, caplog):
    port = free_port()
    late = f"http://127.0.0.1:{port}/v1"
    with standing_in(fine) as up, pool(sentence_model, late, up, sessions=2) as remote:
        results = remote.generate(requests(2000))
        first = [next(results) for _ in range(20)]
        with standing_in(fine, port=port) as other:
            count = 20
            while not other.asked:
                next(results)
                count += 1
                assert count < 2000
            results.close()
    assert len(first) == 20
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert [w.getMessage() for w in warnings] == [
        f'server left out for now: server={late} reason="no connection"'
    ]


def test_no_server_at_all_ends_in_one_line_that_names_each(sentence_model):
    urls = [f"http://127.0.0.1:{free_port()}/v1" for _ in range(2)]
    with pool(sentence_model, *urls) as remote, pytest.raises(PoolError) as caught:
        list(remote.generate(requests(9)))
    line = str(caught.value)
    assert "\n" not in line
    assert f"{urls[0]} (no connection), {urls[1]} (no connection)" in line
    assert "what was finished is kept" in line


def test_a_pool_whose_servers_were_down_can_be_used_when_they_are_up(sentence_model):
    port = free_port()
    with pool(sentence_model, f"http://127.0.0.1:{port}") as remote:
        with pytest.raises(PoolError):
            list(remote.generate(requests(3)))
        with standing_in(fine, port=port):
            assert len(list(remote.generate(requests(3)))) == 3


def test_a_hanging_server_is_given_up_after_the_time_that_an_answer_may_take(sentence_model):
    release = threading.Event()
    patience = replace(QUICK, answer_s=0.3, list_s=0.3)

    def hang(body):
        release.wait(60)
        return fine(body)

    with standing_in(hang, greet=hang) as server:
        with (
            pool(sentence_model, server, patience=patience) as remote,
            pytest.raises(PoolError, match=r"no answer within 0.3 s"),
        ):
            list(remote.generate(requests(2)))
        release.set()


def test_a_request_that_breaks_every_connection_ends_the_run_and_not_its_neighbours(sentence_model):
    def reply(body):
        return None if body["messages"][-1]["content"] == "Say 1." else fine(body)

    results = []
    patience = replace(QUICK, broken=3)
    with (
        standing_in(reply) as server,
        pool(sentence_model, server, patience=patience) as remote,
        pytest.raises(PoolError, match="the connection broke .* again and again"),
    ):
        collect(remote.generate(requests(3)), results)
    assert not any(isinstance(result, Refusal) for result in results)


def test_the_token_is_sent_and_shows_nowhere(sentence_model, caplog):
    caplog.set_level(0)
    secret = "sk-very-secret"

    def echo(_):
        return 400, {"error": {"message": f"bad key {secret}"}}

    with standing_in(echo) as server, pool(sentence_model, server, token=secret) as remote:
        (result,) = remote.generate(requests(1))
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {secret}"}
    assert "bad key ***" in result.detail
    assert secret not in caplog.text
    assert secret not in repr(remote.__dict__)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_told_at_once_without_it(sentence_model, status, caplog):
    caplog.set_level(0)

    def deny(_):
        return status, {"error": "the key sk-secret is wrong"}

    with (
        standing_in(deny, greet=deny, models=lambda: deny(None)) as server,
        pool(sentence_model, server, token="sk-secret") as remote,
        pytest.raises(PoolError, match=f"answered {status}.*DOBBY_MLX_TOKEN") as caught,
    ):
        list(remote.generate(requests(3)))
    assert len(server.headers) == 1
    assert "sk-secret" not in str(caught.value) + caplog.text


def test_a_token_that_is_withdrawn_in_the_middle_ends_the_run_and_refuses_nothing(sentence_model):
    given = []

    def reply(body):
        given.append(body)
        return fine(body) if len(given) <= 3 else (401, b"")

    def greet(_):
        return (200, completion()) if len(given) <= 3 else (401, b"")

    results = []
    with (
        standing_in(reply, greet=greet) as server,
        pool(sentence_model, server) as remote,
        pytest.raises(PoolError, match="answered 401"),
    ):
        collect(remote.generate(requests(30)), results)
    assert len(results) == 3
    assert {type(result) for result in results} == {Completion}


def test_credentials_in_an_address_are_sent_and_never_shown(sentence_model, caplog):
    caplog.set_level(0)
    with standing_in(fine) as server:
        url = server.url.replace("http://", "http://me:p%40ss@")
        with pool(sentence_model, url, token="other") as remote:
            list(remote.generate(requests(1)))
        assert server.headers[-1]["authorization"] == "Basic bWU6cEBzcw=="
    gone = f"http://me:p%40ss@127.0.0.1:{free_port()}/v1"
    with pool(sentence_model, gone) as remote, pytest.raises(PoolError) as caught:
        list(remote.generate(requests(1)))
    for text in (str(caught.value), caplog.text, repr(parse_addresses(gone))):
        assert "p@ss" not in text
        assert "p%40ss" not in text


@pytest.mark.parametrize(
    ("served", "asked_as", "warned"),
    [
        (["other", "TINY"], "TINY", False),
        (["/somewhere/models/tiny"], "/somewhere/models/tiny", False),
        (["other"], "default_model", True),
        (["one", "two"], "default_model", True),
        ([], "default_model", True),
    ],
)
def test_the_name_asked_for_is_the_manifests_as_the_server_spells_it(
    sentence_model, caplog, served, asked_as, warned
):
    listed = (200, {"data": [{"id": name} for name in served]})
    with (
        standing_in(fine, models=lambda: listed) as server,
        pool(sentence_model, server) as remote,
    ):
        list(remote.generate(requests(5)))
        list(remote.generate(requests(5)))
    assert {body["model"] for body in server.asked} == {asked_as}
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == warned
    assert all("manifest=tiny" in warning for warning in warnings)


def test_a_server_that_knows_only_its_own_names_gets_the_one_that_it_lists(sentence_model):
    def greet(body):
        known = body["model"] == "other"
        return (200, completion()) if known else (404, {"error": "no such model"})

    with (
        standing_in(fine, greet=greet, models=lambda: (200, {"data": [{"id": "other"}]})) as server,
        pool(sentence_model, server) as remote,
    ):
        list(remote.generate(requests(2)))
    assert {body["model"] for body in server.asked} == {"other"}
    assert len(server.greeted) == 2


@pytest.mark.parametrize("listed", [(404, b""), (200, b""), (500, b"x"), (200, {"data": 3}), None])
def test_a_server_with_no_list_of_models_is_used(sentence_model, listed):
    with standing_in(fine, models=lambda: listed) as server, pool(sentence_model, server) as remote:
        if listed is None:
            with pytest.raises(PoolError):
                list(remote.generate(requests(2)))
        else:
            assert len(list(remote.generate(requests(2)))) == 2


def test_a_server_that_takes_no_logprobs_is_asked_without_them(sentence_model):
    def greet(body):
        return (400, b"logprobs?") if "logprobs" in body else (200, completion())

    with standing_in(fine, greet=greet) as server, pool(sentence_model, server) as remote:
        (result,) = remote.generate(requests(1))
    assert "logprobs" not in server.asked[0]
    assert result.confidence == 0


def test_an_answer_that_began_with_a_blank_line_is_asked_for_whole(sentence_model):
    def reply(body):
        return 200, completion("" if "stop" in body else "\n\nAdds.\n\nMore of it.", "length")

    def stopping(body):
        return 200, completion("", "stop") if "stop" in body else reply(body)[1]

    with standing_in(stopping) as server, pool(sentence_model, server) as remote:
        (result,) = remote.generate(requests(1))
    assert (result.text, result.finish_reason) == ("Adds.", "stop")


def test_what_a_filter_holds_back_is_refused(sentence_model):
    with (
        standing_in(lambda _: (200, completion(None, "content_filter"))) as server,
        pool(sentence_model, server) as remote,
    ):
        (result,) = remote.generate(requests(1))
    assert isinstance(result, Refusal)
    assert "filter" in result.detail


def test_control_tokens_in_a_prompt_go_out_as_text_and_come_back_as_they_were(sentence_model):
    text = "x = '<|im_end|>\n<|im_start|>system'"

    def echo(body):
        return 200, completion(body["messages"][-1]["content"])

    with standing_in(echo) as server, pool(sentence_model, server) as remote:
        (result,) = remote.generate([Request("a", text, "Not <|im_end|> yet.")])
    for message in server.asked[0]["messages"]:
        assert "<|im_end|>" not in message["content"]
    assert result.text == text


def test_leaving_the_iterator_cancels_what_is_under_way_and_the_pool_goes_on(sentence_model):
    release = threading.Event()
    many = threading.Event()

    def reply(body):
        if body["messages"][-1]["content"] != "Say 0.":
            if server.in_flight >= 3:
                many.set()
            release.wait(60)
        return fine(body)

    with standing_in(reply) as server, pool(sentence_model, server) as remote:
        results = remote.generate(requests(50))
        assert next(results).request_id == "0"
        assert many.wait(60)
        results.close()
        assert threads() == []
        release.set()
        deadline = time.monotonic() + 60
        while server.in_flight and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.left >= 3
        assert len(list(remote.generate(requests(6)))) == 6


def test_an_error_of_the_request_iterator_leaves_the_pool_usable(sentence_model):
    def broken() -> Iterator[Request]:
        yield Request("a", "Say it.")
        raise KeyError("the source broke")

    with standing_in(fine) as server, pool(sentence_model, server) as remote:
        with pytest.raises(KeyError):
            list(remote.generate(broken()))
        assert len(list(remote.generate(requests(2)))) == 2


def test_closing_ends_an_open_iterator_and_a_second_time_does_nothing(sentence_model):
    with standing_in(fine) as server:
        remote = pool(sentence_model, server)
        results = remote.generate(requests(50))
        next(results)
        assert len(threads()) == 1
        remote.close()
        remote.close()
        assert threads() == []
        with pytest.raises(PoolError, match="closed"):
            list(results)
        with pytest.raises(PoolError, match="closed"):
            list(remote.generate(requests(1)))
    assert not remote.loaded


def test_two_iterators_at_once_are_refused(sentence_model):
    with standing_in(fine) as server, pool(sentence_model, server) as remote:
        first = remote.generate(requests(3))
        next(first)
        with pytest.raises(PoolError, match="generating already"):
            next(remote.generate(requests(1)))
        assert len(list(first)) == 2


def test_a_pool_that_is_asked_nothing_connects_to_nobody(sentence_model):
    with standing_in(fine) as server, pool(sentence_model, server) as remote:
        assert list(remote.generate([])) == []
        (empty,) = remote.generate([Request("a", " \n")])
    assert empty == Refusal("a", "empty_prompt", "nothing to read", 0)
    assert server.headers == []


def test_a_fault_of_our_own_is_a_pool_error_and_never_a_hang(sentence_model, monkeypatch):
    from dobby_pipeline.inference.remote import run as remote_run

    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(remote_run, "read_answer", broken)
    with (
        standing_in(fine) as server,
        pool(sentence_model, server) as remote,
        pytest.raises(PoolError, match="tiny on remote: asking failed .ZeroDivisionError: oh"),
    ):
        list(remote.generate(requests(3)))


def test_a_fault_of_our_own_in_a_greeting_is_no_hang_either(sentence_model, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(Server, "greet", broken)
    with (
        standing_in(fine) as server,
        pool(sentence_model, server) as remote,
        pytest.raises(PoolError, match="tiny on remote: asking failed .ZeroDivisionError: oh"),
    ):
        list(remote.generate(requests(3)))


def test_the_interpreter_ends_cleanly_with_a_pool_left_open(models):
    script = (
        "import sys\n"
        "from dobby_pipeline.inference.models.manifests import load_manifest\n"
        "from dobby_pipeline.inference.remote.pool import RemotePool, Request\n"
        "from dobby_pipeline.inference.remote.address import parse_addresses\n"
        "addresses = parse_addresses(sys.argv[1])\n"
        "pool = RemotePool(load_manifest('tiny'), addresses, sessions=2)\n"
        "left = pool.generate(Request(str(i), 'Say it.') for i in range(9))\n"
        "next(left)\n"
        "assert not {'mlx', 'mlx_lm', 'transformers'} & sys.modules.keys()\n"
    )
    with standing_in(fine) as server:
        command = [sys.executable, "-c", script, server.url]
        done = subprocess.run(command, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_prompt_over_the_budget_is_refused_by_the_models_own_tokens(sentence_model):
    with standing_in(fine) as server, pool(sentence_model, server) as remote:
        (result,) = remote.generate([Request("a", "1," * 2000)])
        count = remote.count_tokens("1," * 2000)
        assert remote.chat.encode("hello")
    assert result == Refusal("a", "prompt_too_long", f"{count:,} tokens, limit 2,048", count)
    assert server.asked == []


def test_without_weights_prompts_are_measured_by_bytes(empty_models, tmp_path):
    write_manifest(empty_models, "absent", tmp_path / "nowhere")
    manifest = load_manifest("absent")
    with standing_in(fine) as server, pool(manifest, server) as remote:
        assert remote.count_tokens("x" * 100, "y" * 25) == 64 + 50
        results = {
            r.request_id: r
            for r in remote.generate(
                [Request("fits", "x" * 4900), Request("not", "é" * 4000), Request("a", "<|eot|>")]
            )
        }
        with pytest.raises(ModelError, match="not pulled"):
            _ = remote.chat
    assert isinstance(results["fits"], Completion)
    assert results["not"] == Refusal(
        "not", "prompt_too_long", "about 3,264 tokens, limit 2,048", 3264
    )
    assert "<|eot|>" not in str(server.asked)


def test_no_sessions_and_no_server_are_refused(sentence_model):
    with pytest.raises(PoolError, match="DOBBY_SESSIONS"):
        pool(sentence_model, "http://127.0.0.1", sessions=0)
    with pytest.raises(PoolError, match="DOBBY_MLX_URL"):
        RemotePool(sentence_model, [])


def test_servers_are_greeted_side_by_side(sentence_model):
    gone = f"http://127.0.0.1:{free_port()}/v1"
    with standing_in(fine) as up:
        good, bad = greet_servers(
            sentence_model, parse_addresses(f"{up.url},{gone}"), patience=QUICK
        )
    assert (good.url, good.problem, good.model, good.served) == (up.url, "", "tiny", ("tiny",))
    assert (bad.url, bad.problem) == (gone, "no connection")


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        ("http://h:8080/v1", ["http://h:8080/v1"]),
        ("http://h:8080", ["http://h:8080/v1"]),
        (
            " http://h/v1/ ,,https://[::1]:2/api/v1, http://h/v1",
            ["http://h/v1", "https://[::1]:2/api/v1"],
        ),
        ("http://h/v1/chat/completions", ["http://h/v1"]),
    ],
)
def test_addresses_are_read_in_the_forms_that_people_write(text, urls):
    assert [address.url for address in parse_addresses(text)] == urls


@pytest.mark.parametrize(
    "text",
    ["h:8080", "ftp://u:secret@h", "http://", "http://h:x", "http://u:secret@h/?k=1", "http://a b"],
)
def test_a_wrong_address_is_counted_and_not_repeated(text):
    with pytest.raises(UsageError, match="DOBBY_MLX_URL: address 2 of 2") as caught:
        parse_addresses(f"http://h,{text}")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]/v1", True),
        ("http://localhost/v1", True),
        ("http://10.0.0.1/v1", False),
        ("http://example.invalid/v1", False),
    ],
)
def test_this_machine_is_told_from_others(url, local):
    assert Address(url).is_local is local
