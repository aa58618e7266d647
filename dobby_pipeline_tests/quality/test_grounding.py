"""Names in a summary that must exist: in the code, the repository, or the language."""

import pytest

from dobby_pipeline.quality.gate import Candidate, judge
from dobby_pipeline.quality.language_names import is_builtin
from dobby_pipeline.quality.reading import KnownNames

CODE = """def load_config(path, strict=False):
    with open(path) as handle:
        data = json.load(handle)
    if strict and MAX_SIZE < len(data):
        raise ConfigError("too large")
    return Settings.fromDict(data)
"""


def judged(text: str, **fields):
    return judge(Candidate(text, **{"language": "python", "code": CODE, **fields}))


def reasons(text: str, **fields) -> list[str]:
    return [reason for reason in judged(text, **fields).reasons if reason.startswith("grounding")]


@pytest.mark.parametrize(
    "text",
    [
        "Loads the settings from `path` with `json.load()`.",
        "Loads the settings with json.load() and Settings.fromDict(data).",
        "Raises `ConfigError` if MAX_SIZE is less than the size of the data.",
        "Calls `load_config(path)` and checks `strict`.",
        "Loads the file(s) of the config, e.g. settings.json, from the path.",
        "Loads the path into a `dict` or raises `ValueError`, never `None`.",
        "Returns (first_part, second_part) of the config.",
        "Compares `'some_text'` with the path of the config.",
    ],
)
def test_names_that_exist_are_grounded(text):
    assert reasons(text) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Loads the config with `yaml_load`.", "yaml_load"),
        ("Loads the config with yaml_load() of the path.", "yaml_load"),
        ("Loads the config into `ConfigStore`.", "ConfigStore"),
        ("Loads the config and calls `Loader.load(path)`.", "Loader.load"),
        ("Loads the config and keeps it in config_cache.", "config_cache"),
        ("Loads the config and keeps it in configCache.", "configCache"),
        ("Loads the config and keeps it in self.cached.", "self.cached"),
        ("Loads the config and keeps it in ConfigRegistry.", "ConfigRegistry"),
    ],
)
def test_an_invented_name_is_told(text, name):
    (reason,) = reasons(text)
    assert repr(name) in reason


def test_one_looser_name_among_ten_is_let_through():
    known = "load_config, json.load, MAX_SIZE, fromDict, ConfigError, Settings.fromDict"
    known += ", json.load.data, load_config.path, Settings.path"
    assert reasons(f"Loads the config by {known} and config_cache.") == []
    assert reasons("Loads the config by load_config and config_cache.") != []


def test_names_of_the_repository_are_known():
    text = "Loads the config for `Application`."
    assert reasons(text)
    assert reasons(text, known_names=KnownNames(["Application"])) == []


def test_a_term_in_the_form_of_a_name_may_be_made_of_the_codes_words():
    text = "Returns a SettingsData object read from the path."
    assert reasons(text) == []
    assert reasons(text.replace("SettingsData", "`SettingsData`")) != []
    known = KnownNames(["forceatlas2_layout"])
    assert reasons("Computes the ForceAtlas2 layout of a path.", known_names=known) == []


def test_names_in_the_summaries_that_were_shown_are_known():
    text = "Loads the config and calls `merge_all`."
    assert reasons(text, children=("It calls `merge_all` at its end.",)) == []


def test_without_names_the_share_does_not_apply():
    assert judged("Loads the config from the path.").measured.grounded_share is None
    assert judged("Loads the `path` for `nobody`.").measured.grounded_share == 0.5
    assert judge(Candidate("Loads the `path` for it.")).measured.grounded_share is None


@pytest.mark.parametrize(
    ("language", "name", "known"),
    [
        ("python", "ValueError", True),
        ("python", "isinstance", True),
        ("python", "frobnicate", False),
        ("kotlin", "IllegalStateException", True),
        ("tsx", "Promise", True),
        ("csharp", "ArgumentNullException", True),
        ("nolanguage", "ValueError", False),
        ("nolanguage", "null", True),
        ("php", "strlen", True),
        ("python", "a b", False),
        ("python", "x" * 100, False),
    ],
)
def test_a_language_knows_its_own_names(language, name, known):
    assert is_builtin(language, name) is known
