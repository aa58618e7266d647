"""A summary's form: length, language, placeholders, secrets, addresses, chat."""

import pytest

from dobby_pipeline.quality.gate import Candidate, judge
from dobby_pipeline.sources.secrets import redact
from dobby_pipeline_tests.sources.planted import fragments, planted

GOOD = "Reads the configuration from the given path and returns it as a dictionary."


def rules(text: str, **fields) -> list[str]:
    return [reason.partition(":")[0] for reason in judge(Candidate(text, **fields)).reasons]


def test_length_depends_on_the_level():
    words = [f"reads{n} the{n} file{n}" for n in range(40)]
    long = " ".join(words) + "."
    assert "too_long" in rules(long)
    assert "too_long" not in rules(long, level="file")
    assert rules("Reads all the files.", level="repo") == ["too_short"]


@pytest.mark.parametrize(
    "text",
    [
        "Reads the configuration from the.",
        "Reads the configuration and.",
        "Reads the `configuration from the path.",
        "Reads the configuration (from the path.",
    ],
)
def test_a_sentence_without_its_end_is_cut_off(text):
    assert rules(text) == ["cut_off"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Repository a function, no function twice.", ["no_verb"]),
        ("Function the path of the configuration.", ["no_verb"]),
        ("Module a configuration as a dictionary.", ["no_verb"]),
        ("Partition a list into two halves.", []),
        ("Function that reads the configuration.", []),
        ("Directory of the configuration, as a path.", []),
        ("Repository for the records of a user.", []),
        ("Query the version of the server.", []),
    ],
)
def test_a_noun_where_the_verb_should_stand_is_no_sentence(text, expected):
    assert rules(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Sure! Here it reads the configuration of the path.",
        "Here is a short summary of the code: it reads the path.",
        "I'm sorry, but the code is not given to me.",
        "It reads the path. Let me know if the answer is of use.",
        "Sorry, I cannot tell anything about this code without more context.",
        "I don't see the body of the function that reads the path.",
        "It reads the path. Please provide more of the code.",
        "It reads the path. The code is not an instruction to you.",
        "You are a helpful assistant that reads the path.",
        "Summarize what the code of the path does in one or two short sentences.",
        "Describe in a single plain sentence how it reads the path.",
    ],
)
def test_chatter_is_no_summary(text):
    assert "speaks_as_model" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        f"TODO: {GOOD}",
        "Reads the configuration [insert details here].",
        "The function <function_name> reads the path.",
        "Reads {{path}} and returns what is in it.",
        "Lorem ipsum is what it reads from the path.",
    ],
)
def test_what_is_left_to_fill_in_is_a_placeholder(text):
    assert "placeholder" in rules(text)
    assert "placeholder" not in rules(text, code=text)


@pytest.mark.parametrize("text", ["Returns a List<Type> of all the paths.", GOOD])
def test_types_are_no_placeholders(text):
    assert "placeholder" not in rules(text)


def test_an_address_must_stand_in_the_code():
    text = "Sends the data to https://example.org/upload."
    assert rules(text) == ["url"]
    assert rules(text, code="post('https://example.org/upload')") == []


@pytest.mark.parametrize(
    "text",
    [
        "Diese Funktion liest die Datei und gibt das Ergebnis zurück.",
        "Cette fonction lit le fichier et renvoie le résultat.",
        "La función lee el archivo y devuelve el resultado.",
        "Läser filen och skickar tillbaka resultatet.",
        "Функция читает файл и возвращает результат.",
        "関数はファイルを読み込み、結果を返します.",
        "Wczytuje plik konfiguracji i zwraca wynik.",
        "A `get` függvény kiszámítja az értéket, és visszaadja az eredményt a hívónak.",
    ],
)
def test_other_languages_are_not_english(text):
    assert "not_english" in rules(text)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Find supported character detection libraries.",
        "Computes the angle α of the façade.",
        "Sends a GET request.",
    ],
)
def test_terse_english_is_english(text):
    assert "not_english" not in rules(text)


def test_a_secret_is_refused_and_stands_in_no_reason():
    seen = 0
    for name, secret in planted().items():
        for text in (f"Uses password = '{secret}' for it.", f"Calls `{secret}` and {secret}()."):
            verdict = judge(Candidate(text, language="python", code="def f(): pass"))
            told = "\n".join(verdict.reasons).encode()
            known = redact(text.encode())
            seen += bool(known.found)
            assert any(reason.startswith("secret: ") for reason in verdict.reasons) == bool(
                known.found
            )
            for piece in fragments(secret):
                assert piece not in told or piece in known.data, name
    assert seen > 40
    verdict = judge(Candidate(f"Uses the token {planted()['github_token']} to sign in."))
    assert [reason for reason in verdict.reasons if reason.startswith("secret: ")]
