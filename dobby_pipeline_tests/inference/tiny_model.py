"""Tiny real models in MLX format, written in well under a second: no download, no fake.

Plain functions, so that other rooms' tests can use them too.
"""

import json
import re
from itertools import pairwise
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from dobby_pipeline.inference.device import import_mlx
from dobby_pipeline.inference.models.gguf import _INNER, _OUTER
from dobby_pipeline.inference.models.manifests import load_manifest
from dobby_pipeline.inference.models.pull import pull

SENTENCE = "Computes the value that its arguments make and returns it to the caller."

CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END = 2
START_OF_ANSWER = "\n"
"""The last token of the template's generation prompt: what the sentence model starts from."""

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

CONTEXT = 4096


def write_random_model(folder: Path, seed: int = 0, layers: int = 2) -> Path:
    """Write a llama with random weights: it answers nonsense, but the same each time."""
    mx = import_mlx()
    tokenizer = _tokenizer([])
    config = _config(tokenizer, hidden=32, layers=layers)
    key = mx.random.key(seed)
    weights = {}
    for name, shape in _shapes(config).items():
        key, own = mx.random.split(key)
        # Large enough that the likeliest token is likelier than the next by a clear margin.
        weights[name] = mx.ones(shape) if len(shape) == 1 else mx.random.normal(shape, key=own)
    return _write(folder, tokenizer, config, weights)


def write_sentence_model(folder: Path, sentence: str = SENTENCE) -> Path:
    """Write a llama that answers every prompt with one sentence, word by word, and then ends.

    Attention and MLP add nothing, so the last token alone decides: the embeddings are orthogonal
    and the row of `lm_head` for a token is the embedding of the token before it.
    """
    mx = import_mlx()
    words = _units(sentence)
    tokenizer = _tokenizer(words)
    path = [tokenizer.token_to_id(_bytes(START_OF_ANSWER)), *_ids(tokenizer, words), END]
    vocabulary = tokenizer.get_vocab_size()
    config = _config(tokenizer, hidden=32 * -(-vocabulary // 32), layers=1)
    weights = {name: mx.zeros(shape) for name, shape in _shapes(config).items()}
    for name in weights:
        if name.endswith("norm.weight"):
            weights[name] = mx.ones(weights[name].shape)
    embeddings = mx.eye(vocabulary, config["hidden_size"])
    head = mx.zeros((vocabulary, config["hidden_size"]))
    for token, following in pairwise(path):
        head[following] = embeddings[token]
    weights["model.embed_tokens.weight"] = embeddings
    weights["lm_head.weight"] = head
    return _write(folder, tokenizer, config, weights)


def write_gguf(file: Path, seed: int = 0, **changes: object) -> Path:
    """Write a random llama as a GGUF file; `changes` replace metadata, None removes a key."""
    mx = import_mlx()
    tokenizer = _tokenizer(["abc"])
    config = _config(tokenizer, hidden=32, layers=1)
    names = {hub: gguf for gguf, hub in (_OUTER | _INNER).items()}
    weights = {}
    key = mx.random.key(seed)
    for name, shape in _shapes(config).items():
        layer = re.fullmatch(r"model\.layers\.(\d+)\.(.+)\.weight", name)
        module = f"blk.{layer[1]}.{names[layer[2]]}" if layer else names[name[: -len(".weight")]]
        key, own = mx.random.split(key)
        weights[f"{module}.weight"] = mx.random.normal(shape, key=own)
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    metadata = {
        "general.architecture": "llama",
        "llama.embedding_length": mx.array(config["hidden_size"], mx.uint32),
        "llama.feed_forward_length": mx.array(config["intermediate_size"], mx.uint32),
        "llama.block_count": mx.array(config["num_hidden_layers"], mx.uint32),
        "llama.attention.head_count": mx.array(config["num_attention_heads"], mx.uint32),
        "llama.attention.head_count_kv": mx.array(config["num_key_value_heads"], mx.uint32),
        "llama.attention.layer_norm_rms_epsilon": mx.array(1e-5),
        "llama.rope.freq_base": mx.array(10000.0),
        "llama.context_length": mx.array(CONTEXT, mx.uint32),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": [token for token, _ in by_id],
        "tokenizer.ggml.merges": ["a b", "ab c"],
        "tokenizer.ggml.token_type": mx.array([3] * 3 + [1] * (len(by_id) - 3), mx.int32),
        "tokenizer.ggml.bos_token_id": mx.array(1, mx.uint32),
        "tokenizer.ggml.eos_token_id": mx.array(END, mx.uint32),
        "tokenizer.chat_template": TEMPLATE,
    }
    metadata |= changes
    given = {key: value for key, value in metadata.items() if value is not None}
    mx.save_gguf(str(file), weights, given)
    return file


def write_manifest(models_dir: Path, name: str, folder: Path, prompt_budget: int = 2048) -> Path:
    """Write a manifest that names a model folder on this machine; the model is not pulled yet."""
    models_dir.mkdir(parents=True, exist_ok=True)
    file = models_dir / f"{name}.toml"
    file.write_text(
        f'licence = "MIT"\narchitecture = "llama"\nparameters = 1000\ncontext = {CONTEXT}\n'
        f"prompt_budget = {prompt_budget}\n"
        f'[source]\nkind = "path"\npath = {json.dumps(str(folder))}\n'
    )
    return file


def install_sentence_model(models_dir: Path, name: str = "tiny", sentence: str = SENTENCE) -> str:
    """Write the sentence model and its manifest, and pull it. DOBBY_MODELS must be `models_dir`."""
    write_manifest(models_dir, name, write_sentence_model(models_dir / f"{name}-source", sentence))
    pull(load_manifest(name))
    return name


def install_random_model(models_dir: Path, name: str = "tiny-random", **manifest: int) -> str:
    """Write a random model and its manifest, and pull it. DOBBY_MODELS must be `models_dir`."""
    folder = write_random_model(models_dir / f"{name}-source")
    write_manifest(models_dir, name, folder, **manifest)
    pull(load_manifest(name))
    return name


def _units(sentence: str) -> list[str]:
    """The sentence in pieces that are all different: a word met before takes the next one along."""
    units: list[str] = []
    unit = ""
    for word in re.findall(r"\s*\S+", sentence):
        unit += word
        if unit not in units:
            units.append(unit)
            unit = ""
    assert not unit, f"{sentence!r} ends in words that it has before"
    return units


def _bytes(text: str) -> str:
    """Text in the alphabet that byte-level tokenizers spell bytes with."""
    (piece, _), *_ = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    ).pre_tokenize_str(text)
    return piece


def _tokenizer(words: list[str]) -> Tokenizer:
    """Every byte is a token, and every word is one, made by merging its bytes left to right."""
    vocabulary = {token: i for i, token in enumerate(CONTROLS)}
    for byte in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[byte] = len(vocabulary)
    merges: dict[tuple[str, str], None] = {}
    for word in map(_bytes, words):
        for i in range(1, len(word)):
            merges[word[:i], word[i]] = None
            vocabulary.setdefault(word[: i + 1], len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROLS])
    return tokenizer


def _ids(tokenizer: Tokenizer, words: list[str]) -> list[int]:
    return [tokenizer.token_to_id(_bytes(word)) for word in words]


def _config(tokenizer: Tokenizer, hidden: int, layers: int) -> dict:
    return {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "eos_token_id": END,
        "torch_dtype": "float32",
    }


def _shapes(config: dict) -> dict[str, tuple[int, ...]]:
    hidden, inner, vocabulary = (
        config[key] for key in ("hidden_size", "intermediate_size", "vocab_size")
    )
    q, kv = (config[f"num_{k}_heads"] * config["head_dim"] for k in ("attention", "key_value"))
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, hidden),
        "model.norm.weight": (hidden,),
        "lm_head.weight": (vocabulary, hidden),
    }
    for layer in range(config["num_hidden_layers"]):
        of_layer = {
            "input_layernorm": (hidden,),
            "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (q, hidden),
            "self_attn.k_proj": (kv, hidden),
            "self_attn.v_proj": (kv, hidden),
            "self_attn.o_proj": (hidden, q),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        shapes |= {f"model.layers.{layer}.{k}.weight": shape for k, shape in of_layer.items()}
    return shapes


def _write(folder: Path, tokenizer: Tokenizer, config: dict, weights: dict) -> Path:
    mx = import_mlx()
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": CONTROLS[END],
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(config))
    return folder
