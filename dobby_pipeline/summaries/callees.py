"""Callees before callers: the order in which a symbol's prompt can carry what it calls.

Symbols that call each other in a circle are one step of the order: each is told of the others by
name, and of what the circle calls by its summary. Not here: who calls whom (sources/resolve.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dobby_pipeline.cozo.relation import Row
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.quality.statuses import PUBLISHED

MAX_CALLEES = 6
"""Callees that a prompt carries, the first by path and name: of 60 tokens each, at most what a
function of ordinary length takes itself."""

_Key = tuple[str, str]

_CALLS = """
?[path, symbol, to_path, to_symbol] :=
    *dependencies{repo: $repo, path, symbol, kind: 'call', to_path, to_symbol}, symbol != ''
"""

_TEXTS = """
keys[path, symbol] <- $keys
?[path, symbol, text] :=
    keys[path, symbol],
    *symbol_summaries{repo: $repo, path, symbol, summary_key, content_hash: read},
    *source_records{repo: $repo, path, symbol, content_hash}, read == content_hash,
    *summary_bodies{summary_key, text, status: $published}
"""


@dataclass(frozen=True)
class CalleeOrder:
    """The layers of a repository's calls.

    Attributes:
        layers: how many there are; at least one.
        layer_of: path and symbol to layer; what calls nothing of the repository is in layer 0
            and need not be here.
        callees: what a symbol calls in lower layers, ordered.
        circles: what it calls, and is called by, in a circle, ordered.
    """

    layers: int = 1
    layer_of: dict[_Key, int] = field(default_factory=dict[_Key, int])
    callees: dict[_Key, Sequence[_Key]] = field(default_factory=dict[_Key, Sequence[_Key]])
    circles: dict[_Key, Sequence[_Key]] = field(default_factory=dict[_Key, Sequence[_Key]])

    def layer(self, row: Row) -> int:
        """The layer of the record of this row."""
        return self.layer_of.get((row["path"], row["symbol"]), 0)

    def lines(
        self, store: CozoStore, repo: str, rows: Sequence[Row]
    ) -> dict[_Key, tuple[str, ...]]:
        """What the prompts of these records say of their callees: those with a published summary.

        Raises:
            StoreError: when the database cannot be read.
        """
        if not self.callees and not self.circles:
            return {}
        keys = [(row["path"], row["symbol"]) for row in rows]
        wanted = sorted({callee for key in keys for callee in self.callees.get(key, ())})
        if not wanted and not any(key in self.circles for key in keys):
            return {}
        params = {"repo": repo, "keys": [list(key) for key in wanted], "published": PUBLISHED}
        found = store.run("read callees", _TEXTS, params) if wanted else []
        texts = {(row["path"], row["symbol"]): row["text"] for row in found}
        return {key: tuple(self._lines(key, texts)) for key in keys}

    def _lines(self, key: _Key, texts: dict[_Key, str]) -> Iterable[str]:
        told = [callee for callee in self.callees.get(key, ()) if callee in texts][:MAX_CALLEES]
        for callee in told:
            yield f"It calls `{callee[1]}`: {texts[callee]}"
        for other in self.circles.get(key, ())[:MAX_CALLEES]:
            yield f"It and `{other[1]}` call each other."


def callee_order(store: CozoStore, repo: str) -> CalleeOrder:
    """The repository's order, from its resolved calls: the same for the same calls.

    Layers are longest paths in the condensation of the call graph, whose nodes are its strongly
    connected components (Tarjan 1972, as in networkx). Some 1 kB of memory a call.

    Raises:
        StoreError: when the database cannot be read.
    """
    import networkx as nx  # a third of a second: most runs do without it

    graph = nx.DiGraph()
    for row in store.run("read calls", _CALLS, {"repo": repo}):
        graph.add_edge((row["path"], row["symbol"]), (row["to_path"], row["to_symbol"]))
    circles = nx.condensation(graph) if graph else nx.DiGraph()
    depth = dict[int, int]()
    for circle in reversed(list(nx.topological_sort(circles))):
        depth[circle] = max((depth[below] + 1 for below in circles.successors(circle)), default=0)
    order = CalleeOrder(layers=max(depth.values(), default=0) + 1)
    for circle, data in circles.nodes(data=True):
        for key in data["members"]:
            order.layer_of[key] = depth[circle]
            order.callees[key] = sorted(set(graph.successors(key)) - data["members"])
            if len(data["members"]) > 1:
                order.circles[key] = sorted(data["members"] - {key})
    return order
