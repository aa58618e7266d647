"""`dobby cozo-server`: the database for other processes and machines, over Cozo's http protocol.

Not here: the protocol (cozo/server.py).
"""

from pathlib import Path

import click

from dobby_pipeline.cli.setting import check_home, settings
from dobby_pipeline.cli.terminal import say
from dobby_pipeline.cozo.server import Protocols, listen, opened, serve
from dobby_pipeline.cozo.store import CozoStore
from dobby_pipeline.errors import UsageError

LOCK_WAIT_S = 5.0
"""How long it waits for the database: others let it in soon, another server never does."""


@click.command("cozo-server")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=9070, show_default=True)
@click.option(
    "--restore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fill the database, which must be empty, from this backup first.",
)
def cozo_server(host: str, port: int, restore: Path | None) -> None:
    """Serve the database of DOBBY_HOME to whoever knows the token DOBBY_COZO_AUTH.

    Clients set DOBBY_COZO_URL and the same DOBBY_COZO_AUTH. Backups asked for by a client lie in
    the folder backups/ of DOBBY_HOME.
    """
    found = settings()
    if not found.cozo_auth:
        raise UsageError(
            "the server needs a token, for its clients too: set DOBBY_COZO_AUTH, for instance to "
            "what `openssl rand -hex 32` prints"
        )
    check_home(found.home)
    store = CozoStore(found.home / "cozo", lock_wait_s=LOCK_WAIT_S)
    with listen(host, port) as listening, opened(store, restore) as engine:
        address = f"[{host}]" if ":" in host else host
        say(f"{store.path} is served on http://{address}:{listening.getsockname()[1]}")
        serve(Protocols(engine, found.home / "backups"), found.cozo_auth, listening)
