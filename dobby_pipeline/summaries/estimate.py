"""What a run would cost before it is started: calls, tokens, and time by this machine's history.

Not here: how it is shown (cli/estimate.py). Prompts about symbols are filled and counted, so their
tokens are exact; what is asked about answers that are not there yet can only be expected.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import children_of_files
from dobby_pipeline.summaries.large import LargeSymbol
from dobby_pipeline.summaries.limit import taken
from dobby_pipeline.summaries.plan import SymbolPlan
from dobby_pipeline.summaries.prompts import Prompt
from dobby_pipeline.summaries.recipe import present_keys
from dobby_pipeline.summaries.rollups import MAX_CHILDREN
from dobby_pipeline.summaries.symbol_questions import read_code, whole_text

HISTORY = 2_000
"""Answers that the expectation is drawn from, the latest of the model."""

PAUSE_S = 30.0
"""A gap between two answers that is longer belongs to no run."""

USUAL_TOKENS = 35
"""Of an answer, where there is no history: the mean of SmolLM2 and Qwen2.5-Coder on functions."""

CHARACTERS_A_TOKEN = 4
"""Of English, in the authors' words that a roll-up shows."""

_HISTORY = """
?[created_at, prompt_tokens, output_tokens, prompt_version] :=
    *summary_bodies{
        summary_key, model, created_at, prompt_tokens, output_tokens, prompt_version
    },
    model = $model, output_tokens > 0
:order -created_at
:limit $most
"""

_PATHS = "?[path] := *source_records{repo: $repo, path}"

CountTokens = Callable[[str, Prompt], int]
"""Of a user message within the chat frame of its prompt."""


@dataclass(frozen=True)
class History:
    """What the latest answers of a model took on this machine.

    Attributes:
        answers: how many there were.
        output_tokens: mean of an answer.
        second_attempts: share of answers that needed one.
        seconds_a_token: prompt and output tokens together; None where too little is known.
    """

    answers: int
    output_tokens: float
    second_attempts: float
    seconds_a_token: float | None


@dataclass
class Cost:
    """What one level would take.

    Attributes:
        calls: first attempts.
        second_attempts: that are expected.
        prompt_tokens: of the calls.
        exact: of the prompt tokens, those that were counted.
        output_tokens: expected, of calls and second attempts.
    """

    level: str
    calls: int = 0
    second_attempts: int = 0
    prompt_tokens: int = 0
    exact: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run would cost.

    Attributes:
        seconds: expected; None where this machine has no history of the model.
    """

    costs: Sequence[Cost]
    history: History
    seconds: float | None


def read_history(store: CozoStore, model: str) -> History:
    """The history of a model in this database.

    Raises:
        StoreError: when the database cannot be read.
    """
    rows = store.run("read history", _HISTORY, {"model": model, "most": HISTORY})
    if not rows:
        return History(0, USUAL_TOKENS, 0.0, None)
    count = len(rows)
    repaired = sum("+repair-" in row["prompt_version"] for row in rows)
    busy, tokens = 0.0, 0
    for later, earlier in pairwise(rows):
        gap = (_time(later) - _time(earlier)).total_seconds()
        if gap <= PAUSE_S:
            busy += gap
            tokens += later["prompt_tokens"] + later["output_tokens"]
    mean = sum(row["output_tokens"] for row in rows) / (count + repaired)
    return History(count, mean, repaired / count, busy / tokens if busy and tokens else None)


def estimate(
    plan: SymbolPlan, count: CountTokens, *, limit: int | None, levels: Sequence[str]
) -> Estimate:
    """What is missing in a repository whose records were read.

    Args:
        limit: as of the run.
        levels: of `symbol`, `file` and `repo`, those that the run makes.

    Raises:
        StoreError: when the database cannot be read.
    """
    model = next(iter(plan.writers.by_model))
    history = read_history(plan.store, model)
    symbol, changed = _of_symbols(plan, count, limit, history)
    costs = [symbol]
    if "file" in levels:
        costs.append(_of_files(plan, count, changed, history))
    if "repo" in levels:
        costs.append(_of_repo(plan, count, costs[-1].calls, history))
    for cost in costs:
        cost.second_attempts = round(cost.calls * history.second_attempts)
        cost.output_tokens = round((cost.calls + cost.second_attempts) * history.output_tokens)
    tokens = sum(_all_tokens(cost) for cost in costs)
    rate = history.seconds_a_token
    return Estimate(costs, history, tokens * rate if rate is not None else None)


def _of_symbols(
    plan: SymbolPlan, count: CountTokens, limit: int | None, history: History
) -> tuple[Cost, set[str]]:
    """The cost, and the paths of the files whose symbols are missing summaries."""
    cost, seen, changed = Cost("symbol"), set[str](), set[str]()
    within = taken(plan.store, plan.repo, limit) if limit else None
    for page in plan.pages():
        keys = [wanted.summary_key for wanted in page]
        present = present_keys(plan.store, keys, plan.prompts.repair.version)
        missing = [
            wanted
            for wanted in page
            if wanted.summary_key not in present and (within is None or wanted.position in within)
        ]
        changed.update(wanted.reference["path"] for wanted in missing)
        new = [wanted for wanted in missing if wanted.summary_key not in seen]
        new = list({wanted.summary_key: wanted for wanted in new}.values())
        seen.update(wanted.summary_key for wanted in new)
        for record in read_code(plan.store, plan.repo, [w.reference for w in new]).values():
            _add(cost, plan, count, record, history)
    return cost, changed


def _add(cost: Cost, plan: SymbolPlan, count: CountTokens, record: Row, history: History) -> None:
    if not record["parts"]:
        prompt = plan.prompts.of_kind(record["kind"])
        tokens = count(whole_text(plan.prompts, record, ()), prompt)
        cost.calls += 1
    else:
        tokens = 0
        large = LargeSymbol("", record, [], ())
        recipe = next(iter(plan.writers.by_model.values())).recipe
        for step in large.about_parts(recipe, plan.prompts, record["code"]):
            tokens += count(step.text, step.prompt)
        parts = len(record["parts"])
        cost.calls += parts + 1
        cost.prompt_tokens += _roll_up_tokens(plan.prompts.parts, count, parts, history)
    cost.prompt_tokens += tokens
    cost.exact += tokens


def _of_files(plan: SymbolPlan, count: CountTokens, changed: set[str], history: History) -> Cost:
    cost = Cost("file")
    for page in children_of_files(plan.store, plan.repo):
        for file in page:
            if file.path in changed:
                children = len(file.children) + file.missing
                _add_roll_up(cost, plan.prompts.file, count, children, history, file.about)
    return cost


def _of_repo(plan: SymbolPlan, count: CountTokens, files: int, history: History) -> Cost:
    """At most a directory for each file that changes, and the repository."""
    cost = Cost("repo")
    if files:
        paths = plan.store.run("list paths", _PATHS, {"repo": plan.repo})
        folders = {
            "/".join(parts[:depth])
            for row in paths
            for parts in [row["path"].split("/")]
            for depth in range(1, len(parts))
        }
        _add_roll_up(cost, plan.prompts.repo, count, min(MAX_CHILDREN, len(paths)), history)
        for _ in range(min(len(folders), files)):
            _add_roll_up(cost, plan.prompts.directory, count, 4, history)
    return cost


def _add_roll_up(
    cost: Cost,
    prompt: Prompt,
    count: CountTokens,
    children: int,
    history: History,
    about: str = "",
) -> None:
    while True:
        groups = -(-children // MAX_CHILDREN) or 1
        shown = min(children, MAX_CHILDREN)
        cost.calls += groups
        cost.prompt_tokens += groups * _roll_up_tokens(prompt, count, shown, history)
        if groups == 1:
            cost.prompt_tokens += round(len(about) / CHARACTERS_A_TOKEN)
            return
        children = groups


def _roll_up_tokens(prompt: Prompt, count: CountTokens, children: int, history: History) -> int:
    """The prompt without its children, and a name and an answer for each of these."""
    return count(prompt.bare, prompt) + round(children * (history.output_tokens + 8))


def _all_tokens(cost: Cost) -> int:
    again = cost.second_attempts / cost.calls if cost.calls else 0
    return round(cost.prompt_tokens * (1 + again)) + cost.output_tokens


def _time(row: Row) -> datetime:
    return datetime.fromisoformat(row["created_at"])
