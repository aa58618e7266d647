"""When a roll-up is made anew by itself: after its children changed in a run that left it out.

Not here: the versions that tell a change (summaries/data_versions.py), and the sensor that
evaluates the condition (roll_ups.py).

Which launcher owns which edge:

- repository → source_records: the sensor `new_commits`, and every night `nightly_refresh` for
  what has no commit to tell. Their job moves a repository through the whole flow, roll-ups
  included, so these edges carry no condition.
- symbol_summaries → file_summaries → repo_summary: that same run. Only where a person
  materialises `symbol_summaries` alone, in the UI, is the roll-up left behind: `ROLL_UP` asks for
  it. It never fires for children whose run makes the roll-up too.
- source_records → symbol_summaries carries none: `ingest_repo` is there to read without a model,
  and a condition would start one behind the back of whoever asked for that.
"""

import dagster as dg

FLOW_TAG = "dobby/flow"
"""On each run of the job `summarize_repo`, whoever launched it.

`executed_with_root_target` reads the run's own selection of assets, and a run of a whole job has
none: without this tag each run of the sensor would be taken for one that left the roll-ups out.
`dobby summarize --level symbol` is a run of the job too: who asks for a level gets that level.
"""

_CHANGED_ALONE = (
    dg.AutomationCondition.any_deps_match(
        (
            dg.AutomationCondition.data_version_changed()
            & ~dg.AutomationCondition.executed_with_root_target()
            & ~dg.AutomationCondition.executed_with_tags(tag_keys={FLOW_TAG})
        )
        | dg.AutomationCondition.will_be_requested()
    )
).with_label("children changed in a run without this roll-up")

ROLL_UP = (
    _CHANGED_ALONE.since_last_handled()
    & ~dg.AutomationCondition.missing()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
).with_label("roll up what changed")
"""For `file_summaries` and `repo_summary`, as `automation_condition=ROLL_UP`.

The children have to tell their data version, or each materialisation counts as a change. One that
was never made is not asked for: the first run of a repository is the sensor's, or a person's. What
fails a blocking check is not rolled up, as in the flow. A failed run is not asked for again by
itself, so a roll-up that always fails costs one run for each change.
"""
