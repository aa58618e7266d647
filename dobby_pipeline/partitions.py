"""The partitions: one for each registered repository.

Not here: the registry, which is the database's (sources/registry.py).
"""

import dagster as dg

repo_partitions = dg.DynamicPartitionsDefinition(name="repo")
