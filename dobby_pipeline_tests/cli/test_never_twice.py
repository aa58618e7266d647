"""What an edit, a fork and another model cost: requests that a real pool got, counted."""

from collections.abc import Iterable, Iterator

import pytest

from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import pull
from dobby_pipeline.inference.pool import SessionPool
from dobby_pipeline.inference.requests import Request
from dobby_pipeline_tests.conftest import commit_files, git
from dobby_pipeline_tests.inference.tiny_model import write_manifest, write_sentence_model

OTHER = "Makes a new value of its arguments and returns it to the caller."


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """What the pools of this process were asked, prompt by prompt."""
    prompts: list[str] = []
    generate = SessionPool.generate

    def counted(self, requests: Iterable[Request], *args, **named):
        def each() -> Iterator[Request]:
            for request in requests:
                prompts.append(request.prompt)
                yield request

        return generate(self, each(), *args, **named)

    monkeypatch.setattr(SessionPool, "generate", counted)
    return prompts


@pytest.fixture
def another_model(models_dir) -> str:
    """A model beside `sentence` that says something else, which the gate lets pass."""
    source = models_dir / "sources" / "another"
    if not source.exists():
        write_manifest(models_dir, "another", write_sentence_model(source, OTHER))
        pull(load_manifest("another"))
    return "another"


def functions(count: int, changed: Iterable[int] = ()) -> dict[str, str]:
    """Files of 20 functions each, no two alike."""
    number = {n: f"{n} + 1" if n in set(changed) else str(n) for n in range(count)}
    texts = [f"def f{n}(x):\n    return x + {value}\n" for n, value in number.items()]
    return {
        f"pkg/m{first // 20}.py": "\n\n".join(texts[first : first + 20])
        for first in range(0, count, 20)
    }


def test_an_edit_in_one_of_200_functions_is_one_request(workplace, git_repo, asked):
    folder = git_repo(functions(200))
    assert workplace.dobby("summarize", folder).status == 0
    assert len(asked) > 200
    asked.clear()
    commit_files(folder, functions(200, changed=[123]))
    assert workplace.dobby("summarize", folder).status == 0
    # Its summary says what the one before said, so nothing above it is asked for.
    (prompt,) = asked
    assert "123 + 1" in prompt


def test_a_fork_that_shares_95_of_100_functions_is_five_requests(workplace, git_repo, asked):
    folder = git_repo(functions(100))
    assert workplace.dobby("summarize", folder).status == 0
    asked.clear()
    fork = folder.with_name("fork")
    git(folder.parent, "clone", "--quiet", folder, fork)
    commit_files(fork, functions(100, changed=range(0, 100, 20)))
    assert workplace.dobby("summarize", fork).status == 0
    assert len(asked) == 5
    status = workplace.dobby("status", "fork", "--json").rows[0]
    assert status["symbol"] == {"published": 100, "quarantined": 0, "missing": 0}


def test_switching_the_model_back_is_no_request(
    workplace, git_repo, asked, another_model, monkeypatch
):
    folder = git_repo(functions(20))
    workplace.dobby("summarize", folder)
    before = workplace.dobby("summaries", "example", "--json").out
    monkeypatch.setenv("DOBBY_MODEL", another_model)
    asked.clear()
    workplace.dobby("summarize", folder)
    assert len(asked) >= 20
    assert OTHER in workplace.dobby("summaries", "example", "--json").out
    monkeypatch.setenv("DOBBY_MODEL", "sentence")
    asked.clear()
    workplace.dobby("summarize", folder)
    assert asked == []
    assert workplace.dobby("summaries", "example", "--json").out == before
