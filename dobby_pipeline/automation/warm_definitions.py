"""The definitions as the warm worker has them: with sessions that outlive a run.

Not here: the definitions themselves (definitions.py).
"""

from dobby_pipeline.automation.kept_sessions import KeptSessions
from dobby_pipeline.definitions import build_defs
from dobby_pipeline.settings import Settings

defs = build_defs({"mlx": KeptSessions.from_settings(Settings.from_env())})
