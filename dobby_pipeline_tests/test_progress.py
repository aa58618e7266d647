"""Progress as log lines."""

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
