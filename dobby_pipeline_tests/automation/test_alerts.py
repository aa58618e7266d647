"""Alerts, against a real webhook server on this machine and real runs."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from dobby_pipeline.automation import alerts, webhook
from dobby_pipeline.automation.alerts import alert_on_check_failure, alert_on_run_failure
from dobby_pipeline.automation.webhook import WebhookError, alert_url, post_alert
from dobby_pipeline.sources.git_tree import SourceError


class Webhook(ThreadingHTTPServer):
    """Keeps what it is sent; `behave` is asked for the status, and may take its time."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received = []
        self.behave = lambda _: 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/SECRET-TOKEN"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.behave(self)
        if status:
            self.server.received.append(body)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def serving():
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def hook(monkeypatch):
    with serving() as server:
        monkeypatch.setenv(webhook.URL_ENV, server.url)
        yield server


@pytest.fixture
def instance():
    with dg.instance_for_test() as made:
        yield made


class Sensor:
    """A sensor's ticks, one after another."""

    def __init__(self, sensor, instance):
        self.sensor, self.instance, self.cursor = sensor, instance, None
        self.log = []

    def tick(self) -> str:
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            context.log.warning = self.log.append
            result = self.sensor(context)
        self.cursor = result.cursor
        assert not result.run_requests
        return result.skip_reason.skip_message


@dg.op
def refuses():
    raise SourceError("/srv/x cannot be read by git: check the location")


@dg.op
def crashes():
    raise ValueError("def secret_code(): return 'hunter2'")


@dg.op
def wraps():
    raise RuntimeError("def secret_code()") from SourceError("the inner line: do this")


def run_of(op, instance, **tags):
    job = dg.GraphDefinition(name="summarize_repo", node_defs=[op]).to_job()
    job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def test_a_failed_run_is_told_with_our_own_line(hook, instance):
    sensor = Sensor(alert_on_run_failure, instance)
    assert sensor.tick() == "from now on"
    run_of(refuses, instance, **{"dagster/partition": "example"})
    assert sensor.tick() == "1 alerts sent"
    (alert,) = hook.received
    (run,) = instance.get_runs()
    assert alert.pop("time") > "2020"
    assert alert == {
        "kind": "run_failure",
        "job": "summarize_repo",
        "repo": "example",
        "run_id": run.run_id,
        "reason": "/srv/x cannot be read by git: check the location",
        "will_retry": False,
        "text": "Dobby: summarize_repo of example failed: "
        "/srv/x cannot be read by git: check the location",
    }
    assert sensor.tick() == "0 alerts sent"
    assert len(hook.received) == 1


def test_the_text_of_a_foreign_error_is_never_sent(hook, instance):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    run_of(crashes, instance)
    run_of(wraps, instance)
    sensor.tick()
    assert [alert["reason"] for alert in hook.received] == [
        "ValueError in the step crashes: see the run's page",
        "the inner line: do this",
    ]
    assert "secret_code" not in json.dumps(hook.received)


def test_a_run_whose_process_was_killed_is_told_as_such(hook, instance):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    run = dg.DagsterRun("summarize_repo", tags={"dagster/will_retry": "true"})
    instance.add_run(run)
    instance.report_run_failed(run)
    sensor.tick()
    (alert,) = hook.received
    assert alert["reason"].startswith("its process ended without a word")
    assert alert["will_retry"]
    assert "it is retried" in alert["text"]


def test_what_failed_before_alerts_were_wished_for_is_not_told(instance, monkeypatch):
    run_of(refuses, instance)
    sensor = Sensor(alert_on_run_failure, instance)
    assert sensor.tick() == "DOBBY_ALERT_URL is not set"
    with serving() as server:
        monkeypatch.setenv(webhook.URL_ENV, server.url)
        assert sensor.tick() == "from now on"
        sensor.tick()
        assert server.received == []


def test_nothing_is_lost_or_told_twice_while_the_webhook_is_down(hook, instance, monkeypatch):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    for n in range(3):
        run_of(refuses, instance, n=str(n))
    hook.behave = lambda _: 500 if hook.received else 200
    told = sensor.tick()
    assert "did not take an alert (status 500)" in told
    assert "tried again at the next tick" in told
    assert "SECRET-TOKEN" not in told + "".join(sensor.log)
    hook.received.pop()
    hook.behave = lambda _: 200
    assert sensor.tick() == "2 alerts sent"
    ids = [alert["run_id"] for alert in hook.received]
    assert ids == [run.run_id for run in reversed(instance.get_runs())]


@pytest.mark.parametrize("how", ["silent", "drip"])
def test_a_webhook_that_hangs_is_given_up_in_time(hook, instance, monkeypatch, how):
    monkeypatch.setattr(alerts, "post_alert", lambda url, a: post_alert(url, a, answer_s=0.5))
    ended = threading.Event()

    def hang(handler) -> int:
        if how == "drip":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-")
            while not ended.wait(0.1):
                handler.wfile.write(b"x")
        ended.wait()
        return 0

    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    run_of(refuses, instance)
    hook.behave = hang
    assert "(no answer within 0.5 s)" in sensor.tick()
    ended.set()
    hook.behave = lambda _: 204
    assert sensor.tick() == "1 alerts sent"


def test_a_webhook_that_nobody_listens_at_or_that_redirects_did_not_take_it(hook):
    hook.behave = lambda _: 302
    with pytest.raises(WebhookError, match="status 302"):
        post_alert(hook.url, {})
    with serving() as gone:
        url = gone.url
    with pytest.raises(WebhookError, match=r"127\.0\.0\.1 did not take an alert \(ConnectionErr"):
        post_alert(url, {})


def test_an_address_that_is_none_is_told_and_keeps_the_place(instance, monkeypatch):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.cursor = "7"
    for bad in ("not-a-url/SECRET", "http://", "http://[::1", "ftp://host/SECRET"):
        monkeypatch.setenv(webhook.URL_ENV, bad)
        told = sensor.tick()
        assert told == "DOBBY_ALERT_URL is no http address: give https://HOST/PATH, or unset it"
    assert sensor.cursor == "7"
    assert alert_url({}) == ""


def test_a_slow_webhook_ends_the_tick_and_the_rest_follows(hook, instance, monkeypatch):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    for _ in range(2):
        run_of(refuses, instance)
    monkeypatch.setattr(alerts, "BUDGET_S", 0.2)

    def slow(_) -> int:
        time.sleep(0.3)
        return 200

    hook.behave = slow
    assert [sensor.tick() for _ in range(3)] == ["1 alerts sent", "1 alerts sent", "0 alerts sent"]


def test_a_run_that_a_person_deleted_stops_nothing(hook, instance, monkeypatch):
    sensor = Sensor(alert_on_run_failure, instance)
    sensor.tick()
    run_of(refuses, instance)
    run_of(refuses, instance)
    newest, oldest = instance.get_runs()
    found = instance.get_run_by_id
    monkeypatch.setattr(
        type(instance), "get_run_by_id", lambda _, i: None if i == oldest.run_id else found(i)
    )
    assert sensor.tick() == "1 alerts sent"
    assert hook.received[0]["run_id"] == newest.run_id


def checked_run(instance, repo, *, passed, severity=dg.AssetCheckSeverity.ERROR, blocking=True):
    partitions = dg.DynamicPartitionsDefinition(name="repo")

    @dg.asset(partitions_def=partitions)
    def symbol_summaries():
        pass

    @dg.asset_check(asset=symbol_summaries, blocking=blocking, partitions_def=partitions)
    def enough():
        return dg.AssetCheckResult(passed=passed, severity=severity, description="1 of 4")

    instance.add_dynamic_partitions("repo", [repo])
    defs = dg.Definitions(
        [symbol_summaries], asset_checks=[enough], jobs=[dg.define_asset_job("j")]
    )
    defs.resolve_job_def("j").execute_in_process(
        instance=instance, partition_key=repo, raise_on_error=False
    )


def test_a_check_that_did_not_pass_is_told_once_with_its_repository(hook, instance):
    sensor, runs = Sensor(alert_on_check_failure, instance), Sensor(alert_on_run_failure, instance)
    sensor.tick(), runs.tick()
    checked_run(instance, "good", passed=True)
    checked_run(instance, "bad", passed=False)
    checked_run(instance, "odd", passed=False, severity=dg.AssetCheckSeverity.WARN, blocking=False)
    assert sensor.tick() == "2 alerts sent"
    assert [alert["repo"] for alert in hook.received] == ["bad", "odd"]
    bad, odd = hook.received
    assert bad["kind"] == "check_failure"
    assert bad["checks"] == [
        {
            "asset": "symbol_summaries",
            "check": "enough",
            "repo": "bad",
            "severity": "ERROR",
            "description": "1 of 4",
        }
    ]
    assert bad["text"] == "Dobby: checks did not pass in j of bad: enough: 1 of 4"
    assert odd["checks"][0]["severity"] == "WARN"
    assert sensor.tick() == "0 alerts sent"
    # The run that it failed is an alert of its own.
    runs.tick()
    assert hook.received[-1]["reason"] == "a blocking check did not pass"
