"""Elasticsearch's clients: the real Python client, and what the shippers are known to ask."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest
from doors import MemorySink, run
from elastic_transport import HttpxAsyncHttpNode
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import async_bulk, bulk, parallel_bulk, streaming_bulk
from serving import served

from tailrace.core.errors import Busy
from tailrace.core.metrics import Metrics
from tailrace.gateway.elasticsetup import VERSION

CREATE = b'{"create":{"_index":"logs-shop-default"}}\n{"message":"paid"}\n'
NDJSON = {"Content-Type": "application/x-ndjson"}


def bodies(sink: MemorySink) -> list[str]:
    return [json.loads(line)["body"] for line in sink.data.splitlines()]


def documents(count: int) -> list[dict[str, Any]]:
    return [
        {"_op_type": "create", "_index": "logs-shop-default", "message": f"order {number}"}
        for number in range(count)
    ]


def test_the_python_client_sends_in_bulk() -> None:
    with served() as (url, sink), Elasticsearch(url) as client:
        assert client.info()["version"]["number"] == VERSION
        assert client.ping()
        assert bulk(client, documents(1_200)) == (1_200, [])
        assert all(ok for ok, _ in streaming_bulk(client, documents(30), chunk_size=7))
        assert all(ok for ok, _ in parallel_bulk(client, documents(30), thread_count=2))
        assert len(bodies(sink)) == 1_260
        assert bodies(sink)[:2] == ["order 0", "order 1"]


def test_the_python_client_is_told_which_documents_failed() -> None:
    actions = [
        *documents(1),
        {"_op_type": "delete", "_index": "a", "_id": "1"},
        {"_op_type": "index", "_index": "../a", "message": "x"},
        {"_op_type": "update", "_index": "a", "_id": "2", "doc": {"message": "x"}},
        *documents(1),
    ]
    with served() as (url, sink), Elasticsearch(url) as client:
        kept, errors = bulk(client, actions, raise_on_error=False)
        assert kept == 2
        assert isinstance(errors, list)
        assert [next(iter(error)) for error in errors] == ["delete", "index", "update"]
        assert errors[1]["index"]["error"]["type"] == "invalid_index_name_exception"
        assert bodies(sink) == ["order 0", "order 0"]


def test_the_python_client_sends_compressed_and_asynchronously() -> None:
    async def send(url: str) -> None:
        async with AsyncElasticsearch(
            url, http_compress=True, node_class=HttpxAsyncHttpNode
        ) as client:
            assert await async_bulk(client, documents(500)) == (500, [])

    with served() as (url, sink):
        asyncio.run(send(url))
        assert len(bodies(sink)) == 500


def test_the_python_client_finds_its_templates_there_and_creates_indices() -> None:
    with served() as (url, _), Elasticsearch(url) as client:
        assert client.indices.exists_index_template(name="logs")
        assert client.indices.put_index_template(name="logs", index_patterns=["logs-*"])
        assert client.indices.create(index="shop")["acknowledged"]
        assert client.indices.exists(index="shop")
        assert client.ilm.put_lifecycle(name="keep", policy={"phases": {}})["acknowledged"]
        assert client.ingest.put_pipeline(id="p", processors=[])["acknowledged"]
        assert client.cluster.health()["status"] == "green"


def test_the_python_client_sniffs_the_address_it_came_to() -> None:
    with served() as (url, sink), Elasticsearch(url, sniff_on_start=True) as client:
        assert bulk(client, documents(1)) == (1, [])
        assert bodies(sink) == ["order 0"]


# Method, path, headers, body; in the order in which each shipper sends them.
Asked = tuple[str, str, dict[str, str], bytes]
JSON = {"Accept": "application/json", "Content-Type": "application/json"}
BEATS: list[Asked] = [
    ("GET", "/", {"Accept": "application/json", "User-Agent": "Elastic-filebeat/8.19.0"}, b""),
    ("GET", "/_license?human=false", JSON, b""),
    ("GET", "/_xpack?human=false", JSON, b""),
    ("GET", "/_ilm/policy/filebeat", JSON, b""),
    ("PUT", "/_ilm/policy/filebeat", JSON, b'{"policy":{"phases":{}}}'),
    ("HEAD", "/_index_template/filebeat-8.19.0", JSON, b""),
    ("PUT", "/_index_template/filebeat-8.19.0", JSON, b"{}"),
    ("GET", "/_data_stream/filebeat-8.19.0", JSON, b""),
    ("PUT", "/_data_stream/filebeat-8.19.0", JSON, b""),
    ("GET", "/_ingest/pipeline/filebeat-8.19.0-x", JSON, b""),
    ("POST", "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status",
     {**JSON, "Content-Type": "application/json; charset=UTF-8"}, CREATE),
]  # fmt: skip
LOGSTASH: list[Asked] = [
    ("HEAD", "/", {"Accept": "*/*"}, b""),
    ("GET", "/", {"Accept": "*/*"}, b""),
    ("GET", "/_license", {"Accept": "*/*"}, b""),
    ("GET", "/_nodes/http", {"Accept": "*/*"}, b""),
    ("HEAD", "/_index_template/ecs-logstash", {}, b""),
    ("PUT", "/_index_template/ecs-logstash", JSON, b"{}"),
    ("HEAD", "/_template/logstash", {}, b""),
    ("POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", JSON, CREATE),
]
VECTOR: list[Asked] = [
    ("GET", "/", {"User-Agent": "Vector/0.50.0", "Accept-Encoding": "identity"}, b""),
    ("GET", "/_cluster/health", {"User-Agent": "Vector/0.50.0"}, b""),
    ("POST", "/_bulk?timeout=60s", NDJSON, CREATE),
]
FLUENT_BIT: list[Asked] = [
    ("POST", "/_bulk", {**NDJSON, "User-Agent": "Fluent-Bit"}, CREATE),
    ("POST", "/_bulk/?pipeline=none", NDJSON, CREATE),
]
FLUENTD: list[Asked] = [
    ("GET", "/", JSON, b""),
    ("HEAD", "/_template/shop", JSON, b""),
    ("PUT", "/_template/shop", JSON, b"{}"),
    ("HEAD", "/_alias/shop", JSON, b""),
    ("PUT", "/shop-000001", JSON, b"{}"),
    ("PUT", "/shop-000001/_alias/shop", JSON, b"{}"),
    ("POST", "/_bulk", NDJSON, CREATE),
]
OLDER: list[Asked] = [
    ("PUT", "/shop/_bulk", NDJSON, b'{"index":{}}\n{"message":"paid"}\n'),
    ("POST", "/shop/doc/_bulk", NDJSON, b'{"index":{"_type":"doc"}}\n{"message":"paid"}\n'),
]


@pytest.mark.parametrize(
    "asked",
    [BEATS, LOGSTASH, VECTOR, FLUENT_BIT, FLUENTD, OLDER],
    ids=["Beats", "Logstash", "Vector", "Fluent Bit", "Fluentd", "older clients"],
)
def test_a_shipper_gets_through_its_setup_and_sends(asked: list[Asked]) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for method, path, headers, content in asked:
            answer = await client.request(method, path, headers=headers, content=content)
            assert answer.status_code == 200, path
            assert answer.headers["X-Elastic-Product"] == "Elasticsearch"
            found = {} if method == "HEAD" else answer.json()
            if "_bulk" in path:
                assert found["errors"] is False
                assert {item["status"] for one in found["items"] for item in one.values()} == {201}
            elif method in ("PUT", "POST"):
                assert found["acknowledged"] is True
        assert set(bodies(sink)) == {"paid"}

    run(use)


def test_browsers_are_not_taken_for_clients() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        accept = "text/html,application/xhtml+xml,*/*;q=0.8"
        assert (await client.get("/", headers={"Accept": accept})).status_code == 404
        assert (await client.get("/", headers={"Accept": "*/*"})).json()["tagline"]
        assert (await client.get("/nothing")).status_code == 404
        assert (await client.head("/_nothing")).status_code == 404
        assert (await client.delete("/shop")).status_code == 404

    run(use)


@pytest.mark.parametrize("version", ["7", "8", "9"])
def test_the_media_type_that_a_client_understands_is_answered(version: str) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        kind = f"application/vnd.elasticsearch+json; compatible-with={version}"
        for path in ("/", "/_license"):
            answer = await client.get(path, headers={"Accept": kind})
            assert answer.headers["Content-Type"] == kind
        odd = await client.get("/", headers={"Accept": "application/vnd.x+json\x7f"})
        assert odd.headers["Content-Type"] == "application/json"

    run(use)


def test_errors_are_in_elasticsearchs_form() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post("/_bulk", content=b'{"create":{"_index":"a"}}\n{}')
        assert answer.status_code == 400
        assert answer.headers["X-Elastic-Product"] == "Elasticsearch"
        assert answer.json()["error"]["type"] == "illegal_argument_exception"
        assert answer.json()["error"]["root_cause"][0]["reason"].startswith("The bulk request")
        assert answer.json()["status"] == 400
        sink.failure = Busy("wait", 3.0, overload=False)
        answer = await client.post("/_bulk", content=CREATE)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
        assert answer.json()["error"]["type"] == "es_rejected_execution_exception"
        sink.failure = None
        bad = {"Content-Encoding": "br"}
        assert (await client.post("/_bulk", content=CREATE, headers=bad)).status_code == 415
        large = await client.post("/_bulk", content=b"x" * 2_000)
        assert (large.status_code, large.json()["status"]) == (413, 413)
        assert sink.frames == []

    run(use, body_compressed_bytes=1_000)


def test_a_bulk_of_which_nothing_can_be_kept_is_answered_item_by_item() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        content = b'{"create":{"_index":"a"}}\n{\n{"delete":{"_index":"a","_id":"x"}}\n'
        answer = await client.post("/_bulk", content=content)
        assert answer.status_code == 200
        assert answer.json()["errors"] is True
        assert [next(iter(item)) for item in answer.json()["items"]] == ["create", "delete"]
        assert sink.frames == []
        zipped = {**NDJSON, "Content-Encoding": "gzip"}
        assert (await client.post("/_bulk", content=gzip.compress(CREATE), headers=zipped)).json()[
            "errors"
        ] is False
        assert sink.frames[0].header.tenant == "mine"

    run(use, tenant="mine")


def test_a_host_header_never_reaches_the_answer_unless_it_is_an_address() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for host, address in (
            ("logs.example:9200", "logs.example:9200"),
            ("logs.example", "logs.example:80"),
            ('"><x', "127.0.0.1:9200"),
        ):
            answer = await client.get("/_nodes/_all/http", headers={"Host": host})
            (node,) = answer.json()["nodes"].values()
            assert node["http"]["publish_address"] == address

    run(use)
