"""What a summary claims about parameters, returned values and errors, against parsed facts."""

import pytest

from dobby_pipeline.quality.facts import read_facts
from dobby_pipeline.quality.gate import Candidate, judge

ADD = """
def add(first, second):
    if not first:
        raise ValueError
    return first + second
"""
STORE = "def store(self, value):\n    if not value:\n        return\n    self.value = value\n"


def rules(text: str, code: str = ADD, language: str = "python", **fields) -> list[str]:
    verdict = judge(Candidate(text, language=language, code=code, **fields))
    return [reason.partition(":")[0] for reason in verdict.reasons]


@pytest.mark.parametrize(
    "text",
    [
        "Adds the first to the second and returns nothing.",
        "Adds the first to the second. It does not return a value.",
        "Adds the first to the second and returns void.",
        "Adds the first to the second without returning anything.",
        "Adds the first to the second and never raises an error.",
        "Adds the first to the second. It does not raise any errors.",
        "Adds the first to the second. It takes no arguments.",
        "Adds the first to the second. It takes three parameters.",
        "Adds the first to the second. It accepts exactly 5 arguments.",
        "Adds the second to the `value` parameter.",
        "Adds the first to the parameter `add`.",
        "Adds the first to the argument named add.",
    ],
)
def test_a_false_claim_is_a_contradiction(text):
    assert "contradiction" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        "Adds the first to the second and returns the sum.",
        "Adds the first to the second. It returns nothing if the first is None.",
        "Adds the first to the second. It does not raise unless the first is None.",
        "Adds the first to the second. It takes two arguments.",
        "Adds the `first` parameter to the argument `second`.",
    ],
)
def test_a_true_or_conditional_claim_is_none(text):
    assert rules(text) == []


def test_a_value_that_is_never_returned_is_a_contradiction():
    assert "contradiction" in rules("Returns the stored value of the store.", STORE)
    assert rules("Stores the value and returns nothing.", STORE) == []


EXIT = """
def __exit__(self, kind, error, trace) -> None:
    for thread in self._threads:
        thread.join()
    self._pool.close()
"""


@pytest.mark.parametrize(
    "text",
    [
        "Closes the pool and returns the number of finished threads.",
        "Closes the pool, joins its threads, and then returns `threads`.",
        "Closes the pool. Then it joins its threads and returns them.",
        "This function is used to close the pool and return its threads.",
        "Closes the pool and raises a `TimeoutError`.",
        "Closes the pool and raises a `TimeoutError` if a thread is still alive.",
        "Closes the pool; it also raises an exception.",
        "Joins the threads, then throws an error.",
    ],
)
def test_what_a_later_verb_claims_is_held_against_the_code_too(text):
    assert "contradiction" in rules(text, EXIT)


@pytest.mark.parametrize(
    "text",
    [
        "Closes the pool and returns nothing.",
        "Closes the pool and returns the threads to the pool.",
        "Closes the pool and returns control to the caller.",
        "Closes the pool, whose callbacks compute and return the exit of a thread.",
        "Joins each thread of the pool and raises its priority.",
        "Closes the pool and raises a `KeyError` if a thread is not there.",
        "Closes the pool of a callable that takes a thread and returns its trace.",
    ],
)
def test_what_is_no_claim_of_the_code_itself_is_none(text):
    assert rules(text, EXIT) == []


def test_an_error_of_another_type_than_the_code_raises_is_a_contradiction():
    assert "contradiction" in rules("Adds both and raises a `TypeError` if one is empty.")
    assert rules("Adds both and raises a `ValueError` if the first is empty.") == []
    again = ADD.replace("raise ValueError", "raise self.error(first)")
    assert rules("Adds both and raises a `TypeError` if the first is empty.", again) == []


def test_what_may_be_raised_by_what_is_called_is_no_contradiction():
    for call in ("self.check(text)", "self.raise_for(text)", "int(text)"):
        code = f"def keep(self, text):\n    self.text = {call}\n"
        assert rules("Keeps the text and raises a `ValueError` if it is wrong.", code) == []
    go = "func Keep(text string) {\n\tkept = text\n}\n"
    assert rules("Keeps the text and raises an error.", go, "go") == []


def test_a_class_that_is_exported_is_not_taken_for_its_first_method():
    code = "export default class Emitter {\n  constructor() {}\n  emit(name, value) {}\n}\n"
    for language in ("javascript", "typescript"):
        facts = read_facts(language, code)
        assert facts is not None
        assert facts.function is None
        method = read_facts(language, "  emit(name, value) {\n    return value;\n  }\n")
        assert method is not None
        assert method.function is not None
        assert method.function.parameter_order == ("name", "value")


def test_what_takes_any_number_has_no_count():
    code = "def add(*numbers):\n    return sum(numbers)\n"
    assert rules("Adds all numbers. It takes two arguments.", code) == []
    assert rules("Adds all numbers to the `start` parameter.", code) == ["grounding"]


def test_roll_ups_make_no_claims_about_one_function():
    assert "contradiction" not in rules(
        "Adds the numbers and returns nothing at all.", level="file"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Does not add the first to the second.",
        "This function does not add the first to the second.",
        "It never adds the first to the second.",
    ],
)
def test_a_summary_that_begins_with_a_negation_is_refused(text):
    assert rules(text) == ["negation"]


def test_a_later_negation_is_none():
    assert rules("Adds the first to the second. It does not change either.") == []


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("python", "async def f(self, a, b=1, *, c): return a", (3, False, True, False, False)),
        ("python", "def f(*args):\n    yield 1", (0, True, False, False, True)),
        ("python", "class A:\n    def f(self): return 1", None),
        ("javascript", "foo(a, b) { return a }", (2, False, True, False, False)),
        ("javascript", "export const f = a => a + 1", (1, False, True, False, False)),
        ("javascript", "function f({a}, ...r) { throw a }", (1, True, False, True, False)),
        ("typescript", "public f(a: T): void { return }", (1, False, False, False, False)),
        ("java", "static <T> T f(T[] a, Object... x) { throw x; }", (1, True, False, True, False)),
        ("java", "public void g(int a) { this.a = a; }", (1, False, False, False, False)),
        ("go", "func (s *S) F(a, b int) error { return nil }", (2, False, True, False, False)),
        ("rust", "pub fn f(&self, a: &str) -> u8 { 1 }", (1, False, True, False, False)),
        ("rust", "fn g(a: u8) { h(a) }", (1, False, False, False, False)),
        ("c", "static int f(const char *a, int b) { return 1; }", (2, False, True, False, False)),
        ("c", "void g(void) { h(); }", (0, False, False, False, False)),
        ("c", "void *h(int a, ...) { return a; }", (1, True, True, False, False)),
        ("cpp", "template<class T> T f(T a = 1) { throw 1; }", (1, False, False, True, False)),
        ("csharp", "public int F(int a, string b) { return a; }", (2, False, True, False, False)),
        ("php", "public function f($a, ...$b) { return 1; }", (1, True, True, False, False)),
    ],
)
def test_facts_of_each_language(language, code, expected):
    facts = read_facts(language, code)
    assert facts is not None
    function = facts.function
    found = function and (
        function.parameters,
        function.is_open,
        function.returns_value,
        function.raises,
        function.yields,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("language", "code", "name"),
    [
        ("python", "def f(): return 1", "f"),
        ("javascript", "const g = () => 1", "g"),
        ("c", "static int *h(void) { return 0; }", "h"),
        ("java", "void run() { stop(); }", "run"),
    ],
)
def test_a_functions_own_name_is_read(language, code, name):
    facts = read_facts(language, code)
    assert facts is not None
    assert facts.function is not None
    assert facts.function.name == name


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("scala", "def f(a: Int) = a"),
        ("", "def f(): pass"),
        ("python", ""),
        ("python", "x = 1\n" * 10_000),
        ("csharp", "a<" * 5_000),
        ("rust", "``a" * 10_000),
    ],
)
def test_nothing_is_told_where_parsing_would_tell_nothing_or_cost_too_much(language, code):
    facts = read_facts(language, code)
    assert facts is None or facts.function is None


def test_bare_code_has_no_comments_and_no_docstring():
    code = 'def f():\n    """Doc string."""\n    # why\n    return "kept"  # too\n'
    facts = read_facts("python", code)
    assert facts is not None
    assert "Doc" not in facts.bare_code
    assert "why" not in facts.bare_code
    assert 'return "kept"' in facts.bare_code


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("This function is a data type that is used to add numbers.", True),
        ("This function adds the first to the second. It is a class of numbers.", True),
        ("This function is a wrapper that adds the first to the second.", False),
        ("It is a class that adds the first to the second.", False),
    ],
)
def test_a_function_is_no_data_type(text, is_refused):
    assert ("no_function" in rules(text)) == is_refused


@pytest.mark.parametrize(
    ("text", "symbol", "is_refused"),
    [
        ("Converts a string to a byte array.", "Buffer.toString", True),
        ("This function converts a bytecode string to a bytes object.", "bytecode_to_string", True),
        ("Converts a string to bytes.", "make_str", True),
        ("Converts a byte array to a string.", "Buffer.toString", False),
        ("Converts a string to another string.", "Buffer.toString", False),
        ("Converts a list to a dictionary.", "Buffer.toString", False),
        ("Converts a string to bytes.", "convert", False),
    ],
)
def test_a_conversion_goes_where_its_name_says(text, symbol, is_refused):
    code = "def convert(value):\n    return str(value).encode().decode()\n"
    assert ("reversed_conversion" in rules(text, code, symbol=symbol)) == is_refused


def test_a_name_may_use_return_for_something_else():
    code = "def return_parts(self):\n    if not self.parts:\n        return\n    self.write()\n"
    assert "contradiction" not in rules("Return the parts of the buffer.", code)
