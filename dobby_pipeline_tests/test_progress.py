"""Progress as log lines."""

from io import StringIO

from rich.console import Console

from dobby_pipeline.cli.terminal import TerminalReporter
from dobby_pipeline.progress import LogReporter, Progress


def moment(done: int) -> Progress:
    return Progress("symbol_summaries", "requests", done, 3, "summaries", "30 a minute")


def test_the_last_moment_is_always_told_and_the_others_not_too_often():
    lines: list[str] = []
    report = LogReporter(every_s=3600).to(lines.append)
    for done in range(4):
        report(moment(done))
    assert lines == [
        "requests: symbol_summaries 0/3 summaries (30 a minute)",
        "requests: symbol_summaries 3/3 summaries (30 a minute)",
    ]


def test_an_unknown_total_is_left_out():
    assert Progress("source_records", "r", 5, None, "files").line == "r: source_records 5 files"


def test_what_the_engine_is_at_stands_behind_the_rate():
    lines: list[str] = []
    reporter = LogReporter(every_s=0, pulse=lambda: "18 of 20 sessions, 310 tokens/s")
    reporter.to(lines.append)(moment(1))
    reporter.to(lines.append)(moment(3))
    reporter.to(lines.append)(Progress("source_records", "r", 5, None, "files"))
    assert lines == [
        "requests: symbol_summaries 1/3 summaries (30 a minute, 18 of 20 sessions, 310 tokens/s)",
        "requests: symbol_summaries 3/3 summaries (30 a minute)",
        "r: source_records 5 files (18 of 20 sessions, 310 tokens/s)",
    ]


def test_on_a_terminal_the_bar_says_it_too():
    screen = Console(file=StringIO(), force_terminal=True, width=160)
    lines: list[str] = []
    with TerminalReporter(screen, pulse=lambda: "18 of 20 sessions, 310 tokens/s") as reporter:
        reporter.to(lines.append)(moment(2))
    assert "30 a minute, 18 of 20 sessions, 310 tokens/s" in screen.file.getvalue()  # type: ignore[attr-defined]
    assert len(lines) == 1
