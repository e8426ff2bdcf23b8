"""The manifests of deploy/kubernetes: valid, consistent, confined, and their steps walked as a kubelet would."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import validate

from proxy.sandbox import Wyre
from tests.deploy.mounted import Volume
from tests.process import Running, running

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS = {
    document["kind"]: document for path in sorted(FOLDER.iterdir()) for document in yaml.safe_load_all(path.read_text())
}
CONFIG: str = MANIFESTS["ConfigMap"]["data"]["config.yaml"]
PODS = {kind: MANIFESTS[kind]["spec"]["template"] for kind in ("Deployment", "Job")}
# The first with native sidecars, and the newest of which the schemas are at hand.
VERSIONS = ("1.29", kubernetes_validate.latest_version())


def sidecar(kind: str) -> dict[str, Any]:
    [container] = PODS[kind]["spec"]["initContainers"]
    return dict(container)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", sorted(MANIFESTS.keys() - {"PodMonitor"}))
def test_a_manifest_fits_kubernetes_schema_with_no_key_that_it_does_not_know(kind: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[kind], version, strict=True)


def test_a_key_that_kubernetes_does_not_know_is_noticed() -> None:
    wrong = yaml.safe_load((FOLDER / "job.yaml").read_text())
    wrong["spec"]["template"]["spec"]["initContainers"][0]["restartPolicies"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


# What of the operator's type is used here; the whole one is not part of Kubernetes.
POD_MONITOR = {
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "metadata": {"required": ["name"]},
        "spec": {
            "properties": {
                "selector": {"required": ["matchLabels"], "maxProperties": 1},
                "podMetricsEndpoints": {
                    "items": {
                        "properties": {
                            "port": {"type": "string", "maxLength": 15},
                            "path": {"type": "string", "pattern": "^/"},
                            "interval": {"type": "string", "pattern": r"^\d+s$"},
                        },
                        "required": ["port"],
                        "additionalProperties": False,
                    },
                    "minItems": 1,
                },
            },
            "required": ["selector", "podMetricsEndpoints"],
            "additionalProperties": False,
        },
    },
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": {"const": "PodMonitor"},
}


@pytest.mark.parametrize("kind", PODS)
def test_the_pod_monitor_finds_the_pods_and_the_port(kind: str) -> None:
    monitor = MANIFESTS["PodMonitor"]
    validate(monitor, POD_MONITOR)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= PODS[kind]["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in sidecar(kind)["ports"]}
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert ports[endpoint["port"]] == 9180
    assert yaml.safe_load(CONFIG)["server"]["admin"] == "0.0.0.0:9180"


def test_both_sidecars_are_the_same_but_for_readiness_which_a_job_has_none() -> None:
    deployed = sidecar("Deployment")
    assert deployed.pop("readinessProbe")["httpGet"]["path"] == "/readyz"
    assert deployed == sidecar("Job")
    assert deployed["restartPolicy"] == "Always"
    assert {"command", "args"}.isdisjoint(deployed), "the image's own"
    assert {deployed[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")} == {"/livez"}
    assert PODS["Deployment"]["spec"]["volumes"] == PODS["Job"]["spec"]["volumes"]


@pytest.mark.parametrize("kind", PODS)
def test_a_pod_passes_the_restricted_standard_and_names_what_it_needs(kind: str) -> None:
    spec = PODS[kind]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]
    assert not spec["automountServiceAccountToken"]
    for container in (*spec["initContainers"], *spec["containers"]):
        security = container["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["runAsUser"] > 0
        assert {"cpu", "memory"} == container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
        assert not container["image"].endswith(":latest") and ":" in container["image"]


@pytest.mark.parametrize("kind", PODS)
def test_what_is_mounted_is_what_the_configuration_reads(kind: str) -> None:
    """By folder: a mount by subPath would never change."""
    mounts = {mount["name"]: mount for mount in sidecar(kind)["volumeMounts"]}
    assert not any("subPath" in mount for mount in mounts.values())
    assert mounts["authproxy-config"]["mountPath"] == "/etc/authproxy"
    volumes = {volume["name"]: volume for volume in PODS[kind]["spec"]["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["authproxy-config"]["configMap"]["name"] == MANIFESTS["ConfigMap"]["metadata"]["name"]
    secret = volumes["authproxy-secrets"]["secret"]
    assert secret == {"secretName": MANIFESTS["Secret"]["metadata"]["name"], "defaultMode": 0o440}
    # Of the group's, which therefore has to be the sidecar's.
    assert PODS[kind]["spec"]["securityContext"]["fsGroup"] == sidecar(kind)["securityContext"]["runAsGroup"]
    folder = mounts["authproxy-secrets"]["mountPath"]
    read = [value["file"] for value in yaml.safe_load(CONFIG)["providers"]["wyre"].values() if isinstance(value, dict)]
    assert sorted(read) == sorted(f"{folder}/{name}" for name in MANIFESTS["Secret"]["stringData"])


@pytest.mark.parametrize("kind", PODS)
def test_the_sidecar_has_time_to_end_gracefully(kind: str) -> None:
    server = yaml.safe_load(CONFIG)["server"]
    assert server.keys().isdisjoint({"drain_delay", "drain_timeout"}), "the defaults, 0 and 25 s"
    assert PODS[kind]["spec"]["terminationGracePeriodSeconds"] > 25


@contextmanager
def started(folder: Path, url: str, keys: dict[str, str]) -> Iterator[tuple[Running, Volume, Volume]]:
    """The sidecar as the kubelet starts it, with its two volumes."""
    config, secrets = Volume(folder / "config"), Volume(folder / "secrets", 0o440)
    secrets.put(keys)
    config.put({"config.yaml": adapted(CONFIG, secrets.folder, url)})
    # The image's CMD is `run`, which looks into /etc/authproxy/config.yaml; here the file has to be named.
    arguments = ["run", "-c", str(config.folder / "config.yaml")]
    with running(*arguments, environ={"TMPDIR": str(folder)}, secrets=tuple(keys.values())) as proxy:
        proxy.wait_for("listening on")
        yield proxy, config, secrets


def adapted(config: str, secrets: Path, url: str) -> str:
    """The configuration with what differs here: free ports, the secrets' folder, the emulator's address."""
    for there, here in {
        "127.0.0.1:8080": "127.0.0.1:0",
        "0.0.0.0:9180": "0.0.0.0:0",
        "/run/secrets/authproxy": str(secrets),
        "preset: wyre": f"preset: wyre\n    base_url: {url}",
    }.items():
        assert there in config
        config = config.replace(there, here)
    return config


def probed(probe: dict[str, Any], port: int) -> int:
    """As the kubelet asks: by the pod's address, not by a name. 127.0.0.2 stands for it."""
    connection = HTTPConnection("127.0.0.2", port, timeout=probe.get("timeoutSeconds", 1) + 30)
    try:
        connection.request("GET", probe["httpGet"]["path"], headers={"User-Agent": "kube-probe/1.29"})
        return connection.getresponse().status
    finally:
        connection.close()


def worked(container: dict[str, Any], address: str) -> subprocess.CompletedProcess[str]:
    """The Job's own command, in the environment that its manifest gives it."""
    environ = {one["name"]: one["value"].replace("127.0.0.1:8080", address) for one in container["env"]}
    path = {"PATH": os.environ["PATH"], "no_proxy": "*"}
    return subprocess.run(
        container["command"], env={**path, **environ}, capture_output=True, text=True, timeout=30, check=False
    )


def pair(vendor: Wyre, prefix: str = "") -> dict[str, str]:
    """The two keys of the emulator's account, or of its second one."""
    names = ("api_key", "secret_key") if not prefix else ("session_api_key", "session_key")
    return dict(zip(MANIFESTS["Secret"]["stringData"], (vendor.credentials[name] for name in names), strict=True))


async def test_the_manifests_steps_lead_to_a_job_that_ends(tmp_path: Path) -> None:
    """Started, probed, asked by the Job's own command, and ended by SIGTERM with code 0."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    async with Wyre() as vendor:

        def walk() -> int:
            with started(tmp_path, vendor.url, pair(vendor)) as (proxy, _, _):
                port = int(proxy.listening["admin"].rpartition(":")[2])
                probes = [sidecar("Deployment")[f"{name}Probe"] for name in ("startup", "readiness", "liveness")]
                assert [probed(probe, port) for probe in probes] == [200, 200, 200]
                [container] = PODS["Job"]["spec"]["containers"]
                done = worked(container, proxy.address)
                assert (done.returncode, done.stderr) == (0, "")
                return proxy.stop()

        assert await asyncio.to_thread(walk) == 0
    assert [received.verdict for received in vendor.api_requests] == ["ok"]


async def test_a_changed_secret_and_configuration_arrive_by_the_symlinks_swap(tmp_path: Path) -> None:
    async with Wyre() as vendor:

        def walk() -> None:
            with started(tmp_path, vendor.url, pair(vendor)) as (proxy, config, secrets):
                port = int(proxy.listening["admin"].rpartition(":")[2])
                ready = partial(probed, sidecar("Deployment")["readinessProbe"], port)
                secrets.put(pair(vendor, "session"))
                proxy.wait_for("configuration reloaded")
                text = adapted(CONFIG, secrets.folder, vendor.url)
                config.put({"config.yaml": text.replace("/wyre: wyre", "/renamed: wyre")})
                for _ in range(200):
                    if asked(proxy.address, "/renamed/v2/rates") == 200:
                        break
                    with suppress(subprocess.TimeoutExpired):
                        proxy.process.wait(0.05)
                assert asked(proxy.address, "/renamed/v2/rates") == 200
                assert asked(proxy.address, "/wyre/v2/rates") == 404
                assert ready() == 200

        await asyncio.to_thread(walk)
    assert {received.verdict for received in vendor.api_requests} == {"ok"}
    [key] = {received.values("X-Api-Key")[0].decode() for received in vendor.api_requests}
    assert key == vendor.credentials["session_api_key"]


def asked(address: str, path: str) -> int:
    connection = HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_deployments_app_is_a_shell_that_can_read_its_command() -> None:
    [container] = PODS["Deployment"]["spec"]["containers"]
    shell, option, script = container["command"]
    assert (shell, option) == ("sh", "-c")
    subprocess.run(["sh", "-n", "-c", script], check=True)
    assert container["env"] == PODS["Job"]["spec"]["containers"][0]["env"]
