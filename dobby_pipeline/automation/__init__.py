"""What starts runs, and what tells about them: jobs, schedules, sensors, alerts.

Not here: the assets that a run materialises.
"""

from dobby_pipeline.automation.alerts import alert_on_check_failure, alert_on_run_failure
from dobby_pipeline.automation.commits import new_commits
from dobby_pipeline.automation.jobs import ingest_repo, summarize_repo
from dobby_pipeline.automation.registration import register_repo
from dobby_pipeline.automation.roll_ups import roll_ups_left_behind
from dobby_pipeline.automation.schedules import nightly_refresh, weekly_clean, weekly_verify
from dobby_pipeline.automation.upkeep import clean_database, verify_database

JOBS = (
    register_repo,
    ingest_repo,
    summarize_repo,
    verify_database,
    clean_database,
)
SCHEDULES = (nightly_refresh, weekly_verify, weekly_clean)
SENSORS = (new_commits, roll_ups_left_behind, alert_on_run_failure, alert_on_check_failure)

__all__ = ["JOBS", "SCHEDULES", "SENSORS", "ingest_repo", "summarize_repo"]
