"""Who gets a session, by length and memory."""

from hypothesis import given
from hypothesis import strategies as st

from dobby_pipeline.inference.admission import KV_STEP, Admission, Job


def _admission(lengths, **limits) -> Admission:
    admission = Admission(**{"sessions": 20, "kv_tokens": 20 * 512, **limits})
    for uid, length in enumerate(lengths):
        admission.add(Job(uid, [0] * length, 10))
    return admission


def _lengths(jobs) -> list[int]:
    return [len(job.tokens) for job in jobs]


def test_jobs_of_about_equal_length_start_together():
    admission = _admission([500, 20, 490, 30, 25, 480], sessions=3)

    assert _lengths(admission.take([])) == [20, 25, 30]
    assert _lengths(admission.take([])) == [480, 490, 500]
    assert len(admission) == 0


def test_long_prompts_get_fewer_sessions():
    admission = _admission([1500] * 20)

    assert len(admission.take([])) == 20 * 512 // 1536


def test_a_long_prompt_does_not_join_short_ones_that_would_all_become_as_long():
    admission = _admission([100] * 10 + [2000])
    short = admission.take([])

    assert len(short) == 10
    assert admission.take(short) == []
    assert _lengths(admission.take([])) == [2000]


def test_one_job_alone_always_starts():
    admission = _admission([4000], kv_tokens=512)

    assert _lengths(admission.take([])) == [4000]


def test_a_running_batch_is_refilled_by_a_group():
    admission = _admission([100] * 30, group=4)
    active = admission.take([])
    assert len(active) == 20

    assert admission.take(active[3:]) == []
    assert len(admission.take(active[4:])) == 4
    assert len(admission.take([])) == 6  # nothing runs, so nothing is gained by waiting


def test_the_last_ones_do_not_wait_for_a_group():
    admission = _admission([100] * 2, group=4)

    assert len(admission.take([Job(9, [0], 1)])) == 2


@given(
    st.lists(st.integers(1, 2048), max_size=60),
    st.integers(1, 20),
    st.integers(512, 20 * 512),
    st.integers(1, 5),
)
def test_every_job_starts_once_and_the_memory_is_never_exceeded(
    lengths, sessions, kv_tokens, group
):
    admission = _admission(lengths, sessions=sessions, kv_tokens=kv_tokens, group=group)
    active: list[Job] = []
    started: list[int] = []
    while len(admission) or active:
        jobs = admission.take(active)
        active += jobs
        started += [job.uid for job in jobs]
        assert active, "nothing runs and nothing starts"
        assert len(active) <= sessions
        longest = max(job.length for job in active)
        assert longest % KV_STEP == 0
        assert len(active) == 1 or len(active) * longest <= kv_tokens
        active.pop(0)

    assert sorted(started) == list(range(len(lengths)))
