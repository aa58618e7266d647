"""How much a word of a summary tells about whether it is about this code: counts and weights.

Run: `.venv/bin/python benchmarks/gate_set/words.py FOLDER`, where FOLDER holds git repositories,
none of them in the labelled set; writes dobby_pipeline/quality/word_evidence.tsv, lists beside this
file how many functions each repository gave, and prints the weights of relevance.py. No summary of
the labelled set is read.

Each function is paired with its author's sentence, and that sentence with another function of the
same repository and one of any repository. A word's weight at a level is the logarithm of how much
more often it is found there in the first pair than in the others (naive Bayes); a word with few
counts is drawn to the average of all words. Code that stands for a word (`del` for `remove`) is
found where the word itself is not in the code, by Dunning's G2 (1993). The weights of relevance.py
come from a logistic regression on the same pairs.
"""

import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import summaries
from functions import REPOSITORIES, TESTS, sentences, without_docstring

from dobby_pipeline.quality.claims import contradiction, no_function, reversed_conversion
from dobby_pipeline.quality.deeds import deed, inverted
from dobby_pipeline.quality.form import no_verb
from dobby_pipeline.quality.opposites import opposite
from dobby_pipeline.quality.reading import Candidate, Reading
from dobby_pipeline.quality.relevance import relevance, signs
from dobby_pipeline.quality.word_evidence import (
    LEVELS,
    OTHER,
    TABLE,
    CodeWords,
    code_words,
    level,
    words_that_tell,
)
from dobby_pipeline.sources.git_tree import open_repository, resolve_commit
from dobby_pipeline.sources.reader import GitSource

SOURCES = Path(__file__).with_name("word_sources.txt")
SEED = 20_261_129
MOST = 700  # functions of a repository, so that none of them decides
MAX_CODE = 8_000  # characters
MIN_COUNT = 25  # sentences with a word that has a row of its own
MIN_REPOSITORIES = 4  # that bear a relation out
MIN_LIFT = 1.7
MIN_G2 = 10.0
MOST_RELATED = 12
PRIOR = 20.0  # counts that the average of all words weighs


@dataclass(frozen=True)
class Documented:
    """A function and its author's sentence."""

    repository: str
    language: str
    symbol: str
    code: str
    sentence: str


Pair = tuple[Documented, Documented, bool]
"""Whose sentence, whose code, and whether they are the same function."""


def main(folder: Path) -> None:
    """Write the table, then fit the weights with it."""
    labelled = {repository.name for repository in REPOSITORIES}
    functions: list[Documented] = []
    for path in sorted(folder.iterdir()):
        if path.name not in labelled:
            found = list(documented(path))
            functions += found
            print(f"{path.name}: {len(found)}", file=sys.stderr)
    taken = Counter(function.repository for function in functions)
    lines = [f"{name} {count}" for name, count in sorted(taken.items())]
    SOURCES.write_text("\n".join(lines) + "\n", "utf-8")
    made = pairs(functions)
    words = {f"{f.repository}:{f.symbol}:{f.code}": code_words(f.code, f.symbol) for f in functions}
    write_table(made, words)
    signed = [(signs(said.sentence, _of(words, code)), own) for said, code, own in made]
    print(fit([(*sign, own) for sign, own in signed if sign]))
    print(refused(functions))


def documented(path: Path) -> Iterator[Documented]:
    """At most MOST functions of a repository, its files in an order drawn by lot."""
    repository = open_repository(path)
    source = GitSource(repository, resolve_commit(repository, "HEAD"))
    files = [file for file in source.files() if not file.reason and not TESTS.search(file.path)]
    random.Random(f"{SEED} {path.name}").shuffle(files)
    count, seen = 0, set[str]()
    for file in files:
        for record in source.read(file).records:
            if record.kind not in ("function", "method") or len(record.code) > MAX_CODE:
                continue
            is_python = record.language == "python"
            code = without_docstring(record.code) if is_python else record.code
            sentence = sentences(record.docstring)
            if code is None or sentence is None or not 4 <= len(sentence.split()) <= 40:
                continue
            if sentence not in seen and count < MOST:
                seen.add(sentence)
                count += 1
                yield Documented(path.name, record.language, record.symbol, code, sentence)
        if count >= MOST:
            return


def pairs(functions: list[Documented]) -> list[Pair]:
    """Each sentence with its own function, with a neighbour, and with one from anywhere."""
    rng = random.Random(SEED)
    by_repository: dict[str, list[Documented]] = defaultdict(list)
    for function in functions:
        by_repository[function.repository].append(function)
    made: list[Pair] = []
    for function in functions:
        made.append((function, function, True))
        for among in (by_repository[function.repository], functions):
            other = rng.choice(among)
            if other is not function:
                made.append((function, other, False))
    return made


def _of(words: dict[str, CodeWords], function: Documented) -> CodeWords:
    return words[f"{function.repository}:{function.symbol}:{function.code}"]


def write_table(made: list[Pair], words: dict[str, CodeWords]) -> None:
    """The weights of all stems that have MIN_COUNT sentences, and what is related to them."""
    own = [(said, _of(words, code)) for said, code, is_own in made if is_own]
    related = relations(own)
    counts = {
        True: defaultdict[str, Counter[str]](Counter),
        False: defaultdict[str, Counter[str]](Counter),
    }
    for said, code, is_own in made:
        for root, word in words_that_tell(said.sentence).items():
            found = level(word, _of(words, code), related.get(root, frozenset()))
            counts[is_own][root][found] += 1
    rare = {is_own: Counter[str]() for is_own in counts}
    common = {is_own: Counter[str]() for is_own in counts}
    frequent = [root for root, n in counts[True].items() if n.total() >= MIN_COUNT]
    for is_own, rows in counts.items():
        for root, row in rows.items():
            (common if root in set(frequent) else rare)[is_own].update(row)
    prior = {is_own: _shares(row) for is_own, row in common.items()}
    lines = [_line(OTHER, _ratios(_shares(rare[True]), _shares(rare[False])), [])]
    for root in sorted(frequent):
        drawn = {is_own: _shares(counts[is_own][root], prior[is_own]) for is_own in counts}
        lines.append(_line(root, _ratios(drawn[True], drawn[False]), sorted(related.get(root, []))))
    TABLE.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{len(own)} functions, {len(lines)} rows, {sum(map(len, related.values()))} relations")


def _shares(row: Counter[str], prior: dict[str, float] | None = None) -> dict[str, float]:
    weight = PRIOR if prior else 1.0
    total = row.total() + (PRIOR if prior else len(LEVELS))
    return {name: (row[name] + weight * (prior[name] if prior else 1.0)) / total for name in LEVELS}


def _ratios(own: dict[str, float], others: dict[str, float]) -> list[float]:
    return [math.log(own[name] / others[name]) for name in LEVELS]


def _line(root: str, weights: list[float], related: list[str]) -> str:
    return "\t".join([root, " ".join(f"{w:.2f}" for w in weights), " ".join(related)]).rstrip()


def relations(own: list[tuple[Documented, CodeWords]]) -> dict[str, frozenset[str]]:
    """For each stem of a sentence, stems of code that stand there where it does not."""
    in_code = Counter(root for _, code in own for root in code.stems)
    in_repository = Counter((said.repository, root) for said, code in own for root in code.stems)
    functions = Counter(said.repository for said, _ in own)
    together: dict[str, Counter[str]] = defaultdict(Counter)
    alone: Counter[str] = Counter()
    alone_in: dict[str, Counter[str]] = defaultdict(Counter)
    where: dict[tuple[str, str], set[str]] = defaultdict(set)
    usual = {root for root, n in in_code.items() if n >= MIN_COUNT and len(root) > 1}
    frequent = Counter(root for said, _ in own for root in words_that_tell(said.sentence))
    for said, code in own:
        for root in words_that_tell(said.sentence):
            if root in code.stems or frequent[root] < MIN_COUNT:
                continue
            alone[root] += 1
            alone_in[root][said.repository] += 1
            for other in code.stems & usual:
                together[root][other] += 1
                where[root, other].add(said.repository)
    found: dict[str, frozenset[str]] = {}
    for root, others in together.items():
        scored: list[tuple[float, str]] = []
        for other, n in others.items():
            if len(where[root, other]) < MIN_REPOSITORIES:
                continue
            # By repository, else a language's keywords would be related to its authors' words.
            expected = sum(
                times * in_repository[name, other] / functions[name]
                for name, times in alone_in[root].items()
            )
            if n < MIN_LIFT * expected:
                continue
            rest, expected_rest = alone[root] - n, alone[root] - expected
            g2 = 2 * n * math.log(n / expected)
            g2 += 2 * rest * math.log(rest / expected_rest) if rest and expected_rest > 0 else 0
            scored += [(g2, other)] if g2 > MIN_G2 else []
        if scored:
            found[root] = frozenset(o for _, o in sorted(scored, reverse=True)[:MOST_RELATED])
    return found


def fit(rows: list[Any]) -> dict[str, float]:
    """Logistic regression by Newton's method; both classes weigh the same, ridge 1."""
    x = np.array([[1.0, *row[:-1]] for row in rows])
    y = np.array([0.0 if row[-1] else 1.0 for row in rows])
    weights = np.where(y == 0, (y == 1).sum() / (y == 0).sum(), 1.0)
    b = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ b))
        gradient = x.T @ (weights * (p - y)) + b
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + np.eye(len(b))
        b -= np.linalg.solve(hessian, gradient)
    return dict(
        zip(("constant", "told", "missing", "nowhere", "size"), b.round(3).tolist(), strict=True)
    )


def refused(functions: list[Documented]) -> dict[str, dict[str, int]]:
    """How many of the authors' sentences the rules on meaning refuse, and of the same with one
    word turned into its opposite; `relevance` with the weights that stand in it now.
    """
    rules = (
        relevance,
        deed,
        inverted,
        opposite,
        contradiction,
        no_function,
        no_verb,
        reversed_conversion,
    )
    counts = {"authors'": Counter[str](), "turned": Counter[str]()}
    for f in functions:
        row = {"docstring": f.sentence, "id": ""}
        turned = summaries.opposite(row, random.Random(SEED))
        texts = {"authors'": f.sentence, "turned": turned["summary"] if turned else ""}
        for kind, text in texts.items():
            reading = Reading(Candidate(text, language=f.language, code=f.code, symbol=f.symbol))
            found = [rule.__name__ for rule in rules if text and rule(reading)]
            counts[kind].update(found)
            counts[kind]["all"] += bool(text)
            counts[kind]["any but relevance"] += bool(set(found) - {"relevance"})
    return {kind: dict(row) for kind, row in counts.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
