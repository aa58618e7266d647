"""Source records in a store without an ingest, a pool that says what it is told to, and a run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from dobby_pipeline.cozo.io_manager import PartitionStream
from dobby_pipeline.cozo.partition import write_partition
from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.inference.requests import Completion, Refusal, Request
from dobby_pipeline.schema.relations import FILE_DOCS, SNAPSHOTS, SOURCE_RECORDS, SYMBOL_SUMMARIES
from dobby_pipeline.sources.reader import content_of
from dobby_pipeline.summaries.budget import Budget
from dobby_pipeline.summaries.limit import taken
from dobby_pipeline.summaries.plan import SymbolPlan
from dobby_pipeline.summaries.prompts import Prompts, load_prompts
from dobby_pipeline.summaries.read import read_summaries
from dobby_pipeline.summaries.recipe import Recipe
from dobby_pipeline.summaries.symbols import SymbolSummaries
from dobby_pipeline.summaries.tally import Tally
from dobby_pipeline.summaries.work import Work
from dobby_pipeline.summaries.writers import Writer, one_writer

REPO = "example"
COMMIT = "c" * 40


def put_files(store: CozoStore, files: Mapping[str, str]) -> None:
    """Put the files' records and docs in the place of what is there, and a snapshot beside them."""
    store.run("clear", "?[repo, path, symbol] := *source_records{repo, path, symbol} "
              ":rm source_records {repo, path, symbol}", write=True)  # fmt: skip
    store.run("clear", "?[repo, path] := *file_docs{repo, path} :rm file_docs {repo, path}",
              write=True)  # fmt: skip
    rows: list[Row] = []
    docs: list[Row] = []
    for path, text in files.items():
        content = content_of(path, text.encode())
        rows += [{"repo": REPO, **asdict(record)} for record in content.records]
        docs += [{"repo": REPO, "path": path, "doc": content.doc}] if content.doc else []
    store.run("put", FILE_DOCS.put(), {"rows": FILE_DOCS.rows(docs)}, write=True)
    store.run("put", SOURCE_RECORDS.put(), {"rows": SOURCE_RECORDS.rows(rows)}, write=True)
    snapshot = {
        "repo": REPO,
        "commit": COMMIT,
        "content": "t",
        "files": len(files),
        "records": len(rows),
        "extractor": "x",
        "updated_at": "now",
    }
    store.run("put", SNAPSHOTS.put(), {"rows": SNAPSHOTS.rows([snapshot])}, write=True)


def say(request: Request) -> Completion | Refusal:
    """A summary that the gate publishes, other for each request."""
    return Completion(
        request_id=request.request_id,
        text=f"Returns the value {request.request_id[:12]} to its caller.",
        finish_reason="stop",
        prompt_tokens=10,
        output_tokens=9,
        ms=1,
        confidence=-0.1,
    )


@dataclass
class StubPool:
    """Stands at the pool's border: pulls ahead of what it yields, and yields the last first.

    Attributes:
        sessions: requests that it holds at once.
        requests: all that it was asked.
    """

    answer: Callable[[Request], Completion | Refusal] = say
    sessions: int = 4
    device: str = "cpu"
    requests: list[Request] = field(default_factory=list)

    def generate(self, requests: Iterator[Request]) -> Iterator[Completion | Refusal]:
        held: list[Request] = []
        for request in requests:
            self.requests.append(request)
            held.append(request)
            if len(held) >= self.sessions:
                yield self.answer(held.pop())
        while held:
            yield self.answer(held.pop())


@dataclass
class PagesOf:
    """The partition in pages so small that one test has several."""

    stream: PartitionStream
    rows: int

    def pages(self, columns: tuple[str, ...], page_rows: int) -> Iterator[list[Row]]:
        for page in self.stream.pages(columns, page_rows):
            for start in range(0, len(page), self.rows):
                yield page[start : start + self.rows]


def work_on(
    store: CozoStore,
    pool: object,
    *,
    limit: int | None = None,
    page_rows: int = 500,
    prompts: Prompts | None = None,
    model: str = "stub",
    with_callees: bool = False,
    budget: Budget | None = None,
) -> SymbolSummaries:
    """The work of one run, not begun."""
    prompts = prompts or load_prompts()
    writers = one_writer(Writer(Recipe(model, "1", "", "greedy"), lambda: pool))
    records = PagesOf(PartitionStream(store, SOURCE_RECORDS, [REPO]), page_rows)
    return SymbolSummaries(
        SymbolPlan(store, REPO, records, writers, prompts, COMMIT, with_callees),
        Work(
            "symbol_summaries",
            store,
            REPO,
            writers,
            prompts.repair,
            report=lambda _: None,
            budget=budget or Budget(),
            taken=taken(store, REPO, limit) if limit else None,
        ),
    )


def run(store: CozoStore, pool: object, **options) -> Tally:
    """One whole run, as the asset and the IO manager do it; returns what was done."""
    work = work_on(store, pool, **options)
    write_partition(store, SYMBOL_SUMMARIES, REPO, f"run-{id(work)}", work.batches())
    return work.work.tally


def summaries(store: CozoStore) -> dict[str, Row]:
    """What can be read afterwards, by `path::symbol`."""
    return {f"{r['path']}::{r['symbol']}": r for r in read_summaries(store, REPO)}
