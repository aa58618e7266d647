"""The asset checks on summaries of all levels.

Not here: the gate on one summary (gate.py), and the counting (counts.py).
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from operator import itemgetter

import dagster as dg

from dobby_pipeline.cozo.partition import PLAN_ROWS, page_borders
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.children import children_of_files, read_tree
from dobby_pipeline.quality.counts import (
    Verdicts,
    count_file_verdicts,
    count_repo_verdicts,
    count_verdicts,
)
from dobby_pipeline.quality.evidence import evidence, known_names
from dobby_pipeline.quality.gate import PUBLISHED, judge
from dobby_pipeline.quality.repo_check import repo_check
from dobby_pipeline.schema.relations import SYMBOL_SUMMARIES

MIN_PUBLISHED_SHARE = 0.5
"""Below it the model, the prompt or the gate is wrong for the repository, not single summaries.
The embedded 135M model publishes 68 % (of 153; most others loop), one of random weights none."""

MIN_JUDGED = 20
"""Summaries from which on the share counts. Of 4 by a model that publishes 68 %, less than half
are published in one case of ten; of 20 in one of thirty-five. None at all is always too few."""

LIMIT_TAG = "dobby/limit"
"""Set on runs that were told to leave records out, so that a check can tell it from a loss."""

SAMPLE = 200
"""Published summaries that are judged again: a share of 0.05 among them is between 0.02 and 0.09 in
the repository (95 %, normal approximation)."""

SHARED_BY = 3
"""Pieces of unlike code whose summaries say the same, names aside, before it counts as generic: two
getters may well be described alike."""

MAX_GENERIC_SHARE = 0.2
MIN_NAMING_SHARE = 0.5
"""Of the files, those whose summary names one of their public symbols at least."""

_UNPROVEN = """
?[count(symbol)] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, commit, start_line, end_line},
    *summary_bodies{summary_key, model, model_revision, prompt_version, device, created_at},
    (commit == '' || start_line < 1 || end_line < start_line || model == ''
     || model_revision == '' || prompt_version == '' || device == '' || created_at == '')
"""

_TEXTS = """
?[path, symbol, name, content_hash, summary_key, text] :=
    *symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash: read},
    path >= $first, path <= $last,
    *source_records{repo: $repo, path, symbol, name, content_hash}, read == content_hash,
    *summary_bodies{summary_key, text, status: $published, origin: 'generated'}
"""

_RECORDS = """
keys[path, symbol] <- $keys
?[path, symbol, kind, language, signature, code, parts] := keys[path, symbol],
    *source_records{repo: $repo, path, symbol, kind, language, signature, code, parts}
"""

_FILES = """
?[path, text] := *file_summaries{repo: $repo, path, summary_key},
    *summary_bodies{summary_key, text, status: $published}
"""

_REPO = """
?[text] := *repo_summaries{repo: $repo, summary_key},
    *summary_bodies{summary_key, text, status: $published}
"""

_WORD = re.compile(r"[^\W\d_]+")


@repo_check("symbol_summaries", "Every source record has a summary with a verdict.")
def every_record_has_a_verdict(
    store: CozoStore, repo: str, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A run with a limit leaves records out on purpose: then this warns and blocks nothing."""
    return _complete(count_verdicts(store, repo), repo, "records", context)


@repo_check(
    "symbol_summaries", f"At least {MIN_PUBLISHED_SHARE:.0%} of the model's own are published."
)
def enough_is_published(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A low share means that what is left would give a wrong picture of the repository.

    What stands in for a model's summary does not count as published.
    """
    verdicts = count_verdicts(store, repo)
    generated = verdicts.published - verdicts.extractive
    some = verdicts.judged < MIN_JUDGED and generated > 0
    told = f"{generated} of {verdicts.judged} summaries by the model are published"
    return dg.AssetCheckResult(
        passed=verdicts.generated_share >= MIN_PUBLISHED_SHARE or some,
        description=f"{repo}: {told}, {verdicts.extractive} are extracts",
        metadata={
            "published": verdicts.published,
            "extractive": verdicts.extractive,
            "quarantined": verdicts.quarantined,
            "published share": verdicts.generated_share,
        },
    )


@repo_check("symbol_summaries", "Every summary says which code, model, prompt and device made it.")
def provenance_is_complete(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Commit, lines, model, revision, prompt version, device and time are all there."""
    rows = store.run("count summaries without provenance", _UNPROVEN, {"repo": repo})
    unproven = rows[0]["count(symbol)"]
    return dg.AssetCheckResult(
        passed=unproven == 0,
        description=f"{repo}: {unproven} summaries with gaps in their provenance",
        metadata={"incomplete": unproven},
    )


@repo_check("symbol_summaries", "Published summaries pass today's gate.", blocking=False)
def what_is_published_passes_the_gate(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A sample, judged again: the gate may have become stricter since, and names may be gone.

    Its metadata tells the mean grounded share of the summaries that name anything.
    """
    rows = _sample(_texts(store, repo))
    keys = [[row["path"], row["symbol"]] for row in rows]
    records = store.run("read code", _RECORDS, {"repo": repo, "keys": keys}) if keys else []
    texts = {(row["path"], row["symbol"]): row["text"] for row in rows}
    known, shares, refused = known_names(store, repo), list[float](), list[str]()
    for record in (record for record in records if not record["parts"]):
        place = record["path"], record["symbol"]
        verdict = judge(evidence(record, record["code"], known).saying(texts[place], "stop", ""))
        if verdict.reasons:
            refused.append(f"{place[0]}::{place[1]}: {verdict.reasons[0]}")
        if verdict.measured.grounded_share is not None:
            shares.append(verdict.measured.grounded_share)
    metadata: dict[str, str | float] = {"judged again": len(records), "refused": len(refused)}
    told = f"{repo}: {len(refused)} of {len(records)} are refused"
    if shares:
        metadata["mean grounded share"] = sum(shares) / len(shares)
    return dg.AssetCheckResult(
        passed=not refused,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([told, *refused[:5]]),
        metadata=metadata,
    )


@repo_check("symbol_summaries", "Summaries of unlike code do not say the same.", blocking=False)
def summaries_tell_code_apart(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Texts are compared as bags of words without the symbol's own name."""
    # Of each bag the pieces of code, and the text that sorts first: some 0.7 kB a summary.
    alike, examples, judged = defaultdict[bytes, set[str]](set), dict[bytes, str](), 0
    for row in _texts(store, repo):
        bag, judged = _bag(row), judged + 1
        alike[bag].add(row["content_hash"])
        examples[bag] = min(examples.get(bag, row["text"]), row["text"])
    generic = {bag: len(codes) for bag, codes in alike.items() if len(codes) >= SHARED_BY}
    count = sum(generic.values())
    share = count / judged if judged else 0.0
    told = [f"{times} times: {examples[bag]}" for bag, times in generic.items()]
    return dg.AssetCheckResult(
        passed=share <= MAX_GENERIC_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([f"{repo}: {count} of {judged} are generic", *sorted(told)[:5]]),
        metadata={"generic": count, "generic share": share},
    )


@repo_check("file_summaries", "Every file with records has a fresh summary with a verdict.")
def every_file_has_a_verdict(
    store: CozoStore, repo: str, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """As for records: a limit makes it a warning."""
    return _complete(count_file_verdicts(store, repo), repo, "files", context)


@repo_check("file_summaries", "Files' summaries name public symbols of theirs.", blocking=False)
def files_name_what_they_hold(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """A summary that names none of what it is about helps nobody to find it."""
    texts = {row["path"]: row["text"] for row in store.run("read texts", _FILES, _of(repo))}
    recalls = list[float]()
    for page in children_of_files(store, repo):
        for file in page:
            public = [n for names in file.outermost.values() for n in names if n[:1] != "_"]
            if public and file.path in texts:
                recalls.append(_recall(public, texts[file.path]))
    naming = sum(recall > 0 for recall in recalls)
    share = naming / len(recalls) if recalls else 1.0
    mean = sum(recalls) / len(recalls) if recalls else 1.0
    return dg.AssetCheckResult(
        passed=share >= MIN_NAMING_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{repo}: {naming} of {len(recalls)} files' summaries name a symbol of theirs",
        metadata={"naming share": share, "mean child recall": mean},
    )


@repo_check("repo_summary", "The repository has a fresh summary with a verdict.")
def the_repository_has_a_verdict(
    store: CozoStore, repo: str, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """As for records: a limit makes it a warning."""
    return _complete(count_repo_verdicts(store, repo), repo, "repositories", context)


@repo_check("repo_summary", "The repository's summary names what is at its top.", blocking=False)
def the_repository_names_what_it_holds(
    store: CozoStore, repo: str, _: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    """Child recall among the folders and files at the top."""
    rows = store.run("read text", _REPO, _of(repo))
    root = read_tree(store, repo).root
    names = [*root.folders, *(file.name.strip("`") for file in root.files)]
    recall = _recall(names, rows[0]["text"]) if rows and names else 1.0
    return dg.AssetCheckResult(
        passed=recall > 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{repo}: {recall:.0%} of {len(names)} names at the top",
        metadata={"child recall": recall},
    )


def _complete(
    verdicts: Verdicts, repo: str, what: str, context: dg.AssetCheckExecutionContext
) -> dg.AssetCheckResult:
    limited = LIMIT_TAG in context.run.tags
    why = ", left out by the run's limit" if limited and verdicts.missing else ""
    stale = f" ({verdicts.stale} have a stale one)" if verdicts.stale else ""
    return dg.AssetCheckResult(
        passed=verdicts.missing == 0,
        severity=dg.AssetCheckSeverity.WARN if limited else dg.AssetCheckSeverity.ERROR,
        description=f"{repo}: {verdicts.missing} {what} without a summary{stale}{why}",
        metadata={"missing": verdicts.missing, "stale": verdicts.stale},
    )


def _texts(store: CozoStore, repo: str) -> Iterator[Row]:
    """The model's own published summaries of the present code, read page by page."""
    for first, last in page_borders(store, SYMBOL_SUMMARIES, repo, PLAN_ROWS):
        yield from store.run("read texts", _TEXTS, {**_of(repo), "first": first, "last": last})


def _sample(rows: Iterable[Row]) -> list[Row]:
    """SAMPLE of them, the same for the same rows."""
    return nsmallest(SAMPLE, rows, key=itemgetter("summary_key"))


def _bag(row: Row) -> bytes:
    own = set(_WORD.findall(row["name"].lower()))
    words = sorted({word for word in _WORD.findall(row["text"].lower()) if word not in own})
    return hashlib.sha256(" ".join(words).encode()).digest()


def _recall(names: Iterable[str], text: str) -> float:
    told = [bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)) for name in names]
    return sum(told) / len(told)


def _of(repo: str) -> dict[str, str]:
    return {"repo": repo, "published": PUBLISHED}
