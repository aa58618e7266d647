"""Faults in the real pool: it goes on with less, then says clearly that it cannot."""

import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from dobby_pipeline.inference.models.manifests import Manifest
from dobby_pipeline.inference.pool import PoolError, SessionPool
from dobby_pipeline.inference.requests import Completion, Refusal, Request
from dobby_pipeline.inference.sessions import Sessions
from dobby_pipeline_tests.inference.tiny_model import SENTENCE

Fault = Callable[[Sessions], None]


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Fault, int], None]:
    """Have a fault happen in step number `at` of the process and, `times` in all, thereafter."""
    step = Sessions.step
    count = 0

    def choose(at: int, fault: Fault, times: int = 1) -> None:
        def faulty(self: Sessions, **how: bool) -> object:
            nonlocal count
            count += 1
            if at <= count < at + times:
                fault(self)
            return step(self, **how)

        monkeypatch.setattr(Sessions, "step", faulty)

    return choose


def out_of_memory(_: Sessions) -> None:
    raise RuntimeError("[malloc] Unable to allocate 123 bytes.\nmore")


def requests(count: int) -> Iterator[Request]:
    return (Request(str(number), f"Say it {number}.") for number in range(count))


def answered(pool: SessionPool, count: int) -> dict[str, str]:
    results = list(pool.generate(requests(count)))
    assert all(isinstance(result, Completion) for result in results)
    assert len(results) == count
    return {result.request_id: result.text for result in results if isinstance(result, Completion)}


def test_running_out_of_memory_goes_on_with_half_of_the_sessions(
    sentence_model: Manifest, inject, caplog: pytest.LogCaptureFixture
) -> None:
    inject(9, out_of_memory)
    with caplog.at_level(logging.WARNING), SessionPool(sentence_model, sessions=4) as pool:
        texts = answered(pool, 12)
        stats = pool.stats()
    assert texts == {str(number): SENTENCE for number in range(12)}
    assert (stats.requests, stats.fallbacks, stats.peak_sessions) == (12, 1, 4)
    [told] = [r.getMessage() for r in caplog.records if "going on with" in r.getMessage()]
    assert told.startswith(
        "generation failed, going on with less: model=tiny device=cpu "
        'error="RuntimeError: [malloc] Unable to allocate 123 bytes." sessions=2 next_device=cpu'
    )


def test_a_fault_that_stays_is_an_error_and_what_was_yielded_is_whole(
    sentence_model: Manifest, inject
) -> None:
    inject(30, out_of_memory, 1000)
    with SessionPool(sentence_model, sessions=2) as pool:
        found: list[str] = []
        with pytest.raises(PoolError, match=r"Unable to allocate 123 bytes\.\): what was"):
            found.extend(result.text for result in pool.generate(requests(12)))  # type: ignore[union-attr]
        assert found
        assert set(found) == {SENTENCE}
        with pytest.raises(PoolError):
            list(pool.generate(requests(1)))


def test_a_step_that_hangs_is_noticed_and_its_jobs_are_done_by_another(
    sentence_model: Manifest, inject
) -> None:
    woken = threading.Event()

    def hang(_: Sessions) -> None:
        woken.wait(60)

    inject(9, hang)
    try:
        with SessionPool(sentence_model, sessions=4, stall_s=1.0) as pool:
            assert len(answered(pool, 12)) == 12
            assert pool.stats().fallbacks == 1
    finally:
        woken.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_jobs_of_a_thread_that_ends_in_the_middle_are_done_by_another(
    sentence_model: Manifest, inject
) -> None:
    def leave(_: Sessions) -> None:
        raise SystemExit

    inject(9, leave)
    with SessionPool(sentence_model, sessions=4) as pool:
        assert len(answered(pool, 12)) == 12
        assert pool.stats().fallbacks == 1


def test_a_prompt_that_the_tokenizer_refuses_fails_alone(sentence_model: Manifest) -> None:
    bad = Request("bad", "a lone surrogate \ud800")
    with SessionPool(sentence_model, sessions=2) as pool:
        results = list(pool.generate([bad, *requests(3)]))
    refused = [result for result in results if isinstance(result, Refusal)]
    assert [(r.request_id, r.reason) for r in refused] == [("bad", "not_tokenised")]
    assert len(results) == 4
