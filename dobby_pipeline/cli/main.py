"""The `dobby` command: its subcommands, and how errors reach the user.

Not here: what a subcommand does. Each is imported when it is called, so that `dobby status`
does not wait for Dagster, nor anything but a summary for MLX.
"""

import importlib
import os
import sqlite3
import sys

import click

from dobby_pipeline.errors import DobbyError

_COMMANDS = {
    "summarize": "flow",
    "ingest": "flow",
    "repos": "repos",
    "status": "read",
    "records": "read",
    "skipped": "read",
    "summaries": "read",
    "show": "show",
    "export": "export",
    "gate": "gate",
    "models": "models",
    "verify": "upkeep",
    "gc": "upkeep",
    "audit": "upkeep",
    "cozo-server": "cozo_server",
    "bench": "bench",
    "doctor": "doctor",
}

_DAMAGED = sqlite3.DatabaseError


class _LazyGroup(click.Group):
    """Imports a subcommand's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"dobby_pipeline.cli.{_COMMANDS[cmd_name]}")
        return getattr(module, cmd_name.replace("-", "_"))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dobby-pipeline")
def dobby() -> None:
    """Turns code repositories into a database of summaries, on this machine."""


def main() -> None:
    """Run the command; errors that a user can act on are one line and an exit status."""
    try:
        dobby.main(standalone_mode=False)
    except DobbyError as error:
        _exit(str(error), error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _exit("stopped: what was committed is kept, the next run goes on from there", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        reason = f"{error.strerror or error}{place}"
        _exit(f"the disk refused ({reason}): free some space or make it writable", 1)
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        # The plain one is of a file that is damaged; its other kinds are mistakes of a program.
        if not isinstance(cause, sqlite3.OperationalError) and type(cause) is not _DAMAGED:
            raise
        _exit(
            f"Dagster's database cannot be used ({cause}): free some space, or check the folder "
            "dagster in DOBBY_HOME, which holds the history of runs and no summaries"
        )


def _exit(message: str, status: int = 1) -> None:
    click.echo(f"dobby: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
