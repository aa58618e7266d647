"""Whether a summary says the opposite of what the code's own name says: `maximum` of `get_min`.

Not here: what parsing the code disproves (claims.py). Where neither word stands in the name,
nothing but the code's meaning tells one from the other.
"""

from dobby_pipeline.quality.reading import Reading, quoted, stem, subwords, words_of

_PAIRS = """
add/remove append/prepend insert/remove insert/delete create/delete create/destroy open/close
start/stop begin/end encode/decode encrypt/decrypt serialize/deserialize pack/unpack
compress/decompress read/write load/save load/store push/pop enqueue/dequeue lock/unlock
acquire/release enable/disable show/hide connect/disconnect attach/detach register/unregister
subscribe/unsubscribe import/export upload/download install/uninstall first/last maximum/minimum
max/min largest/smallest highest/lowest longest/shortest greatest/least before/after
ascending/descending increment/decrement increase/decrease true/false directed/undirected
input/output left/right upper/lower uppercase/lowercase top/bottom front/back next/previous
parent/child predecessor/successor source/target valid/invalid include/exclude allow/deny
accept/reject success/failure above/below internal/external public/private local/remote odd/even
positive/negative row/column width/height head/tail horizontal/vertical mutable/immutable
"""

_OPPOSITES: dict[str, set[str]] = {}
for _pair in _PAIRS.split():
    _one, _other = _pair.split("/")
    _OPPOSITES.setdefault(_one, set()).add(_other)
    _OPPOSITES.setdefault(_other, set()).add(_one)

_ALSO = {
    "create": "new make build init", "delete": "del remove rm unlink drop", "first": "begin",
    "get": "fetch find read", "last": "end", "max": "maximum", "maximum": "max", "min": "minimum",
    "minimum": "min", "read": "load parse get", "remove": "delete del pop discard rm drop clear",
    "set": "put update", "write": "dump put save emit",
}  # fmt: skip
"""What code says for the word: where it stands in the code, the summary may mean that."""

_ENDINGS = ("", "s", "es", "d", "ed", "ing")


def opposite(reading: Reading) -> str | None:
    """A word whose opposite stands in the symbol's own name, and itself nowhere in the code.

    It does not count where the summary says both; what the summary says first is looked at in
    deeds.py. It refuses 36 of the 24,219 authors' sentences that benchmarks/gate_set/words.py
    reads, and 17 % of those in which a word was turned into its opposite. `get` and `set` are left
    to deeds.py: a set is a thing, too, and with them 71 of 17,694 were refused instead of 25.
    """
    said = words_of(reading.plain)
    stems = {stem(word) for word in said}
    own = {stem(word) for word in subwords(reading.candidate.symbol.rpartition("/")[2])}
    for word in said:
        base = _base(word)
        for other in sorted(_OPPOSITES.get(base, ())):
            if stem(other) in own and stem(other) not in stems and not _is_shown(base, reading):
                return f"opposite: says {quoted(word)}, but its name says {quoted(other)}"
    return None


def _base(word: str) -> str:
    stripped = (word.removesuffix(ending) for ending in _ENDINGS)
    found = (base for short in stripped for base in (short, f"{short}e"))
    return next((base for base in found if base in _OPPOSITES), word)


def _is_shown(word: str, reading: Reading) -> bool:
    known = {word, *_ALSO.get(word, "").split()}
    return bool(known & reading.subwords) or stem(word) in {stem(w) for w in reading.subwords}
