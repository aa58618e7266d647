"""What the sensor `new_commits` remembers between two ticks, and what it makes of a version.

Not here: finding the versions (open_source.latest_version), and Dagster.

Most repositories need no memory: their newest commit is the one that was read last. Only those
that are between the two states, or cannot be reached, stand in the cursor, so that it stays small
however many repositories there are: Dagster stores it with every tick.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field

from dobby_pipeline.sources.registry import Repo

FIRST_WAIT_S = 120
"""After the first failure: the next tick but one. Each further failure doubles it."""

LONGEST_WAIT_S = 3600


@dataclass
class Pending:
    """A version that a run was requested for and that is not read yet.

    Attributes:
        version: that was seen last.
        since: when the repository was last read, or registered.
        turn: how many other versions were seen since then.
    """

    version: str
    since: str
    turn: int = 0


@dataclass
class Unreachable:
    """A repository that could not be looked at.

    Attributes:
        failures: one after another.
        until: unix time before which it is not looked at again.
    """

    failures: int
    until: float


@dataclass
class CommitCursor:
    """The sensor's memory.

    Attributes:
        after: by lane, the name that was looked at last when the budget was spent: the next
            tick begins behind it. Without one it begins at the first.
    """

    after: dict[str, str] = field(default_factory=dict[str, str])
    pending: dict[str, Pending] = field(default_factory=dict[str, Pending])
    unreachable: dict[str, Unreachable] = field(default_factory=dict[str, Unreachable])

    @classmethod
    def from_json(cls, text: str | None) -> "CommitCursor":
        """The cursor as it was stored; an empty one for what no version of ours wrote."""
        try:
            stored = json.loads(text or "{}")
            return cls(
                dict(stored.get("after", {})),
                {name: Pending(**row) for name, row in stored.get("pending", {}).items()},
                {name: Unreachable(**row) for name, row in stored.get("unreachable", {}).items()},
            )
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> str:
        """The cursor as text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    def forget_all_but(self, names: Collection[str]) -> None:
        """Drop what is remembered of repositories that are no longer registered."""
        self.pending = {k: v for k, v in self.pending.items() if k in names}
        self.unreachable = {k: v for k, v in self.unreachable.items() if k in names}

    def due(self, lane: str, names: Sequence[str], now: float) -> list[str]:
        """Those of a lane that are to be looked at, in this tick's order.

        Args:
            names: all of the lane, sorted.
            now: unix time. A clock that was set back makes nobody wait longer than the longest.
        """
        after = self.after.get(lane, "")
        turned = [n for n in names if n > after] + [n for n in names if n <= after]
        return [n for n in turned if not self._waits(n, now)]

    def _waits(self, name: str, now: float) -> bool:
        state = self.unreachable.get(name)
        return state is not None and now < state.until <= now + LONGEST_WAIT_S

    def failed(self, name: str, now: float, *, waits: bool) -> None:
        """Remember that a repository could not be looked at.

        Args:
            waits: whether the look was dear, so that the next one has to wait.
        """
        before = self.unreachable.get(name)
        failures = before.failures + 1 if before else 1
        wait = min(FIRST_WAIT_S * 2 ** min(failures - 1, 10), LONGEST_WAIT_S) if waits else 0
        self.unreachable[name] = Unreachable(failures, now + wait)

    def run_key(self, repo: Repo, version: str, read: tuple[str, str] | None) -> str | None:
        """The key of the run that is to be requested; None where there is nothing new.

        Dagster starts one run for each key that it ever sees. The commit alone would swallow a
        commit that comes back, so the key also holds when the repository was last read, and
        which turn since then this is.

        Args:
            version: the newest one.
            read: the commit that was read last, and when; None before the first.
        """
        self.unreachable.pop(repo.repo, None)
        since = read[1] if read else repo.added_at
        before = self.pending.get(repo.repo)
        # A database's version is not what was read of it, so only another one is news.
        lasting = repo.kind != "git" and read is not None
        if before and before.since != since and not (lasting and before.version == version):
            before = None
        if before and before.version == version:
            return None
        up_to_date = read is not None and read[0] == version
        if up_to_date and before is None:
            self.pending.pop(repo.repo, None)
            return None
        # A repository that went to another commit and came back keeps its turn: it may go again.
        turn = before.turn + 1 if before else 0
        self.pending[repo.repo] = Pending(version, since, turn)
        if up_to_date:
            return None
        key = f"{repo.repo}@{version}~{since}"
        return f"{key}~{turn}" if turn else key
