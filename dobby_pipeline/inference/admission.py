"""Which waiting jobs get a session now: by length, and by the memory that they will need.

Not here: computing them (sessions.py). Plain numbers: no mlx.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

KV_STEP = 256
"""mlx-lm's cache grows by so many tokens at a time."""


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt in tokens.

    Attributes:
        uid: of this job within its pool.
        opening: how many of the tokens all prompts like it begin with.
    """

    uid: int
    tokens: list[int]
    max_tokens: int
    opening: int = 0

    @property
    def length(self) -> int:
        """Tokens of its KV cache at the end, rounded up as the cache grows."""
        steps = -(-(len(self.tokens) + self.max_tokens) // KV_STEP)
        return steps * KV_STEP


@dataclass
class Admission:
    """The waiting jobs, and the rule that admits them.

    In one batch each session's cache is as long as the longest one's. So what counts is
    sessions x longest, and jobs of about equal length belong together: that also leaves little
    padding to compute.

    Attributes:
        sessions: at most so many at once.
        kv_tokens: sessions x longest may not be above it; one job alone always may.
        group: a running batch is refilled by so many at once, because each refill copies the
            whole cache.
    """

    sessions: int
    kv_tokens: int
    group: int = 1
    _waiting: list[Job] = field(default_factory=list[Job], init=False)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: Job) -> None:
        """Let a job wait."""
        insort(self._waiting, job, key=lambda waiting: len(waiting.tokens))

    def clear(self) -> None:
        """Forget all waiting jobs."""
        self._waiting.clear()

    def take(self, active: Sequence[Job]) -> list[Job]:
        """The jobs to start beside the active ones, shortest first; they no longer wait.

        A long job waits while shorter ones come, but no longer than until the waiting jobs are
        all long ones, since only so many wait at once.
        """
        free = self.sessions - len(active)
        if active and free < min(self.group, len(self._waiting)):
            return []
        longest = max((job.length for job in active), default=0)
        taken = 0
        for job in self._waiting[: max(free, 0)]:
            longest = max(longest, job.length)
            count = len(active) + taken + 1
            if count > 1 and count * longest > self.kv_tokens:
                break
            taken += 1
        jobs, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return jobs
