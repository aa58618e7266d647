"""Labelled summaries: authors' sentences as good ones, and scripted damage of them as bad ones.

Run: `.venv/bin/python benchmarks/gate_set/summaries.py`; reads functions.jsonl, repositories.jsonl
and model_outputs.jsonl (read and labelled by a person) and writes summaries.jsonl, all beside this
file. Not here: where the functions come from (functions.py), and the gate's figures
(benchmarks/gate.py). No rule of the gate is used to make or to choose a summary.
"""

import ast
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foreign import FOREIGN

from dobby_pipeline.summaries.prompts import load_prompt

HERE = Path(__file__).parent
SEED = 20_261_122
A_KIND = {"calibration": 24, "validation": 30, "held-out": 40}
A_FEW = dict.fromkeys(A_KIND, 10)
SWAPPED = {"calibration": 60, "validation": 60, "held-out": 80}
Row = dict[str, Any]


def main() -> None:
    """Write all summaries, the good ones of a function before its bad ones."""
    functions = _read("functions.jsonl")
    part = {row["repository"]: row["part"] for row in _read("repositories.jsonl")}
    names = {row["repository"]: set(row["names"].split()) for row in _read("repositories.jsonl")}
    rows = [_row(f["id"], "good", "author", f["docstring"]) for f in functions]
    outputs = _read("model_outputs.jsonl")
    rows += [
        _row(o["function"], o["label"], o["kind"], o["summary"], o["finish_reason"])
        for o in outputs
    ]
    for name in A_KIND:
        chosen = [f for f in functions if part[_repository(f)] == name]
        for kind, (damage, count) in KINDS.items():
            rng = random.Random(f"{SEED} {name} {kind}")
            order = rng.sample(chosen, len(chosen))
            damaged = [
                row
                for function in order
                if (row := damage(function, rng, chosen, names[_repository(function)], name))
            ]
            rows += [{**row, "label": "bad", "kind": kind} for row in damaged[: count[name]]]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (HERE / "summaries.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(rows)} summaries, {sum(r['label'] == 'good' for r in rows)} good", file=sys.stderr)


def _read(name: str) -> list[Row]:
    return [json.loads(line) for line in (HERE / name).read_text("utf-8").splitlines()]


def _row(function: str, label: str, kind: str, summary: str, finish_reason: str = "stop") -> Row:
    return {
        "function": function,
        "label": label,
        "kind": kind,
        "finish_reason": finish_reason,
        "summary": summary,
    }


def _bad(function: Row, summary: str, finish_reason: str = "stop") -> Row:
    return _row(function["id"], "bad", "", summary, finish_reason)


def _repository(function: Row) -> str:
    return function["id"].partition(":")[0]


# Each takes the function, the random generator, the functions of its part, its repository's names
# and the part's name, and gives a bad summary, or None where the function does not lend itself.


def empty(function: Row, rng: random.Random, *_: Any) -> Row:
    """Nothing, or white space."""
    return _bad(function, rng.choice(["", " ", "\n", " \n\t\n"]))


def cut(function: Row, rng: random.Random, *_: Any) -> Row | None:
    """The sentence up to a word in its middle, as at the token limit."""
    words = function["docstring"].split()
    inner = [i for i in range(4, len(words)) if not re.search(r"[.!?]\W*$", words[i - 1])]
    return _bad(function, " ".join(words[: rng.choice(inner)]), "length") if inner else None


def repeated(function: Row, rng: random.Random, *_: Any) -> Row:
    """The sentence twice, the sentence over and over, or its last words in a loop."""
    text = function["docstring"]
    words = text.rstrip(".!?").split()
    loop = " ".join([*words, *words[-4:] * rng.randint(3, 8)]) + "."
    return _bad(function, rng.choice([f"{text} {text}", " ".join([text] * 4), loop]))


def parroted(function: Row, rng: random.Random, *_: Any) -> Row:
    """A sentence of the prompt, alone or behind the summary."""
    prompt = load_prompt("symbol", folder=HERE.parent / "plain_prompt")
    said = prompt.fill(language=function["language"], kind="function", code="")
    lines = [*prompt.system.splitlines(), *said.splitlines()]
    sentence = rng.choice([line for line in lines if len(line.split()) > 9 and "```" not in line])
    return _bad(function, rng.choice([sentence, f"{function['docstring']} {sentence}"]))


def wrong_language(function: Row, rng: random.Random, _chosen: Any, _names: Any, part: str) -> Row:
    """A sentence in another language, with the function's name; other languages in each part."""
    return _bad(function, rng.choice(FOREIGN[part]).format(name=function["name"]))


_VERBS = ("frobnicate", "rehydrate", "quantize", "defrag", "transmogrify", "unspool", "prefetch")
_NOUNS = ("ledger", "warehouse", "payload", "telemetry", "invoice", "blockchain", "mailbox")


def invented_call(function: Row, rng: random.Random, _chosen: Any, names: set[str], _: str) -> Row:
    """A call of a function that stands nowhere in the repository."""
    name = _invented(function, rng, names)
    called = rng.choice([f"`{name}`", f"`{name}()`", f"{name}()", f"`{name}(data)`"])
    return _bad(function, f"{function['docstring']} It calls {called} to do so.")


def invented_name(function: Row, rng: random.Random, _chosen: Any, names: set[str], _: str) -> Row:
    """A variable, class or member that stands nowhere, without any mark."""
    name = _invented(function, rng, names)
    name = rng.choice([name, f"self.{name}", name[0].upper() + name[1:]])
    return _bad(function, f"{function['docstring']} The result is kept in {name} for later use.")


def _invented(function: Row, rng: random.Random, names: set[str]) -> str:
    while True:
        verb, noun = rng.choice(_VERBS), rng.choice(_NOUNS)
        name = rng.choice([f"{verb}_{noun}", f"{verb}{noun.title()}"])
        if name not in names and name not in function["code"]:
            return name


def copied(function: Row, rng: random.Random, *_: Any) -> Row | None:
    """Two to four lines of the body, as if they were a sentence."""
    lines = [line.strip() for line in function["code"].splitlines()[1:]]
    lines = [line for line in lines if len(line) > 15 and not line.startswith(("#", "//", "/*"))]
    if len(lines) < 3:
        return None
    start = rng.randrange(len(lines) - 1)
    text = " ".join(lines[start : start + rng.randint(2, 4)])
    return _bad(function, text.rstrip(";,{") + ".")


def copied_behind(function: Row, rng: random.Random, *_: Any) -> Row | None:
    """The author's sentence and then three lines of code."""
    row = copied(function, rng)
    long = row and len(re.findall(r"\w+|[^\w\s]", row["summary"])) >= 16
    return _bad(function, f"{function['docstring']} {row['summary']}") if row and long else None


def placeholder(function: Row, rng: random.Random, *_: Any) -> Row:
    """Something left to be filled in."""
    text = function["docstring"]
    return _bad(
        function,
        rng.choice(
            [
                f"TODO: {text}",
                f"{text} [insert details here].",
                "This function <function_name> does what its name says.",
                f"{text} Returns <description of the result>.",
                "[Describe what this function does and what it is for].",
                f"{text} FIXME: tell more about it.",
            ]
        ),
    )


def chat(function: Row, rng: random.Random, *_: Any) -> Row:
    """What an assistant says around an answer, or tokens of a chat template."""
    text = function["docstring"]
    before = rng.choice(
        ["Sure! ", "Sure, here is a summary: ", "As an AI language model, I would say: ",
         "<|im_start|>assistant ", "Assistant: ", "Here is a short description of the code: ",
         "I'm sorry, but I need more context. "]
    )  # fmt: skip
    behind = rng.choice(["", " Let me know if you need anything else.", " <|im_end|>"])
    return _bad(function, before + text + behind)


def url(function: Row, rng: random.Random, *_: Any) -> Row:
    """An address that was made up."""
    page = f"https://docs.{rng.choice(_NOUNS)}.example/{function['name']}.html"
    return _bad(function, f"{function['docstring']} See {page} for details.")


def negated(function: Row, rng: random.Random, *_: Any) -> Row | None:
    """A flip that Python's own parser shows to be false: of what it returns, or of its errors."""
    facts = _facts(function)
    if facts is None:
        return None
    wrong: list[str] = []
    if facts["values"] and not facts["bare"]:
        wrong += ["It returns nothing.", "It does not return a value.", "It returns no value."]
    if facts["raises"]:
        wrong += ["It does not raise any errors.", "It never raises an exception."]
    return _bad(function, f"{function['docstring']} {rng.choice(wrong)}") if wrong else None


def negated_verb(function: Row, _rng: random.Random, *_: Any) -> Row | None:
    """`Returns the length.` becomes `Does not return the length.`"""
    verb, _, rest = function["docstring"].partition(" ")
    return _bad(function, f"Does not {verb.lower().removesuffix('s')} {rest}")


def wrong_count(function: Row, rng: random.Random, *_: Any) -> Row | None:
    """Another number of parameters than Python's own parser counts."""
    facts = _facts(function)
    if facts is None or facts["open"]:
        return None
    words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"]
    wrong = rng.choice([i for i in range(len(words)) if i != facts["parameters"]])
    noun = rng.choice(["parameter", "argument"]) + ("" if wrong == 1 else "s")
    return _bad(function, f"{function['docstring']} It takes {words[wrong]} {noun}.")


def wrong_parameter(
    function: Row, rng: random.Random, chosen: list[Row], _names: Any, _part: str
) -> Row | None:
    """A parameter that exists in the repository, but not here."""
    facts = _facts(function)
    if facts is None or facts["open"]:
        return None
    other = rng.choice(chosen)
    found = re.search(r"\(([^()]*)\)", other["code"])
    names = re.findall(r"\b[a-z_]{4,}\b", found[1]) if found else []
    names = [name for name in names if not re.search(rf"\b{name}\b", function["code"])]
    if not names or _repository(other) != _repository(function):
        return None
    return _bad(
        function, f"{function['docstring']} The `{rng.choice(names)}` parameter is required."
    )


_OPPOSITES = {
    "add": "remove", "remove": "add", "create": "delete", "delete": "create", "open": "close",
    "close": "open", "encode": "decode", "decode": "encode", "get": "set", "set": "get",
    "first": "last", "maximum": "minimum", "minimum": "maximum", "true": "false", "true,": "false,",
    "before": "after", "ascending": "descending", "read": "write", "write": "read",
    "directed": "undirected", "input": "output", "output": "input", "left": "right",
}  # fmt: skip


def opposite(function: Row, _rng: random.Random, *_: Any) -> Row | None:
    """One word turned into its opposite. Nothing but knowing the code's meaning tells it."""
    words = function["docstring"].split()
    for position, word in enumerate(words):
        lower = word.lower()
        plain = lower.removesuffix("s")
        other = _OPPOSITES.get(lower) or (_OPPOSITES.get(plain, "") and _OPPOSITES[plain] + "s")
        if other:
            other = other.capitalize() if word[0].isupper() else other
            return _bad(function, " ".join([*words[:position], other, *words[position + 1 :]]))
    return None


def swapped(function: Row, rng: random.Random, chosen: list[Row], *_: Any) -> Row | None:
    """An author's sentence on another function of the same repository."""
    others = [f for f in chosen if _repository(f) == _repository(function) and f != function]
    others = [f for f in others if f["docstring"] != function["docstring"]]
    return _bad(function, rng.choice(others)["docstring"]) if len(others) > 5 else None


def swapped_far(function: Row, rng: random.Random, chosen: list[Row], *_: Any) -> Row | None:
    """An author's sentence on a function of another repository."""
    others = [f for f in chosen if _repository(f) != _repository(function)]
    return _bad(function, rng.choice(others)["docstring"])


def _facts(function: Row) -> dict[str, Any] | None:
    """Parameters, returned values and errors by Python's `ast`, not by the gate's own parser."""
    if function["language"] != "python":
        return None
    node = ast.parse(function["code"]).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    inside = list(_inside(node))
    returns = [n for n in inside if isinstance(n, ast.Return)]
    args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own = bool(args) and args[0].arg in ("self", "cls")
    valued = [r for r in returns if r.value and not _is_none(r.value)]
    return {
        "values": bool(valued),
        "bare": len(valued) < len(returns) or not isinstance(node.body[-1], ast.Return),
        "raises": any(isinstance(n, ast.Raise) for n in inside),
        "parameters": len(args) - own,
        "open": bool(node.args.vararg or node.args.kwarg),
    }


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _inside(node: ast.AST) -> Any:
    for child in ast.iter_child_nodes(node):
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
        ):
            yield child
            yield from _inside(child)


KINDS: dict[str, tuple[Callable[..., Row | None], dict[str, int]]] = {
    "empty": (empty, A_FEW),
    "cut": (cut, A_KIND),
    "repeated": (repeated, A_KIND),
    "parroted": (parroted, A_KIND),
    "wrong_language": (wrong_language, A_KIND),
    "invented_call": (invented_call, A_KIND),
    "invented_name": (invented_name, A_KIND),
    "copied": (copied, A_KIND),
    "copied_behind": (copied_behind, A_KIND),
    "placeholder": (placeholder, A_KIND),
    "chat": (chat, A_KIND),
    "url": (url, A_FEW),
    "negated": (negated, A_KIND),
    "negated_verb": (negated_verb, A_KIND),
    "wrong_count": (wrong_count, A_KIND),
    "wrong_parameter": (wrong_parameter, A_KIND),
    "opposite": (opposite, A_KIND),
    "swapped": (swapped, SWAPPED),
    "swapped_far": (swapped_far, SWAPPED),
}

if __name__ == "__main__":
    main()
