"""The metrics as Prometheus's text: a file for node_exporter's textfile collector, and a port.

The file is what fits runs that come and go: the last figures stay readable. The port is for who
wants to look on while a run lasts. Not here: the metrics (metrics.py).
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, start_http_server, write_to_textfile

from dobby_pipeline.inference.metrics import PoolMetrics
from dobby_pipeline.logs import logger

METRICS_FILE = "dobby.prom"

LOOPBACK = "127.0.0.1"
"""Who may ask: this machine alone. Figures tell when and how much somebody works."""

_log = logger(__name__)


class AllPools(CollectorRegistry):
    """Several pools' metrics as one registry: each family once, with the samples of all."""

    def __init__(self, pools: Callable[[], Sequence[PoolMetrics]]) -> None:
        super().__init__()
        self._pools = pools

    def collect(self) -> Iterable[Metric]:
        """As prometheus_client asks for it."""
        families: dict[str, Metric] = {}
        for pool in self._pools():
            for family in pool.registry.collect():
                if family.name in families:
                    families[family.name].samples += family.samples
                else:
                    families[family.name] = family
        return families.values()


def write_text(folder: Path, pools: Callable[[], Sequence[PoolMetrics]]) -> None:
    """Put METRICS_FILE in place, whole; the metrics are worth no run, so a full disk is let be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(folder / METRICS_FILE), AllPools(pools))
    except OSError as error:
        _log.info("metrics not written", file=str(folder / METRICS_FILE), error=error.strerror)


def serve_text(port: int, pools: Callable[[], Sequence[PoolMetrics]]) -> Callable[[], None]:
    """Answer GET /metrics on this machine, until the returned function is called.

    A port that is taken, by another run perhaps, gives one warning.
    """
    try:
        server, thread = start_http_server(port, LOOPBACK, AllPools(pools))
    except OSError as error:
        _log.warning(
            "metrics have no port", port=port, error=error.strerror, setting="DOBBY_METRICS_PORT"
        )
        return lambda: None

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
