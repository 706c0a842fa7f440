"""A process's counters as Prometheus reads them."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from paifang.core.runtime import Runtime


def expose(runtime: Runtime) -> tuple[bytes, str]:
    """The text, and its media type."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    for make in runtime.collectors:
        registry.register(make())
    return generate_latest(registry), CONTENT_TYPE_LATEST
