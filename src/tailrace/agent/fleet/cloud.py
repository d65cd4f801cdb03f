"""Whose machine it is rented from: by what the firmware says, and by what cloud-init wrote down.

Sources: the vendors' pages on telling their instances by DMI, cloud-init's page on instance-data
(the file readable by all, in which secrets are left out), OpenTelemetry's words for `cloud.*`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from tailrace.agent.fleet.facts import Facts

_DMI = "sys/class/dmi/id"
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"


class _Vendor(NamedTuple):
    """`file` of the firmware's strings begins with `text`."""

    file: str
    text: str
    provider: str
    platform: str


_VENDORS = (
    _Vendor("sys_vendor", "Amazon EC2", "aws", "aws_ec2"),
    _Vendor("product_name", "Google Compute Engine", "gcp", "gcp_compute_engine"),
    _Vendor("chassis_asset_tag", _AZURE_TAG, "azure", "azure_vm"),
    _Vendor("chassis_asset_tag", "OracleCloud.com", "oracle_cloud", "oracle_cloud_compute"),
    _Vendor("sys_vendor", "Alibaba Cloud", "alibaba_cloud", "alibaba_cloud_ecs"),
    _Vendor("sys_vendor", "Tencent Cloud", "tencent_cloud", "tencent_cloud_cvm"),
    _Vendor("sys_vendor", "DigitalOcean", "digitalocean", ""),
    _Vendor("sys_vendor", "Hetzner", "hetzner", ""),
    _Vendor("product_name", "OpenStack", "openstack", ""),
)
# cloud-init's words for the same.
_NAMES = {
    "aws": ("aws", "aws_ec2"),
    "gce": ("gcp", "gcp_compute_engine"),
    "azure": ("azure", "azure_vm"),
    "oracle": ("oracle_cloud", "oracle_cloud_compute"),
    "aliyun": ("alibaba_cloud", "alibaba_cloud_ecs"),
    "tencentcloud": ("tencent_cloud", "tencent_cloud_cvm"),
    "digitalocean": ("digitalocean", ""),
    "hetzner": ("hetzner", ""),
    "openstack": ("openstack", ""),
    "ibmcloud": ("ibm_cloud", ""),
}
_INSTANCE = re.compile("i-[0-9a-f]{8,17}")
_EC2_TYPE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")


class _V1(msgspec.Struct):
    cloud_name: str | None = None
    region: str | None = None
    availability_zone: str | None = None
    instance_id: str | None = None


class _Document(msgspec.Struct, rename="camel"):
    account_id: str | None = None
    instance_type: str | None = None


class _Identity(msgspec.Struct):
    document: _Document = msgspec.field(default_factory=_Document)


class _Dynamic(msgspec.Struct):
    """cloud-init writes the key as Amazon does; its page shows it with an underscore."""

    dashed: _Identity | None = msgspec.field(default=None, name="instance-identity")
    joined: _Identity | None = msgspec.field(default=None, name="instance_identity")


class _Ds(msgspec.Struct):
    dynamic: _Dynamic = msgspec.field(default_factory=_Dynamic)


class _Written(msgspec.Struct):
    v1: _V1 = msgspec.field(default_factory=_V1)
    ds: msgspec.Raw = msgspec.Raw(b"{}")


def identifiers(facts: Facts) -> dict[str, str]:
    """`cloud.*`, `host.type` and, where the cloud names the machine, `host.id`."""
    found = {**_from_firmware(facts), **_from_cloud_init(facts)}
    return {name: value for name, value in found.items() if value}


def _from_firmware(facts: Facts) -> dict[str, str]:
    for vendor in _VENDORS:
        if facts.line(f"{_DMI}/{vendor.file}").startswith(vendor.text):
            found = {"cloud.provider": vendor.provider, "cloud.platform": vendor.platform}
            return {**found, **(_ec2(facts) if vendor.provider == "aws" else {})}
    return {}


def _ec2(facts: Facts) -> dict[str, str]:
    """Instances of today say their type and id in the firmware."""
    kind, instance = facts.line(f"{_DMI}/product_name"), facts.line(f"{_DMI}/board_asset_tag")
    return {
        "host.type": kind if _EC2_TYPE.fullmatch(kind) else "",
        "host.id": instance if _INSTANCE.fullmatch(instance) else "",
    }


def _from_cloud_init(facts: Facts) -> dict[str, str]:
    """Only of a cloud that is known: elsewhere its names are made up by the image."""
    try:
        written = msgspec.json.decode(
            facts.text("run/cloud-init/instance-data.json").encode(), type=_Written
        )
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    v1 = written.v1
    provider, platform = _NAMES.get(v1.cloud_name or "", ("", ""))
    if not provider:
        return {}
    document = _document(written.ds)
    found = {
        "cloud.provider": provider,
        "cloud.platform": platform,
        "cloud.region": v1.region,
        "cloud.availability_zone": v1.availability_zone,
        "cloud.account.id": document.account_id,
        "host.id": v1.instance_id,
        "host.type": document.instance_type,
    }
    values = {name: facts.clean(value or "") for name, value in found.items()}
    return {name: value for name, value in values.items() if value}


def _document(ds: msgspec.Raw) -> _Document:
    """What Amazon signs for an instance; empty elsewhere."""
    try:
        dynamic = msgspec.json.decode(ds, type=_Ds).dynamic
    except (msgspec.MsgspecError, RecursionError):
        return _Document()
    found = dynamic.dashed or dynamic.joined
    return found.document if found else _Document()
