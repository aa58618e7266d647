"""What is seen of real pools from outside: their metrics, their logs, Prometheus's text."""

import json
import threading
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dobby_pipeline.inference.exposition import METRICS_FILE, write_text
from dobby_pipeline.inference.metrics import PoolMetrics, live, total
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.recorder import Recorder, pulse
from dobby_pipeline.inference.requests import Completion, Request
from dobby_pipeline.inference.sessions import Sessions
from dobby_pipeline.logs import LOG_FILE, begin_logs
from dobby_pipeline_tests.inference.remote.llm_server import completion, free_port, standing_in
from dobby_pipeline_tests.inference.remote.test_pool import pool as remote_pool

SECRET = "def launch_codes(): return 4711"


def requests(
    count: int, prompt: str = "Say it again and again, as often as you like. ", system: str = ""
) -> Iterator[Request]:
    return (Request(f"key-{number}", f"{prompt}{number}", system) for number in range(count))


def samples(text: str) -> dict[str, float]:
    """Prometheus's own reading of a text, by name and the labels but model and pool."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("model", "pool")}
            found[sample.name + "".join(f"{{{k}={v}}}" for k, v in labels.items())] = sample.value
    return found


def log_lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


def test_the_metrics_of_a_pool_are_its_statistics(sentence_model):
    with SessionPool(sentence_model, sessions=3, device="cpu") as pool:
        results = [r for r in pool.generate(requests(9)) if isinstance(r, Completion)]
        reading, stats = pool.metrics.reading(), pool.stats()

    assert (reading.requests, reading.refused) == (stats.requests, stats.refused) == (9, 0)
    assert reading.output_tokens == sum(r.output_tokens for r in results) == 9 * 12
    assert reading.prompt_tokens == sum(r.prompt_tokens for r in results)
    assert pool.metrics.tokens() == reading.prompt_tokens + reading.output_tokens
    assert reading.busy_seconds == pytest.approx(reading.prefill_seconds + reading.decode_seconds)
    assert stats.prefill_seconds > 0
    assert stats.decode_seconds > 0
    assert reading.decode_steps >= 3 * 12
    assert (reading.sessions, reading.sessions_busy, reading.queue) == (3, 0, 0)
    assert stats.peak_sessions == 3
    assert stats.peak_memory_bytes > 0


def test_every_prompt_token_was_either_read_or_spared_by_a_shared_beginning(sentence_model):
    with SessionPool(sentence_model, sessions=3, device="cpu") as pool:
        list(pool.generate(requests(9, "Say it: ", system="You say what you are told. " * 3)))
        reading = pool.metrics.reading()
    # The last token of each prompt is its session's first step.
    assert reading.read_tokens + reading.prefix_tokens == reading.prompt_tokens - 9
    assert 2 <= reading.prefix_hits <= 9
    assert reading.prefix_tokens > reading.read_tokens


def test_while_it_works_the_busy_sessions_and_the_queue_are_seen(sentence_model, monkeypatch):
    seen: list[tuple[int, int, int]] = []
    step = Sessions.step
    with SessionPool(sentence_model, sessions=2, device="cpu") as pool:

        def looking(self: Sessions, **how: bool) -> object:
            now = pool.metrics.reading()
            seen.append((now.sessions_busy, now.queue, now.memory_bytes))
            return step(self, **how)

        monkeypatch.setattr(Sessions, "step", looking)
        list(pool.generate(requests(8)))
    assert max(busy for busy, _, _ in seen) == 2
    assert max(queue for _, queue, _ in seen) == 2
    assert max(memory for _, _, memory in seen) > 0
    assert pool.metrics.reading().memory_bytes == 0


def test_a_refused_request_is_counted_by_its_reason(sentence_model, tmp_path):
    with SessionPool(sentence_model, sessions=2, device="cpu") as pool:
        list(pool.generate([Request("a", ""), Request("b", "word " * 4000), Request("c", "Say.")]))
        assert pool.metrics.reading().refused == 2
        write_text(tmp_path, lambda: [pool.metrics])
    found = samples((tmp_path / METRICS_FILE).read_text())
    assert found["dobby_refused_total{reason=empty_prompt}"] == 1
    assert found["dobby_refused_total{reason=prompt_too_long}"] == 1


def test_leaving_early_leaves_no_session_busy(sentence_model):
    with SessionPool(sentence_model, sessions=2, device="cpu") as pool:
        results = pool.generate(requests(50))
        next(results)
        results.close()
        list(pool.generate(requests(1)))
        assert pool.metrics.reading().sessions_busy == 0


def test_a_worker_that_woke_after_it_was_replaced_changes_no_figure(sentence_model, monkeypatch):
    woken, hung = threading.Event(), threading.Event()
    step = Sessions.step
    count = 0

    def hanging(self: Sessions, **how: bool) -> object:
        nonlocal count
        count += 1
        if count == 5:
            woken.wait(60)
            try:
                return step(self, **how)
            finally:
                hung.set()
        return step(self, **how)

    monkeypatch.setattr(Sessions, "step", hanging)
    with SessionPool(sentence_model, sessions=4, device="cpu", stall_s=8.0) as pool:
        old = pool._supervisor.worker
        assert len(list(pool.generate(requests(6)))) == 6
        before = pool.metrics.reading()
        woken.set()
        assert hung.wait(60)
        old._thread.join(60)
        assert not old.alive
        assert pool.metrics.reading() == before
    assert before.fallbacks == 1


def test_a_run_in_the_log_from_loading_to_a_fallback_without_a_word_of_a_prompt(
    sentence_model, monkeypatch, tmp_path, capsys
):
    step = Sessions.step
    count = 0

    def failing(self: Sessions, **how: bool) -> object:
        nonlocal count
        count += 1
        if count == 6:
            raise RuntimeError("out of memory")
        return step(self, **how)

    monkeypatch.setattr(Sessions, "step", failing)
    end = begin_logs(tmp_path, run_id="r1", repo="requests")
    with SessionPool(sentence_model, sessions=4, device="cpu") as pool:
        list(pool.generate([*requests(6, SECRET), Request("bad", f"{SECRET} \ud800")]))
    end()
    found = log_lines(tmp_path)
    assert {line["run_id"] for line in found} == {"r1"}
    assert {line["repo"] for line in found} == {"requests"}
    events = [line["event"] for line in found]
    assert events.count("model loaded") == 2  # by both workers, each on a thread of its own
    fallback = found[events.index("generation failed, going on with less")]
    assert (fallback["sessions"], fallback["error"]) == (2, "RuntimeError: out of memory")
    refused = found[events.index("request refused")]
    assert (refused["request_id"], refused["reason"]) == ("bad", "not_tokenised")
    assert "launch_codes" not in (tmp_path / LOG_FILE).read_text() + capsys.readouterr().err


def test_servers_are_seen_as_a_pool_on_this_machine_is(sentence_model, tmp_path):
    answers: list[int] = []

    def reply(body):
        answers.append(1)
        if len(answers) == 3:
            return 500, f"cannot answer {SECRET}".encode()
        return 200, completion("Adds two.")

    end = begin_logs(tmp_path, run_id="r1")
    with (
        standing_in(reply) as server,
        remote_pool(sentence_model, server, sessions=2) as remote,
    ):
        results = list(remote.generate(requests(10, SECRET)))
        reading = remote.metrics.reading()
    end()
    assert len(results) == reading.requests == 10
    assert (reading.retries, remote.stats().retries) == (1, 1)
    assert reading.output_tokens > 0
    assert (reading.sessions, reading.sessions_busy, reading.queue) == (2, 0, 0)
    assert 1 <= reading.peak_sessions <= 2
    assert reading.memory_bytes == 0
    (again,) = (line for line in log_lines(tmp_path) if "asked again" in line["event"])
    assert (again["fault"], again["status"], again["run_id"]) == ("Failed", 500, "r1")
    assert again["request_id"].startswith("key-")
    assert "launch_codes" not in (tmp_path / LOG_FILE).read_text()


def test_prometheus_reads_the_file_and_the_port_while_a_pool_works(sentence_model, tmp_path):
    port = free_port()
    recorder = Recorder(tmp_path / "metrics", port).start()
    try:
        with SessionPool(sentence_model, sessions=2, device="cpu") as pool:
            results = pool.generate(requests(20))
            next(results)
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                scraped = samples(answer.read().decode())
            list(results)
    finally:
        recorder.stop()
    assert scraped["dobby_requests_total"] >= 1
    assert scraped["dobby_sessions"] == 2
    assert scraped["dobby_decode_step_seconds_bucket{le=+Inf}"] >= 12
    written = samples((tmp_path / "metrics" / METRICS_FILE).read_text())
    assert written["dobby_requests_total"] == 20
    assert written["dobby_sessions_busy"] == 0
    assert [file.name for file in (tmp_path / "metrics").iterdir()] == [METRICS_FILE]


def test_two_pools_stand_side_by_side_in_one_text(tmp_path):
    pools = [PoolMetrics("one"), PoolMetrics("two")]
    pools[0].requests.inc(3)
    pools[1].requests.inc(4)
    pools[1].refused("empty_prompt")
    write_text(tmp_path, lambda: pools)
    text = (tmp_path / METRICS_FILE).read_text()
    assert text.count("# TYPE dobby_requests_total counter") == 1
    found = {
        sample.labels["model"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "dobby_requests_total"
    }
    assert found == {"one": 3, "two": 4}
    assert total(pools).requests == 7
    assert total(pools).refused == 1


def test_a_port_that_is_taken_costs_one_warning_and_not_the_run(tmp_path, caplog):
    port = free_port()
    first = Recorder(port=port).start()
    second = Recorder(port=port).start()
    second.stop()
    first.stop()
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert f"port={port}" in warnings[0]
    assert "DOBBY_METRICS_PORT" in warnings[0]


def test_a_folder_that_cannot_be_written_costs_the_file_alone(tmp_path):
    taken = tmp_path / "metrics"
    taken.write_text("a file")
    Recorder(taken).start().stop()
    assert taken.read_text() == "a file"


def test_a_recorder_sees_the_pools_of_its_own_run_only_and_ends_with_its_last_figures(
    sentence_model,
):
    with SessionPool(sentence_model, sessions=2, device="cpu") as pool:
        list(pool.generate(requests(3)))
    assert pulse() == ""
    recorder = Recorder().start()
    assert (pulse(), recorder.lines()) == ("", {})
    with SessionPool(sentence_model, sessions=2, device="cpu") as other:
        results = other.generate(requests(400))
        next(results)
        assert pulse().startswith("2 of 2 sessions, ")
        assert pulse().endswith(" tokens/s")
        list(results)
        lines = recorder.lines()
    del other
    assert recorder.reading().requests == 400
    recorder.stop()
    assert recorder.series.samples[-1].requests == 400
    assert list(lines) == [
        "tokens written a second",
        "records a minute",
        "sessions busy",
        "device memory (MB)",
    ]
    assert [t for t in threading.enumerate() if t.name == "dobby-recorder"] == []
    assert pool.metrics in live()
