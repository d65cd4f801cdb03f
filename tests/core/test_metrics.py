"""Own metrics as Prometheus reads them."""

from __future__ import annotations

from tailrace.core.metrics import Metrics


def test_a_histogram_has_cumulative_buckets_a_sum_and_a_count() -> None:
    metrics = Metrics()
    for seconds in (0.003, 0.25, 0.3, 1_000.0):
        metrics.observe("tailrace_canary_seconds", seconds, "durable")
    lines = metrics.render().splitlines()
    assert lines[0] == "# TYPE tailrace_canary_seconds histogram"
    assert 'tailrace_canary_seconds_bucket{kind="durable",le="0.005"} 1' in lines
    assert 'tailrace_canary_seconds_bucket{kind="durable",le="0.25"} 2' in lines
    assert 'tailrace_canary_seconds_bucket{kind="durable",le="0.5"} 3' in lines
    assert 'tailrace_canary_seconds_bucket{kind="durable",le="600"} 3' in lines
    assert 'tailrace_canary_seconds_bucket{kind="durable",le="+Inf"} 4' in lines
    assert 'tailrace_canary_seconds_count{kind="durable"} 4' in lines


def test_a_histogram_of_several_labels_has_one_type_and_one_without_a_label_none() -> None:
    metrics = Metrics()
    metrics.observe("tailrace_canary_seconds", 1.0, "durable")
    metrics.observe("tailrace_canary_seconds", 1.0, "received")
    metrics.observe("tailrace_rule_delay_seconds", 1.0)
    text = metrics.render()
    assert text.count("# TYPE tailrace_canary_seconds histogram") == 1
    assert 'tailrace_rule_delay_seconds_bucket{le="1"} 1' in text
    assert "tailrace_rule_delay_seconds_count 1" in text
