"""Whether the session pool grows: the process's memory after 500 and after 5,000 records.

Run: `.venv/bin/python benchmarks/memory_growth.py`. The weights are random and few, so that what
is measured is the pool: queues, caches, tokenizer, metrics. Prompts have 10 to 300 words of code,
and one in fifty is too long and refused.
"""

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine import write_random_weights
from measure import ROOT, at_most, in_child, told

RECORDS, FIRST = 5_000, 500
NEW_TOKENS = 8
SESSIONS = 20
ALLOWED = 1.05
"""Of the memory after FIRST records: what an allocator may still settle in."""

TINY = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 49152, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "max_position_embeddings": 8192, "tie_word_embeddings": True,
}  # fmt: skip


def resident() -> float:
    """Megabytes of this process in memory now."""
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1e3


def requests() -> Iterator[Any]:
    """Made-up prompts, one after another: none is kept."""
    from dobby_pipeline.inference.requests import Request
    from dobby_pipeline.summaries.prompts import load_prompts, symbol_text

    chance = random.Random(1)
    words = ("def", "return", "self", "value", "for", "in", "range", "node", "graph", "edge")
    prompt = load_prompts().symbol
    for number in range(RECORDS):
        count = 5_000 if number % 50 == 0 else int(chance.triangular(10, 300, 60))
        code = f"{number} " + " ".join(chance.choices(words, k=count))
        text = symbol_text(prompt, language="python", kind="function", code=code)
        yield Request(str(number), text, prompt.system, NEW_TOKENS, prompt.examples)


def grown() -> tuple[float, float, int]:
    """Megabytes after FIRST and after all records, and how many were refused."""
    from dobby_pipeline.inference.models.manifests import MODELS_ENV, load_manifest
    from dobby_pipeline.inference.pool import SessionPool

    after_first = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        write_random_weights(Path(scratch), TINY, ROOT / "models" / "smollm2-135m")
        os.environ[MODELS_ENV] = scratch
        with SessionPool(load_manifest("random"), sessions=SESSIONS) as pool:
            for number, _ in enumerate(pool.generate(requests()), start=1):
                if number == FIRST:
                    after_first = resident()
            return after_first, resident(), pool.stats().refused


def main() -> None:
    """All in a process of its own."""
    (first, last, refused), _ = in_child(grown)
    name = f"{RECORDS} records, {refused} of them refused, {SESSIONS} sessions"
    metric = "memory of the process"
    told(at_most(name, metric, last, "MB", f"after {FIRST} records", first, ALLOWED))


if __name__ == "__main__":
    main()
