"""The root of Dobby's error types: every one carries a line for the user.

Not here: the errors themselves, which live in the room that raises them.
"""


class DobbyError(Exception):
    """Something that the user can act on.

    The text is one line: what failed, where, and what to do about it. It never holds source
    code, rows or secrets, because it is printed, logged and stored in Dagster's event log.
    """

    exit_status = 1
    """Of the `dobby` command: 1 for work that failed or fell short, 2 for wrong usage."""


class UsageError(DobbyError):
    """The command or a setting was given wrongly: nothing was attempted."""

    exit_status = 2
