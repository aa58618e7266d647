"""What all assets have in common: a partition for each registered repository, and owners.

Not here: the registry, which is the database's (sources/registry.py).
"""

import dagster as dg

repo_partitions = dg.DynamicPartitionsDefinition(name="repo")

OWNERS = ["team:dobby"]
"""Who to ask about an asset, as the UI shows it."""
