"""The memory rule in the running pool."""

from dobby_pipeline.inference import worker
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Request
from dobby_pipeline.inference.sessions import Sessions


def test_sessions_times_longest_stays_under_the_budget(random_model, monkeypatch):
    monkeypatch.setattr(worker, "CPU_SESSION_TOKENS", 256)  # 8 sessions x 256 tokens
    seen: list[tuple[int, int]] = []
    step = Sessions.step

    def noting(self, **how):
        seen.append((len(self.active), max(job.length for job in self.active)))
        return step(self, **how)

    monkeypatch.setattr(Sessions, "step", noting)
    requests = [Request(str(i), "x" * (20 if i % 3 else 700), max_tokens=4) for i in range(30)]
    with SessionPool(random_model, sessions=8, device="cpu") as pool:
        assert len(list(pool.generate(requests))) == 30

    assert max(count for count, _ in seen) == 8
    assert max(length for _, length in seen) == 768
    assert all(count == 1 or count * length <= 8 * 256 for count, length in seen)


def test_nothing_is_kept_of_finished_sessions(random_model):
    with SessionPool(random_model, sessions=4, device="cpu") as pool:
        requests = (Request(str(i), "x" * 100, max_tokens=4) for i in range(200))
        peaks = [pool.stats().peak_memory_bytes for _ in pool.generate(requests)]

    assert peaks[-1] == peaks[100]
