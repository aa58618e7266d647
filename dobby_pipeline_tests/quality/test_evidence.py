"""What generation hands the gate."""

from dataclasses import replace

from dobby_pipeline.quality.evidence import evidence, known_names
from dobby_pipeline.quality.reading import KnownNames
from dobby_pipeline.schema.relations import SYMBOL_REFERENCES
from dobby_pipeline_tests.summaries.stored import REPO, StubPool, put_files, run, say, summaries

FILES = {"pkg/tools/sum.py": "def add(a, b):\n    return a + b\n\n\ndef late(x):\n    return x\n"}


def test_names_are_those_of_symbols_files_and_imports(store):
    put_files(store, FILES)
    row = {
        "repo": REPO,
        "path": "a.py",
        "symbol": "",
        "names": [["import", "numpy", 1], ["call", "no", 1]],
    }
    rows = SYMBOL_REFERENCES.rows([row])
    store.run("put", SYMBOL_REFERENCES.put(), {"rows": rows}, write=True)
    known = known_names(store, REPO)
    for name in ("add", "late", "pkg", "tools", "sum", "numpy", REPO):
        assert name in known
    assert "no" not in known
    assert "elsewhere" not in known


def test_a_candidate_is_about_the_record():
    record = {"language": "python", "symbol": "A.f", "signature": "def f()"}
    about = evidence(record, "def f()", KnownNames(["x"]), "part one")
    assert (about.symbol, about.language, about.children) == ("A.f", "python", ("part one",))
    said = about.saying("It works.", "length", "Say it.")
    assert (said.text, said.finish_reason, said.instructions) == ("It works.", "length", "Say it.")
    assert said.code == "def f()"


def test_generation_holds_an_answer_against_the_code(store):
    def answer(request):
        text = "Adds the numbers by `frobnicate()`." if "def add" in request.prompt else None
        return replace(say(request), text=text) if text else say(request)

    put_files(store, FILES)
    run(store, StubPool(answer))
    found = summaries(store)
    key = next(name for name in found if name.endswith("add"))
    invented = "grounding: 'frobnicate' does not exist in the code"
    assert found[key]["reasons"] == [invented, f"second attempt: {invented}"]
    assert [row["status"] for name, row in found.items() if name != key] == ["published"]
