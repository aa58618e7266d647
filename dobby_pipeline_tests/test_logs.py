"""Logs that a program can read, and that say which run they belong to."""

import json
import logging
import subprocess
import sys
import threading

from dobby_pipeline import logs
from dobby_pipeline.logs import LOG_FILE, begin_logs, logger

log = logger("dobby_pipeline.example")


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


def test_an_event_is_a_json_line_with_its_fields_and_the_runs(tmp_path, capsys):
    end = begin_logs(tmp_path, run_id="r1", repo="requests")
    log.info("model loaded", model="tiny", sessions=3)
    end()
    (line,) = lines(tmp_path)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "dobby_pipeline.example",
        "event": "model loaded",
        "model": "tiny",
        "sessions": 3,
        "run_id": "r1",
        "repo": "requests",
    }
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_one_line_on_standard_error_too(tmp_path, capsys):
    end = begin_logs(tmp_path, run_id="r1")
    log.warning("100 % full", reason="no room\nat all")
    end()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'WARNING 100 % full: reason="no room\\nat all" run_id=r1\n'


def test_what_other_modules_log_in_the_plain_way_is_kept_with_the_runs_fields(tmp_path):
    end = begin_logs(tmp_path, run_id="r1")
    logging.getLogger("dobby_pipeline.sources").info("read %d files", 3)
    end()
    (line,) = lines(tmp_path)
    assert (line["event"], line["run_id"]) == ("read 3 files", "r1")


def test_after_the_end_nothing_is_written_and_the_run_is_forgotten(tmp_path):
    begin_logs(tmp_path, run_id="r1")()
    log.warning("later")
    begin_logs(tmp_path)()
    assert lines(tmp_path) == []
    end = begin_logs(tmp_path)
    log.info("again")
    end()
    assert "run_id" not in lines(tmp_path)[0]


def test_without_a_configuration_nothing_reaches_standard_output():
    script = (
        "from dobby_pipeline.logs import logger\n"
        "logger('dobby_pipeline.x').info('quiet')\n"
        "logger('dobby_pipeline.x').warning('heard', n=1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "heard: n=1\n")


def test_a_folder_that_cannot_be_written_costs_the_file_alone(tmp_path, capsys):
    taken = tmp_path / "logs"
    taken.write_text("a file")
    end = begin_logs(taken)
    log.warning("heard")
    end()
    err = capsys.readouterr().err.splitlines()
    assert err == [
        f"dobby: no log is kept in {taken} (File exists): make it writable",
        "WARNING heard",
    ]


def test_a_disk_that_is_full_costs_lines_and_nothing_else(capsys):
    handler = logs._File("/dev/full")
    handler.setFormatter(logs._JsonLine())
    handler.emit(logging.LogRecord("dobby_pipeline", logging.INFO, "", 0, "text", (), None))
    handler.close()
    assert capsys.readouterr() == ("", "")


def test_a_log_that_has_grown_is_set_aside_when_a_run_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "MOST_BYTES", 10)
    for text in ("first", "second"):
        end = begin_logs(tmp_path)
        log.info(text)
        end()
    assert [line["event"] for line in lines(tmp_path)] == ["second"]
    assert "first" in (tmp_path / f"{LOG_FILE}.1").read_text()


def test_another_thread_hears_of_the_run_when_it_is_started_in_its_context(tmp_path):
    import contextvars

    end = begin_logs(tmp_path, run_id="r1")
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(log.info, "from a thread"))
    thread.start()
    thread.join()
    end()
    assert lines(tmp_path)[0]["run_id"] == "r1"
