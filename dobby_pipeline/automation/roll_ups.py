"""The sensor that evaluates the roll-ups' condition.

Not here: the condition, and why it never launches what another launcher does (conditions.py).
"""

import dagster as dg

roll_ups_left_behind = dg.AutomationConditionSensorDefinition(
    name="roll_ups_left_behind",
    target=dg.AssetSelection.assets("file_summaries", "repo_summary"),
    minimum_interval_seconds=30,
    description="Makes the summaries of files and of the repository anew after somebody "
    "materialised `symbol_summaries` alone, and only where a text changed.",
)
