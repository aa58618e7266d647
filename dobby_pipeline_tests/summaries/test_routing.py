"""Rules that choose among models: read from real files, with the shipped manifests."""

import hashlib
from collections import Counter

import pytest

from dobby_pipeline.summaries.routing import RouteError, read_router
from dobby_pipeline.summaries.writers import Subject

SMALL, CODER = "smollm2-135m", "qwen2.5-coder-0.5b"

SPLIT = f"""
[[route]]
model = "{CODER}"
level = ["file", "repo"]

[[route]]
split = {{ "{SMALL}" = 0.3, "{CODER}" = 0.7 }}
language = "python"
"""


def about(level="symbol", language="python", kind="function", lines=10, content="x") -> Subject:
    return Subject(level, language, kind, lines, content)


@pytest.fixture
def routes(tmp_path):
    """Writes a file of rules and reads it."""

    def read(text: str, default: str = SMALL):
        file = tmp_path / "routes.toml"
        file.write_text(text)
        return read_router(str(file), default)

    return read


def hashes(count: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]


def test_without_a_file_everything_goes_to_the_default():
    router = read_router("", "any")
    assert router.models == ["any"]
    assert router.choose(about()) == "any"


def test_the_first_rule_that_matches_wins_and_the_rest_goes_to_the_default(routes):
    router = routes(
        f'[[route]]\nmodel = "{CODER}"\nkind = "class"\n'
        f'[[route]]\nmodel = "{SMALL}"\nlanguage = ["rust", "c"]\n',
        default="other",
    )
    assert router.choose(about(kind="class", language="rust")) == CODER
    assert router.choose(about(language="c")) == SMALL
    assert router.choose(about()) == "other"
    assert router.models == [CODER, SMALL, "other"]


def test_every_condition_of_a_rule_has_to_hold(routes):
    router = routes(
        f'[[route]]\nmodel = "{CODER}"\nlevel = "symbol"\nlanguage = "python"\nmin_lines = 5\n'
    )
    assert router.choose(about()) == CODER
    assert router.choose(about(level="file")) == SMALL
    assert router.choose(about(language="rust")) == SMALL
    assert router.choose(about(lines=4)) == SMALL


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ("min_lines = 5", [5, 1000], [4, 0]),
        ("max_lines = 5", [1, 5], [6, 0]),
        ("min_lines = 3\nmax_lines = 5", [3, 5], [2, 6, 0]),
    ],
)
def test_lines_count_with_both_ends_and_unknown_ones_match_no_bound(
    routes, bounds, inside, outside
):
    router = routes(f'[[route]]\nmodel = "{CODER}"\n{bounds}\n')
    assert {router.choose(about(lines=lines)) for lines in inside} == {CODER}
    assert {router.choose(about(lines=lines)) for lines in outside} == {SMALL}


def test_a_split_has_its_shares_over_many_contents(routes):
    router = routes(SPLIT)
    counts = Counter(router.choose(about(content=content)) for content in hashes(20_000))
    assert counts[SMALL] / 20_000 == pytest.approx(0.3, abs=0.02)
    assert counts[SMALL] + counts[CODER] == 20_000


def test_equal_content_falls_to_the_same_model_wherever_it_stands(routes):
    router, again = routes(SPLIT), routes(SPLIT)
    for content in hashes(200):
        chosen = router.choose(about(content=content))
        assert again.choose(about(content=content, lines=99, kind="method")) == chosen


def test_whole_shares_can_be_written_without_a_point(routes):
    assert routes(f'[[route]]\nsplit = {{ "{CODER}" = 1 }}\n').choose(about()) == CODER


def test_the_default_is_left_out_where_a_rule_takes_the_rest(routes):
    router = routes(
        f'[[route]]\nmodel = "{CODER}"\nlevel = "file"\n[[route]]\nmodel = "{SMALL}"\n',
        default="other",
    )
    assert router.models == [CODER, SMALL]


def test_a_file_without_rules_leaves_the_default(routes):
    assert routes("# none yet\n").models == [SMALL]


RULE = f'[[route]]\nmodel = "{CODER}"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[route]\n", "cannot be read"),
        ("[route]\nmodel = 'x'\n", r"write \[\[route\]\]"),
        ("route = [3]\n", r"write \[\[route\]\]"),
        ("[[routes]]\n", "'routes' is not known"),
        (f"{RULE}levle = 'file'\n", "route 1: 'levle' is not known: give model, split, level"),
        (f"{RULE}level = 'files'\n", "level 'files' is not known: give symbol, file, repo"),
        (f"{RULE}kind = 3\n", "kind is neither a text nor a list"),
        (f"{RULE}kind = []\n", "kind is neither a text nor a list"),
        (f"{RULE}language = ['c', '']\n", "language is neither a text nor a list"),
        (f"{RULE}min_lines = 0\n", "min_lines is not a whole number of 1 or more"),
        (f"{RULE}max_lines = true\n", "max_lines is not a whole number of 1 or more"),
        (f"{RULE}min_lines = 9\nmax_lines = 8\n", "min_lines 9 is above max_lines 8"),
        ("[[route]]\nlevel = 'file'\n", "give either model"),
        (f"{RULE}split = {{ '{SMALL}' = 1 }}\n", "give either model"),
        ("[[route]]\nmodel = 3\n", "model is no text"),
        (
            "[[route]]\nmodel = 'gpt-9'\n",
            "route 1: model 'gpt-9': no manifest .*there are: .*smol",
        ),
        ("[[route]]\nsplit = { 'gpt-9' = 1 }\n", "model 'gpt-9': no manifest"),
        ("[[route]]\nsplit = {}\n", "split is no table of shares"),
        ("[[route]]\nsplit = 'half'\n", "split is no table of shares"),
        (f"[[route]]\nsplit = {{ '{SMALL}' = 0.5, '{CODER}' = 0.4 }}\n", "add up to 0.9, not to 1"),
        (
            f"[[route]]\nsplit = {{ '{SMALL}' = 0, '{CODER}' = 1 }}\n",
            f"{SMALL} is 0: give a number",
        ),
        (f"[[route]]\nsplit = {{ '{SMALL}' = 1.5, '{CODER}' = -0.5 }}\n", "is 1.5: give a number"),
        (f"[[route]]\nsplit = {{ '{SMALL}' = true }}\n", "is True: give a number"),
        (f"[[route]]\nsplit = {{ '{SMALL}' = nan }}\n", "is nan: give a number"),
        (f"{RULE}{RULE}level = 'file'\n", "route 2: never matches, since route 1 takes all of it"),
        (
            f"{RULE}language = ['c', 'go']\n{RULE}kind = 'x'\n{RULE}language = 'c'\nkind = 'y'\n",
            "route 3: never matches, since route 1",
        ),
        (f"{RULE}max_lines = 9\n{RULE}max_lines = 5\n", "route 2: never matches, since route 1"),
        (f"{RULE}min_lines = 3\n{RULE}min_lines = 4\nmax_lines = 5\n", "route 2: never matches"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_with_its_name_and_rule(routes, text, told):
    with pytest.raises(RouteError, match=told) as error:
        routes(text)
    assert "DOBBY_ROUTES" in str(error.value)
    assert "routes.toml" in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("level = 'file'", ""),
        ("level = 'file'", "level = ['file', 'repo']"),
        ("min_lines = 3", ""),
        ("min_lines = 3", "min_lines = 2"),
        ("max_lines = 3", "min_lines = 3"),
        ("min_lines = 1", "level = 'repo'"),
        ("level = 'file'\nmin_lines = 3", "level = 'file'"),
    ],
)
def test_a_rule_that_gets_what_another_leaves_is_no_error(routes, first, second):
    assert len(routes(f"{RULE}{first}\n{RULE}{second}\n").routes) == 2


def test_a_file_that_is_not_there_and_one_that_is_no_text(tmp_path):
    with pytest.raises(RouteError, match="no such file"):
        read_router(str(tmp_path / "absent.toml"), SMALL)
    (tmp_path / "latin.toml").write_bytes("# é".encode("latin-1"))
    with pytest.raises(RouteError, match="cannot be read"):
        read_router(str(tmp_path / "latin.toml"), SMALL)
