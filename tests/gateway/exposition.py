"""A page of native histograms in the protobuf form that Prometheus scrapes them in.

Source: https://github.com/prometheus/client_model, io/prometheus/client/metrics.proto
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tailrace.wire.messages import classes

PROTOBUF = "application/vnd.google.protobuf"
_HISTOGRAM = 4
_messages = classes(
    "test_exposition",
    {
        "LabelPair": [("name", 1, "bytes"), ("value", 2, "bytes")],
        "BucketSpan": [("offset", 1, "sint32"), ("length", 2, "uint32")],
        "Histogram": [
            ("sample_count", 1, "uint64"),
            ("sample_sum", 2, "double"),
            ("sample_count_float", 4, "double"),
            ("schema", 5, "sint32"),
            ("zero_threshold", 6, "double"),
            ("zero_count", 7, "uint64"),
            ("zero_count_float", 8, "double"),
            ("negative_span", 9, "BucketSpan*"),
            ("negative_delta", 10, "sint64*"),
            ("positive_span", 12, "BucketSpan*"),
            ("positive_delta", 13, "sint64*"),
            ("positive_count", 14, "double*"),
        ],
        "Metric": [("label", 1, "LabelPair*"), ("histogram", 7, "Histogram")],
        "MetricFamily": [
            ("name", 1, "bytes"),
            ("help", 2, "bytes"),
            ("type", 3, "int32"),
            ("metric", 4, "Metric*"),
        ],
    },
)


def page() -> bytes:
    """shop_wait_seconds counts integers: 1 in (-1, -0.5], 2 around 0, 3 in (0.5, 1], 4 in (4, 8];
    shop_share fractions: 0.5 in (1, 2]."""
    wait = _messages["MetricFamily"](name=b"shop_wait_seconds", help=b"?", type=_HISTOGRAM)
    metric = wait.metric.add()
    metric.label.add(name=b"kind", value=b"paid")
    counts = metric.histogram
    counts.sample_count, counts.sample_sum, counts.schema = 10, 25.5, 0
    counts.zero_threshold, counts.zero_count = 0.001, 2
    counts.negative_span.add(offset=0, length=1)
    counts.negative_delta[:] = [1]
    counts.positive_span.add(offset=0, length=1)
    counts.positive_span.add(offset=2, length=1)
    counts.positive_delta[:] = [3, 1]
    share = _messages["MetricFamily"](name=b"shop_share", help=b"?", type=_HISTOGRAM)
    counts = share.metric.add().histogram
    counts.sample_count_float, counts.sample_sum, counts.zero_count_float = 0.75, 0.6, 0.25
    counts.zero_threshold = 0.001
    counts.positive_span.add(offset=1, length=1)
    counts.positive_count[:] = [0.5]
    families = [wait.SerializeToString(), share.SerializeToString()]
    assert all(len(one) < 0x80 for one in families)
    return b"".join(bytes((len(one),)) + one for one in families)


class Target(BaseHTTPRequestHandler):
    """Answers scrapes for protobuf until it is told to be gone."""

    gone = threading.Event()

    def do_GET(self) -> None:
        asked = PROTOBUF in self.headers.get("Accept", "") and not self.gone.is_set()
        self.send_response(200 if asked else 404)
        form = f"{PROTOBUF}; proto=io.prometheus.client.MetricFamily; encoding=delimited"
        self.send_header("Content-Type", form)
        self.end_headers()
        self.wfile.write(page())

    def log_message(self, format: str, *args: object) -> None: ...


@contextlib.contextmanager
def served(handler: type[BaseHTTPRequestHandler] = Target) -> Iterator[int]:
    """The port where `handler` answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
