"""The gateway's counters in Prometheus's form, made when they are asked for."""

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.relay.app import Relay
from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT
from paifang.modules.gateway.relay.stats import SECONDS_BUCKETS, Histogram


class GatewayCollector(Collector):
    """Reads the relay's plain counters; the hot path knows nothing of Prometheus."""

    def __init__(self, relay: Relay, flusher: Flusher, local: LocalModels) -> None:
        self._relay = relay
        self._flusher = flusher
        self._local = local

    def collect(self) -> Iterator[Metric]:
        """Every metric of the gateway."""
        counters = self._relay.counters
        counters.settle()
        calls = CounterMetricFamily(
            "paifang_gateway_calls",
            "Finished calls of authenticated callers.",
            labels=["model", "channel", "outcome", "status"],
        )
        for (model, channel, outcome, status), count in counters.calls.items():
            calls.add_metric([model, channel, outcome, str(status)], count)
        yield calls

        tokens = CounterMetricFamily(
            "paifang_gateway_tokens", "Model tokens by bucket.", labels=["model", "bucket"]
        )
        for (model, bucket), count in counters.tokens.items():
            tokens.add_metric([model, bucket], count)
        yield tokens

        cost = CounterMetricFamily(
            "paifang_gateway_cost", "Spent, in the metering currency.", labels=["model"]
        )
        for model, nanos in counters.cost.items():
            cost.add_metric([model], nanos / NANOS_PER_UNIT)
        yield cost

        yield _counter(
            "paifang_gateway_unpriced_calls", "Calls without a price.", "model", counters.unpriced
        )
        yield _counter(
            "paifang_gateway_unauthenticated",
            "Calls refused before their caller was known.",
            "code",
            counters.unauthenticated,
        )
        failed = CounterMetricFamily(
            "paifang_gateway_failed_attempts",
            "Upstreams that failed.",
            labels=["channel", "code"],
        )
        for (channel, code), count in counters.failed_attempts.items():
            failed.add_metric([channel, code], count)
        yield failed

        yield _histogram("paifang_gateway_call_seconds", "Whole calls.", counters.duration)
        yield _histogram(
            "paifang_gateway_first_byte_seconds", "Time to the first byte.", counters.first_byte
        )
        yield CounterMetricFamily(
            "paifang_gateway_journal_full",
            "Calls whose record found no room.",
            value=counters.journal_full,
        )
        yield CounterMetricFamily(
            "paifang_gateway_logs_stored",
            "Records carried from the journal to the database.",
            value=self._flusher.shipped,
        )
        yield CounterMetricFamily(
            "paifang_gateway_logs_rejected",
            "Records no log can hold, put aside in rejected.jsonl beside the journal.",
            value=self._flusher.rejected,
        )
        yield GaugeMetricFamily(
            "paifang_gateway_calls_in_flight", "Calls now.", value=self._relay.in_flight
        )
        yield GaugeMetricFamily(
            "paifang_gateway_snapshot_version",
            "Version of the groups, tokens, channels and prices in use.",
            value=self._relay.snapshot.version,
        )
        memory = GaugeMetricFamily(
            "paifang_gateway_local_model_bytes", "Memory of a local model.", labels=["model"]
        )
        for running in self._local.status():
            if running.rss is not None:
                memory.add_metric([running.model], running.rss)
        yield memory


def _counter(name: str, text: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _histogram(name: str, text: str, histograms: dict[str, Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["model"])
    for model, histogram in histograms.items():
        buckets: list[tuple[str, float]] = []
        sum_so_far = 0
        bounds = [*(str(bound) for bound in SECONDS_BUCKETS), "+Inf"]
        for bound, count in zip(bounds, histogram.counts, strict=True):
            sum_so_far += count
            buckets.append((bound, sum_so_far))
        family.add_metric([model], buckets=buckets, sum_value=histogram.total)
    return family
