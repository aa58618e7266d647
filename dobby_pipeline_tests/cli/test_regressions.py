"""The guard of the benchmarks: what fell by more than a tenth is said."""

import json

import pytest

from dobby_pipeline.cli.regressions import FILE, fallen, record, recorded_ratios
from dobby_pipeline.errors import UsageError


def row(ratio: float | None, target: str = ">= 1.5 x peer", name: str = "cpu") -> dict:
    return {
        "name": name, "metric": "records a minute", "value": 1.0, "unit": "", "peer": "llama.cpp",
        "peer_value": 1.0, "ratio": ratio, "target": target, "met": True,
    }  # fmt: skip


RECORDED = {"cpu: records a minute": 2.0}


@pytest.mark.parametrize(
    ("ratio", "target", "worse"),
    [
        (2.0, ">= 1.5 x peer", False),
        (1.81, ">= 1.5 x peer", False),
        (1.79, ">= 1.5 x peer", True),
        (9.0, ">= 1.5 x peer", False),
        (2.2, "<= 10 x peer", False),
        (2.3, "<= 10 x peer", True),
        (0.5, "<= 10 x peer", False),
    ],
)
def test_a_ratio_that_is_worse_by_more_than_a_tenth_is_named(ratio, target, worse):
    assert bool(fallen([row(ratio, target)], RECORDED)) == worse


def test_the_line_says_what_it_was_and_what_it_is():
    assert fallen([row(1.5)], RECORDED) == [
        "cpu: records a minute: 1.5 x llama.cpp, recorded 2 x: 25% worse"
    ]


def test_a_figure_without_a_ratio_or_that_was_never_recorded_is_let_be():
    assert fallen([row(None), row(0.1, name="gpu")], RECORDED) == []


def test_recording_replaces_what_was_measured_and_keeps_the_rest(tmp_path):
    file = tmp_path / FILE
    assert record(file, [row(2.0), row(3.0, name="gpu"), row(None, name="none")]) == 2
    assert record(file, [row(1.23456)]) == 1
    assert recorded_ratios(file) == {"cpu: records a minute": 1.2346, "gpu: records a minute": 3.0}


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": null}', '{"a": "fast"}'])
def test_a_file_that_is_something_else_is_one_line_with_the_way_out(tmp_path, text):
    file = tmp_path / FILE
    file.write_text(text)
    with pytest.raises(UsageError, match=r"holds no recorded ratios .*--record") as caught:
        recorded_ratios(file)
    assert "\n" not in str(caught.value)


def test_bench_says_what_fell_until_it_is_recorded(workplace, tmp_path, monkeypatch):
    (tmp_path / "pool.py").write_text(f"print({json.dumps(row(1.5))!r})\n")
    (tmp_path / FILE).write_text(json.dumps(RECORDED))
    monkeypatch.setattr("dobby_pipeline.cli.bench.project_file", lambda _: tmp_path)
    worse = workplace.dobby("bench", "pool", "--json")
    assert (worse.status, worse.rows) == (1, [row(1.5)])
    assert "cpu: records a minute: 1.5 x llama.cpp, recorded 2 x: 25% worse" in worse.err
    told = workplace.dobby("bench", "pool", "--json", "--record")
    assert (told.status, told.rows) == (0, [row(1.5)])
    assert "1 ratios recorded" in told.err
    assert workplace.dobby("bench", "pool", "--json").status == 0


def test_the_committed_ratios_can_be_read():
    from dobby_pipeline.settings import project_file

    recorded = recorded_ratios(project_file("benchmarks") / FILE)
    assert recorded
    assert all(ratio > 0 for ratio in recorded.values())
