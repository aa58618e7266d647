"""Whether what a summary says first is what the code does."""

import pytest

from dobby_pipeline.quality.deeds import deed, inverted
from dobby_pipeline.quality.reading import Candidate, Reading

EXISTS = "def exists(self):\n    return self.path.is_file()\n"


def reason(rule, text: str, code: str, language: str = "python", **fields) -> str | None:
    return rule(Reading(Candidate(text, language=language, code=code, **fields)))


@pytest.mark.parametrize(
    ("text", "code", "language"),
    [
        # The name says the opposite, also where the summary says both words.
        ("Closes the file if it is not open yet.", "def open(self):\n    close_all()\n", "python"),
        ("Adds the header.", "def __delitem__(self, key):\n    self.pop(key)\n", "python"),
        (
            "This function is used to delete a user.",
            "def create_user(n):\n    del n\n",
            "python",
        ),
        # No trace of it in the code.
        ("Deletes a map of names.", "def names(x):\n    return {n: x for n in x}\n", "python"),
        (
            "Deletes the error.",
            "function AxiosError(m) {\n  this.m = m; free(m);\n}",
            "javascript",
        ),
        ("Sets the first paragraph.", "def first(doc):\n    return doc.split()[0]\n", "python"),
        ("Adds the rest of the text.", "def cut(text):\n    return text.strip()\n", "python"),
        ("Removes a name from it.", "def also(names, n):\n    names.append(n)\n", "python"),
        ("Reads the options.", "def options(out):\n    out.write(1)\n", "python"),
        # Nothing is returned.
        ("Returns the names.", "def names(x):\n    print(x)\n", "python"),
    ],
)
def test_a_verb_that_the_code_denies_is_refused(text, code, language):
    assert (reason(deed, text, code, language) or "").startswith("deed: says ")


COUNT = "def count(self, words):\n    self.total += len(words)\n"


@pytest.mark.parametrize(
    "text",
    [
        "Counts the words and writes them to a file.",
        "Counts the words, then saves the total to disk.",
        "Count the words, and then write them to a file.",
        "Counts the words, deletes the first, and prints the rest.",
        "Counts the words. It also opens a file.",
        "This function is used to count the words and send them to a server.",
    ],
)
def test_a_later_verb_of_which_the_code_has_no_trace_is_refused(text):
    assert (reason(deed, text, COUNT) or "").startswith("deed: says ")


def test_what_is_said_to_go_to_a_file_needs_more_than_a_word_like_set():
    code = "def count(self, words):\n    self.total = len(set(words))\n"
    assert reason(deed, "Counts the words and writes them to a file.", code)
    assert reason(deed, "Counts the words and writes the total.", code) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Counts the words and adds them to the total.", COUNT),
        ("Counts the words that callers read and write.", COUNT),
        ("Counts the words, read in one go, of a text.", COUNT),
        ("Counts the words and opens.", COUNT),
        ("Counts words and writes a line.", "def count(words):\n    out.writerow(len(words))\n"),
        ("Counts words, then sets the total.", COUNT),
    ],
)
def test_a_later_verb_that_the_code_bears_out_is_not(text, code):
    assert reason(deed, text, code) is None


@pytest.mark.parametrize(
    ("text", "code", "language"),
    [
        ("Opens the file.", "def open(self):\n    close_all()\n", "python"),
        ("Deletes the map.", "def forget(x):\n    del names[x]\n", "python"),
        ("Removes what is unused.", "def tidy(x):\n    x.discard(1)\n", "python"),
        ("Sets the name.", "def name(self, n):\n    self.n = n\n    return n\n", "python"),
        ("Sets the name.", "def name(self, n):\n    n()\n    return self\n", "python"),
        ("Sets the name.", "def name(n):\n    store(n)\n", "python"),
        ("Adds the name.", "def also(names, n):\n    names.append(n)\n", "python"),
        ("Returns the names.", "def names(x):\n    yield x\n", "python"),
        ("Returns the names.", "def names(x):\n    raise NotImplementedError\n", "python"),
        ("Gets the names by filling an array.", "void names(int *x) { *x = 1; }", "c"),
        ("Creates the names.", "def names(x):\n    print(x)\n", "python"),
        ("Draws the names.", "def names(x):\n    print(x)\n", "python"),
        ("Deletes a name.", "", "python"),
    ],
)
def test_what_the_code_may_do_is_not(text, code, language):
    assert reason(deed, text, code, language) is None


def test_a_roll_up_has_no_verb_of_its_own():
    code = "def create_user(n):\n    return n\n"
    assert reason(deed, "Deletes a user of it.", code, level="file") is None


@pytest.mark.parametrize(
    "text",
    [
        "Returns false if and only if this command exists.",
        "Tests the path. Returns `False`, if it exists.",
        "Return False if there are files at the path.",
    ],
)
def test_false_where_the_name_says_true_is_refused(text):
    assert (reason(inverted, text, EXISTS) or "").startswith("inverted: ")


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("Returns true if this command exists.", "exists"),
        ("Returns false if it does not exist.", "exists"),
        ("Returns true if it exists and returns false if a folder exists.", "exists"),
        ("Returns false if this command exists.", "not_exists"),
        ("Looks for it. Returns false if the disk sleeps.", "exists"),
    ],
)
def test_what_may_be_false_is_not(text, symbol):
    assert reason(inverted, text, EXISTS, symbol=symbol) is None
