"""Limits that only make sense beside each other."""

from __future__ import annotations

from tailrace.core import limits


def test_each_limit_leaves_room_for_the_others() -> None:
    assert limits.SQL_MEMORY_BYTES < limits.ENGINE_MEMORY_BYTES
    assert limits.BODY_COMPRESSED_BYTES <= limits.BODY_BYTES <= limits.BODIES_IN_FLIGHT_BYTES
    assert (
        limits.BODIES_RESERVED_BYTES
        <= limits.BODIES_IN_FLIGHT_BYTES - 2 * limits.BODY_COMPRESSED_BYTES
    )
    assert limits.ENGINE_RESERVE_BYTES < limits.DISK_RESERVE_BYTES
    assert (
        0
        < limits.OVERLOAD_RELIEF
        < limits.OVERLOAD_BULK
        < limits.OVERLOAD_METRICS
        < limits.OVERLOAD_ALL
        <= 1
    )
    assert limits.CONNECTIONS_PER_PEER <= limits.CONNECTIONS
    assert min(limits.GRPC_READING_BYTES, limits.BODY_BYTES) >= limits.GRPC_MESSAGE_BYTES
    assert limits.RELAY_JSON_BYTES <= limits.RELAY_BODY_BYTES <= limits.BODY_BYTES
    assert limits.PATTERN_BYTES <= limits.LINE_BYTES
    assert limits.QUERIES_PER_TENANT < limits.QUERIES_IN_FLIGHT
    assert (
        limits.QUERY_RESULT_BYTES
        < limits.QUERY_MEMORY_BYTES
        < limits.ENGINE_MEMORY_BYTES - limits.INDEX_CACHE_BYTES
    )
    assert limits.SLOW_TEXT_CHARS + limits.SLOW_PLAN_CHARS <= limits.LOG_TEXT_CHARS
    assert limits.LINE_BYTES <= limits.TEMPLATE_CHARS < limits.TEMPLATE_WORK_CHARS
    assert (
        limits.LINE_BYTES
        < limits.SPAN_BYTES
        < limits.FRAME_BYTES
        < limits.SEGMENT_BYTES
        < limits.QUEUE_BYTES
    )
    assert 4 * limits.LOG_TEXT_CHARS < limits.LINE_BYTES < limits.LOG_FILE_BYTES
    assert (
        limits.APP_RESOURCE_BYTES
        < limits.LINE_BYTES
        < limits.APP_BATCH_BYTES
        < limits.APP_QUEUE_BYTES
    )
    assert limits.APP_ATTRIBUTES < limits.ATTRIBUTES_PER_RECORD
    assert limits.MACHINE_ATTRIBUTES < limits.RESOURCE_ATTRIBUTES
    assert limits.ANNOUNCED_LOSSES < limits.LOSS_RECORDS
    assert limits.BODY_COMPRESSED_BYTES <= limits.FORWARD_HELD_BYTES
    assert limits.LINE_BYTES < limits.UNFINISHED_BYTES <= limits.MESSAGES_WAITING_BYTES
    assert limits.FRAME_BYTES <= limits.INSERT_BYTES <= limits.ARCHIVE_BYTES
    assert limits.TAIL_FOLLOWERS_OF_TENANT <= limits.TAIL_FOLLOWERS <= limits.CONNECTIONS
    assert limits.TAIL_ROWS <= limits.TAIL_BATCH_ROWS <= limits.TAIL_FOLLOWER_ROWS
    assert limits.FRAME_BYTES <= limits.TAIL_BATCH_BYTES <= limits.TAIL_BYTES_PER_S
    assert limits.TAIL_MESSAGE_BYTES < limits.TAIL_FOLLOWER_BYTES < limits.TAIL_HELD_BYTES
    assert limits.ALERT_NOTICES_PER_GROUP < limits.ALERT_NOTICES_PER_RECEIVER
    assert (
        limits.ALERT_LABELS_CHARS + limits.ALERT_ANNOTATIONS_CHARS
        < limits.ALERT_NOTICE_BYTES
        < limits.ALERT_NOTICES_BYTES
    )
    assert limits.RULES_PER_GROUP <= limits.RULES_PER_FILE <= limits.RULES_PER_TENANT
    assert limits.RULE_LABELS <= limits.LABELS_PER_SERIES
