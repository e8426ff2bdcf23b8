"""docker-compose.yml: valid, confined, complete, and its steps walked as far as they go without an engine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import validate

from proxy.sandbox import Sandbox
from proxy.sandbox.__main__ import credentials
from tests.process import Running, run, running

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONFIG = (ROOT / "deploy" / "compose" / "config" / "config.yaml").read_text()
SECRETS = ROOT / "deploy" / "compose" / "secrets"
CONFINED = {
    "type": "object",
    "properties": {
        "read_only": {"const": True},
        "cap_drop": {"const": ["ALL"]},
        "security_opt": {"contains": {"const": "no-new-privileges:true"}},
        "ports": {"items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
        "image": {"type": "string", "pattern": r":[\w.]+$", "not": {"pattern": ":latest$"}},
        "volumes": {"items": {"type": "string", "pattern": "^./deploy/[a-z/]+:/[a-z/]+:ro$"}},
        "network_mode": {"const": "service:proxy"},
        "privileged": False,
        "user": {"not": {"pattern": "^(0|root)"}},
    },
    "required": ["image", "read_only", "cap_drop", "security_opt"],
}


def test_it_fits_the_schema_of_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*command, str(ROOT / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_published_to_this_machine_only(name: str) -> None:
    validate(SERVICES[name], CONFINED)


def test_whoever_can_say_how_he_is_says_so() -> None:
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["app"]
    for service in SERVICES.values():
        for other, condition in service.get("depends_on", {}).items():
            wanted = condition["condition"]
            assert other in SERVICES and (wanted == "service_started" or "healthcheck" in SERVICES[other])


def test_what_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            assert (ROOT / volume.partition(":")[0]).is_dir(), volume


def test_secrets_are_files_and_each_goes_only_where_it_is_used() -> None:
    assert {source["file"] for source in COMPOSE["secrets"].values()} == {
        f"./deploy/compose/secrets/{path.name}" for path in SECRETS.iterdir()
    }
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    read = set(re.findall(r"\{file: /run/secrets/(\w+)\}", CONFIG))
    assert set(SERVICES["proxy"]["secrets"]) == read
    assert set(SERVICES["vendors"]["secrets"]) == read - {"local_token"}
    assert SERVICES["app"]["secrets"] == ["local_token"]
    assert "prometheus" not in {name for name, service in SERVICES.items() if "secrets" in service}
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"


def test_the_images_user_can_read_the_secrets() -> None:
    """Compose mounts them with the mode that they have here."""
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in SECRETS.iterdir())


def test_the_images_own_health_check_is_the_proxys() -> None:
    [line] = re.findall(r"^HEALTHCHECK .* CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert ["CMD", *yaml.safe_load(line)] == SERVICES["proxy"]["healthcheck"]["test"]


def test_prometheus_scrapes_the_proxy_by_a_host_that_is_allowed() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in scraped for static in job["static_configs"] for target in static["targets"]]
    assert "proxy:9180" in targets
    assert "proxy:9180" in yaml.safe_load(CONFIG)["server"]["allowed_hosts"]
    rules = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["rule_files"]
    assert all((ROOT / "deploy/prometheus" / name).is_file() for name in rules)
    assert "/etc/prometheus/prometheus.yml" in " ".join(SERVICES["prometheus"]["command"])


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    [provider] = yaml.safe_load((folder / "dashboards" / "authproxy.yaml").read_text())["providers"]
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_PATHS_PROVISIONING"] == f"{provider['options']['path']}/provisioning"
    home = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/authproxy-dashboard.json"
    assert (ROOT / "deploy" / "grafana" / Path(home).name).is_file()
    assert SERVICES["grafana"]["volumes"] == [f"./deploy/grafana:{provider['options']['path']}:ro"]


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    """The vendors and the proxy with their own commands; only ports and the folder of the secrets differ."""
    secrets = {path.name: path.read_text().removesuffix("\n") for path in SECRETS.iterdir()}
    [python, *module] = SERVICES["vendors"]["entrypoint"]
    assert python == "python"
    arguments = here(SERVICES["vendors"]["command"])
    with running(*arguments, command=[sys.executable, *module], secrets=tuple(secrets.values())) as vendors:
        vendors.wait_for("one45")
        text = CONFIG.replace("/run/secrets", str(SECRETS)).replace(":8080   #", ":0   #").replace("0:9180", "0:0")
        for number, line in enumerate(vendors.out):
            text = text.replace(f"http://127.0.0.1:{9101 + number}", line.split()[1])
        (folder / "config.yaml").write_text(text)
        assert SERVICES["proxy"].keys().isdisjoint({"command", "entrypoint"}), "the image's own"
        with running("run", "-c", str(folder / "config.yaml"), secrets=tuple(secrets.values())) as proxy:
            proxy.wait_for("listening on")
            yield proxy
            assert proxy.stop() == 0
        assert vendors.stop() == 0


def here(words: list[str]) -> list[str]:
    return [word.replace("/run/secrets", str(SECRETS)).replace("9101", "0") for word in words]


def test_its_steps_lead_to_every_vendor_and_to_a_healthy_proxy(tmp_path: Path) -> None:
    with started(tmp_path) as proxy:
        address = proxy.address.replace("0.0.0.0", "127.0.0.1")
        token = (SECRETS / "local_token").read_text().strip()
        for emulator in Sandbox().emulators:
            method, path, headers, body = emulator.try_it
            words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", method]
            words += ["-H", f"X-AuthProxy-Token: {token}", "-H", "Host: proxy:8080"]
            words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
            words += ["-d", body.decode()] if body else []
            asked = subprocess.run(
                [*words, f"http://{address}/{emulator.route}{path}"], capture_output=True, text=True, check=True
            )
            assert asked.stdout == "200", emulator.name
        _, program, *arguments = SERVICES["proxy"]["healthcheck"]["test"]
        assert program == "authproxy"
        inside = {"AUTHPROXY_CONFIG": str(tmp_path / "config.yaml")}
        assert run(*arguments, environ=inside).returncode == 0
    assert run(*arguments, environ={**inside, "AUTHPROXY_ADMIN": proxy.listening["admin"]}).returncode == 1


def test_the_apps_loop_is_one_that_a_shell_can_read() -> None:
    [shell, option] = SERVICES["app"]["entrypoint"]
    [script] = SERVICES["app"]["command"]
    script = script.replace("$$", "$")
    subprocess.run([shell, "-n", option, script], check=True)
    routes = yaml.safe_load(CONFIG)["routes"]
    asked = [word for word in shlex.split(script) if word.startswith("$PROXY_URL/")]
    assert {word.split("/")[1] for word in asked} <= {route.strip("/") for route in routes}
    assert len(asked) == 3


def test_a_secret_of_an_emulator_is_in_the_file_of_its_name_and_else_made_up(tmp_path: Path) -> None:
    (tmp_path / "wyre_api_key").write_text("AK-FROM-A-FILE\n")
    assert credentials(tmp_path)["wyre"] == {"api_key": "AK-FROM-A-FILE"}
    assert credentials(tmp_path)["one45"] == {}
