"""Who a machine is, from made-up roots."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.agent.fleet.identity import identity
from tailrace.core import limits

ID = "0123456789abcdef" * 4
POD = "12345678-9abc-def0-1234-56789abcdef0"
DMI = "sys/class/dmi/id"


def machine(root: Path, files: dict[str, str], **environment: str) -> dict[str, str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return identity(root, environment)


def cloud_init(**v1: str | None) -> dict[str, str]:
    return {"run/cloud-init/instance-data.json": json.dumps({"v1": v1})}


def test_a_plain_machine_says_its_name_id_and_system(tmp_path: Path) -> None:
    found = machine(
        tmp_path,
        {
            "etc/machine-id": f"{ID[:32]}\n",
            "proc/sys/kernel/hostname": "shop-1\n",
            "etc/os-release": 'NAME="Debian"\nPRETTY_NAME=\'Debian 12\'\nVERSION_ID="12"\n#x\n',
        },
    )
    assert found.pop("host.arch")
    assert found == {
        "host.name": "shop-1",
        "host.id": ID[:32],
        "os.type": "linux",
        "os.description": "Debian 12",
        "os.name": "Debian",
        "os.version": "12",
    }


def test_an_empty_root_still_has_a_name(tmp_path: Path) -> None:
    assert set(identity(tmp_path, {})) == {"host.name", "host.arch", "os.type"}


@pytest.mark.parametrize("text", ["uninitialized\n", "", "0123"])
def test_a_machine_id_that_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    assert "host.id" not in machine(tmp_path, {"etc/machine-id": text})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                f"{DMI}/sys_vendor": "Amazon EC2\n",
                f"{DMI}/product_name": "m7g.large\n",
                f"{DMI}/board_asset_tag": "i-0123456789abcdef0\n",
            },
            {
                "cloud.provider": "aws",
                "cloud.platform": "aws_ec2",
                "host.type": "m7g.large",
                "host.id": "i-0123456789abcdef0",
            },
        ),
        (
            {f"{DMI}/product_name": "Google Compute Engine\n"},
            {"cloud.provider": "gcp", "cloud.platform": "gcp_compute_engine"},
        ),
        (
            {
                f"{DMI}/sys_vendor": "Microsoft Corporation\n",
                f"{DMI}/chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77\n",
            },
            {"cloud.provider": "azure", "cloud.platform": "azure_vm"},
        ),
        ({f"{DMI}/sys_vendor": "Hetzner\n"}, {"cloud.provider": "hetzner"}),
        ({f"{DMI}/sys_vendor": "Microsoft Corporation\n"}, {}),  # Hyper-V of one's own
        ({f"{DMI}/sys_vendor": "Dell Inc.\n", f"{DMI}/product_name": "PowerEdge\n"}, {}),
    ],
)
def test_the_firmware_tells_the_cloud(
    tmp_path: Path, files: dict[str, str], expected: dict[str, str]
) -> None:
    found = machine(tmp_path, files)
    assert {k: v for k, v in found.items() if k.startswith(("cloud.", "host.type"))} == {
        k: v for k, v in expected.items() if k != "host.id"
    }
    assert found.get("host.id") == expected.get("host.id")


def test_cloud_init_tells_region_zone_and_instance(tmp_path: Path) -> None:
    known = {"v1": {"cloud_name": "aws", "region": "eu-north-1", "availability_zone": "eu-north-1a",
                    "instance_id": "i-0aaaaaaaaaaaaaaaa"},
             "ds": {"dynamic": {"instance-identity": {"document": {
                 "accountId": "111122223333", "instanceType": "t3.micro"}}}}}  # fmt: skip
    found = machine(
        tmp_path,
        {
            "run/cloud-init/instance-data.json": json.dumps(known),
            "etc/machine-id": ID[:32],
        },
    )
    assert found["cloud.region"] == "eu-north-1"
    assert found["cloud.availability_zone"] == "eu-north-1a"
    assert found["cloud.account.id"] == "111122223333"
    assert found["host.type"] == "t3.micro"
    assert found["host.id"] == "i-0aaaaaaaaaaaaaaaa"


def test_the_made_up_names_of_a_local_image_are_not_believed(tmp_path: Path) -> None:
    found = machine(tmp_path, cloud_init(cloud_name="nocloud", instance_id="iid-local01"))
    assert "host.id" not in found
    assert "cloud.provider" not in found


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v1": 3}', '{"v1":{"region":{}}}', "[" * 9999])
def test_nonsense_of_cloud_init_is_passed_over(tmp_path: Path, text: str) -> None:
    found = machine(tmp_path, {"run/cloud-init/instance-data.json": text})
    assert not [name for name in found if name.startswith("cloud.")]


@pytest.mark.parametrize(
    "line",
    [
        f"12:cpuset:/docker/{ID}",
        f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
        f"0::/machine.slice/libpod-{ID}.scope",
        f"3:cpu:/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:{ID}",
        f"0::/ecs/0f0f0f/{ID}",
    ],
)
def test_the_cgroup_tells_the_container(tmp_path: Path, line: str) -> None:
    assert machine(tmp_path, {"proc/self/cgroup": f"{line}\n"})["container.id"] == ID


def mounts(*pairs: tuple[str, str]) -> dict[str, str]:
    lines = [f"1 2 0:3 {root} {point} rw - ext4 /dev/x rw" for root, point in pairs]
    return {"proc/self/mountinfo": "\n".join(lines), "proc/self/cgroup": "0::/\n"}


@pytest.mark.parametrize(
    ("root", "point"),
    [
        (f"/var/lib/docker/containers/{ID}/hostname", "/etc/hostname"),
        (f"/containers/overlay-containers/{ID}/userdata/.containerenv", "/run/.containerenv"),
    ],
)
def test_the_runtimes_own_mounts_tell_the_container(tmp_path: Path, root: str, point: str) -> None:
    assert machine(tmp_path, mounts((root, point)))["container.id"] == ID


@pytest.mark.parametrize(
    ("root", "point", "environment"),
    [
        # Another container's, seen from its host.
        (f"/var/lib/docker/overlay2/{ID}/merged", "/var/lib/docker/overlay2/x", {}),
        (f"/containers/overlay-containers/{ID}/userdata/shm", "/var/lib/containers/shm", {}),
        # The pause container of the pod.
        (f"/sandboxes/{ID}/hostname", "/etc/hostname", {}),
        (
            f"/var/lib/docker/containers/{ID}/hostname",
            "/etc/hostname",
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        ),
    ],
)
def test_a_container_id_that_is_not_certain_is_left_out(
    tmp_path: Path, root: str, point: str, environment: dict[str, str]
) -> None:
    assert "container.id" not in machine(tmp_path, mounts((root, point)), **environment)


def test_a_pod_is_told_by_the_downward_api_and_the_kubelets_mounts(tmp_path: Path) -> None:
    found = machine(
        tmp_path,
        {
            **mounts(
                (f"/var/lib/kubelet/pods/{POD}/etc-hosts", "/etc/hosts"),
                (f"/var/lib/kubelet/pods/{POD}/containers/agent/0a1b", "/dev/termination-log"),
            ),
            "var/run/secrets/kubernetes.io/serviceaccount/namespace": "shop",
        },
        POD_NAME="shop-7d9",
        K8S_NODE_NAME="node-1",
    )
    assert {k: v for k, v in found.items() if k.startswith("k8s.")} == {
        "k8s.namespace.name": "shop",
        "k8s.pod.uid": POD,
        "k8s.container.name": "agent",
        "k8s.pod.name": "shop-7d9",
        "k8s.node.name": "node-1",
    }


def test_a_pod_name_outside_of_a_pod_means_nothing(tmp_path: Path) -> None:
    assert "k8s.pod.name" not in machine(tmp_path, {}, POD_NAME="x")


def test_the_environment_goes_before_files(tmp_path: Path) -> None:
    found = machine(
        tmp_path,
        cloud_init(cloud_name="gce", region="from-file"),
        OTEL_RESOURCE_ATTRIBUTES="cloud.region=from%20env,broken,=x,empty=, team = shop ",
        OTEL_SERVICE_NAME="checkout",
    )
    assert found["cloud.region"] == "from env"
    assert found["team"] == "shop"
    assert found["service.name"] == "checkout"
    assert not {"", "broken", "empty"} & set(found)


@given(st.text(), st.binary(max_size=300))
def test_whatever_stands_there_the_values_are_bounded_and_safe(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: bytes
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name in ("etc/machine-id", "etc/os-release", "proc/sys/kernel/hostname",
                 "proc/self/cgroup", "proc/self/mountinfo", f"{DMI}/sys_vendor"):  # fmt: skip
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    many = ",".join(f"k{n}={text}" for n in range(100))
    found = identity(root, {"OTEL_RESOURCE_ATTRIBUTES": many, "K8S_POD_NAME": text})
    assert len(found) <= limits.MACHINE_ATTRIBUTES
    for name, value in found.items():
        assert 0 < len(name) <= 256
        assert 0 < len(value) <= 256
        assert value.isprintable()


def test_a_huge_file_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "run/cloud-init/instance-data.json"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(limits.GIB)
    assert "cloud.provider" not in identity(tmp_path, {})
