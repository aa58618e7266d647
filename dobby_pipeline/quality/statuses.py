"""The two statuses of a summary, as they are stored.

Not here: how one is found (gate.py), which `dobby status` does not wait for.
"""

PUBLISHED = "published"
QUARANTINED = "quarantined"
