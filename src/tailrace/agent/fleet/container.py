"""In which container and pod this process runs, where that is certain.

The id stands in the cgroup path under cgroup v1. Under v2 the runtime's own mounts of
/etc/hostname and its like tell it, but in Kubernetes those belong to the pod's pause container:
there they are not believed. What the kubelet mounts tells the pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tailrace.agent.fleet.facts import Facts

_ID = re.compile(r"(?:.*[-:])?([0-9a-f]{64})(?:\.scope)?")
_MOUNTED = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"})
_MOUNT_ROOT = re.compile(r"/(?:overlay-)?containers/([0-9a-f]{64})/")
_POD_ROOT = re.compile(r"/pods/([0-9a-f-]{36})/etc-hosts$")
_CONTAINER_ROOT = re.compile(r"/pods/[0-9a-f-]{36}/containers/([a-z0-9-]{1,63})/[0-9a-f]+$")
_ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"
# Names of the environment by identifier: ours, and the ones that manifests use anyway.
_VARIABLES = {
    "k8s.cluster.name": ("K8S_CLUSTER_NAME",),
    "k8s.namespace.name": ("K8S_NAMESPACE", "K8S_NAMESPACE_NAME", "POD_NAMESPACE"),
    "k8s.node.name": ("K8S_NODE_NAME", "NODE_NAME"),
    "k8s.pod.name": ("K8S_POD_NAME", "POD_NAME"),
    "k8s.pod.uid": ("K8S_POD_UID", "POD_UID"),
    "k8s.container.name": ("K8S_CONTAINER_NAME",),
    "k8s.deployment.name": ("K8S_DEPLOYMENT_NAME",),
}


def identifiers(facts: Facts, environment: Mapping[str, str]) -> dict[str, str]:
    """`container.id` and `k8s.*`."""
    in_pod = "KUBERNETES_SERVICE_HOST" in environment or facts.exists(_ACCOUNT)
    found = {"container.id": _container_id(facts, in_pod)}
    if in_pod:
        found |= {"k8s.namespace.name": facts.line(f"{_ACCOUNT}/namespace"), **_mounted(facts)}
    for name, variables in _VARIABLES.items():
        for variable in variables:
            value = facts.clean(environment.get(variable, ""))
            if value and (in_pod or variable.startswith("K8S_")):
                found[name] = value
                break
    return {name: value for name, value in found.items() if value}


def _container_id(facts: Facts, in_pod: bool) -> str:
    for line in facts.text("proc/self/cgroup").splitlines():
        if match := _ID.fullmatch(line.rpartition("/")[2]):
            return match[1]
    if in_pod:
        return ""
    for root, point in _mounts(facts):
        if point in _MOUNTED and (match := _MOUNT_ROOT.search(root)):
            return match[1]
    return ""


def _mounted(facts: Facts) -> dict[str, str]:
    found = {}
    for root, point in _mounts(facts):
        if point == "/etc/hosts" and (match := _POD_ROOT.search(root)):
            found["k8s.pod.uid"] = match[1]
        elif match := _CONTAINER_ROOT.search(root):
            found["k8s.container.name"] = match[1]
    return found


def _mounts(facts: Facts) -> Iterator[tuple[str, str]]:
    """Root within its file system, and mount point; fields four and five of a line."""
    for line in facts.text("proc/self/mountinfo").splitlines():
        fields = line.split(" ", 5)
        if len(fields) == 6:
            yield fields[3], fields[4]
