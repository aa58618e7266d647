"""The asset `cozo_schema`: the database at the version that this code needs.

Not here: the migrations (migrations.py).
"""

from typing import Any

import dagster as dg

from dobby_pipeline.cozo.resource import CozoResource
from dobby_pipeline.partitions import OWNERS
from dobby_pipeline.schema.migrations import migrate, schema_version


@dg.asset(group_name="schema", owners=OWNERS, kinds={"cozodb"})
def cozo_schema(cozo: CozoResource) -> dg.MaterializeResult[Any]:
    """The relations of the Cozo database, brought up to date by ordered, atomic migrations.

    Safe to materialise at any time, from several processes at once. A database that is newer
    than this code is refused, so that nothing in it is lost.
    """
    store = cozo.store()
    applied = migrate(store)
    return dg.MaterializeResult(
        metadata={
            "schema version": schema_version(store),
            "applied now": [f"{m.version}: {m.name}" for m in applied],
            "database": store.place,
        },
        data_version=dg.DataVersion(str(schema_version(store))),
    )
