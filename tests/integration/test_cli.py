"""The commands as processes: words, streams, exit codes."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from proxy.cli import cli
from proxy.config.presets import preset_names
from tests.process import invoked, run, running
from tests.raw_upstream import RawUpstream
from tests.wrong_configs import CANARY, WRONG_CONFIGS, WrongConfig
from tests.wrong_configs import ENVIRON as CONFIG_ENVIRON

SECRET = "CANARY-cli-5e1d-secret"


def write(folder: Path, text: str) -> str:
    path = folder / "authproxy.yaml"
    path.write_text(text)
    return str(path)


def config(base_url: str = "http://127.0.0.1:1", *, listen: str = "127.0.0.1:0", admin: str = "127.0.0.1:0") -> str:
    return f"""
server: {{listen: "{listen}", admin: "{admin}"}}
providers:
  acme: {{base_url: "{base_url}", auth: {{scheme: static, headers: {{Authorization: "Bearer ${{ACME}}"}}}}}}
routes:
  /acme: {{provider: acme, methods: [GET, POST]}}
"""


ENVIRON = {"ACME": SECRET}


def test_check_says_ok_for_a_good_configuration(tmp_path: Path) -> None:
    done = run("check", "-c", write(tmp_path, config()), environ=ENVIRON)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok, 1 routes to 1 providers" in done.stdout


def test_check_tells_all_mistakes_with_their_places_and_no_value(tmp_path: Path) -> None:
    path = write(tmp_path, config().replace("static", "statc").replace("methods: [GET", f"method: [{SECRET}"))
    done = run("check", "-c", path, environ=ENVIRON)
    assert done.returncode == 78
    lines = [line for line in done.stderr.splitlines() if line.startswith(path)]
    assert [line.split(": ")[0].removeprefix(path) for line in lines] == [":4:57", ":6:27"]
    assert "did you mean `static`?" in lines[0]
    assert SECRET not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_check_shows_the_line_of_each_mistake_with_carets_under_it(tmp_path: Path) -> None:
    done = run("check", "-c", write(tmp_path, config().replace("static", "statc")), environ=ENVIRON)
    message, line, carets = done.stderr.splitlines()
    assert message.endswith("did you mean `static`?")
    assert line[carets.index("^") :].startswith("statc, ")
    assert carets.strip(" |") == "^" * len("statc")


def test_check_writes_annotations_for_github(tmp_path: Path) -> None:
    path = write(tmp_path, config().replace("static", "statc").replace("/acme: {", "/a,c%me: {"))
    done = run("check", "--format", "github", "-c", path, environ=ENVIRON)
    assert (done.returncode, done.stderr) == (78, "")
    first, second = done.stdout.splitlines()
    assert first.startswith(f"::error file={path},line=4,col=57,title=authproxy check::providers.acme.auth.scheme: ")
    assert "routes.(a key)" in second
    path = write(
        tmp_path,
        config().replace(
            "routes:", "  spare: {base_url: 'https://a.test', auth: {scheme: static, query: {k: '${ACME}'}}}\nroutes:"
        ),
    )
    done = run("check", "--format", "github", "-c", path, environ=ENVIRON)
    assert (done.returncode, done.stdout) == (
        0,
        f"::warning file={path},line=5,col=3,title=authproxy check::providers.spare: no route leads to this provider\n",
    )


def test_check_speaks_json_to_tools(tmp_path: Path) -> None:
    done = run("check", "--format", "json", "-c", write(tmp_path, "routes: {}\n"))
    errors = json.loads(done.stdout)["errors"]
    assert done.returncode == 78
    assert {"file", "line", "column", "path", "message"} == set(errors[0])


@pytest.mark.parametrize("command", ["run", "check", "explain GET /acme/x", "routes"])
def test_a_configuration_that_is_not_there_is_78_without_a_traceback(command: str, tmp_path: Path) -> None:
    name, *arguments = command.split()
    done = run(name, "-c", str(tmp_path / "none.yaml"), *arguments)
    assert done.returncode == 78
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_usual_places_are_searched_and_named_when_nothing_is_there(tmp_path: Path) -> None:
    environ = {"ACME": SECRET, "HOME": str(tmp_path), "XDG_CONFIG_HOME": ""}
    done = run("check", cwd=tmp_path, environ=environ)
    assert done.returncode == 78
    assert "authproxy.yaml" in done.stderr
    write(tmp_path, config())
    assert run("check", cwd=tmp_path, environ=environ).returncode == 0


def test_a_wrong_option_is_a_usage_error() -> None:
    assert run("run", "--nonsense").returncode == 2
    assert run("nonsense").returncode == 2
    assert run("presets", "nonsense").returncode == 2


@pytest.mark.parametrize("which", ["listen", "admin"])
def test_an_address_in_use_is_75_with_one_line(which: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = write(tmp_path, config(**{which: f"127.0.0.1:{port}"}))
        done = run("run", "-c", path, environ=ENVIRON)
    assert done.returncode == 75
    assert len(done.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr


def test_a_file_or_address_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, config())
    done = run("run", "-c", path, "--listen", f"unix:{path}", environ=ENVIRON)
    assert (done.returncode, done.stderr) == (1, f"authproxy: unix:{path}: exists and is not a socket\n")
    done = run("explain", "-c", path, "GET", "/acme/x", "-d", "@no-such-file", environ=ENVIRON)
    assert (done.returncode, done.stderr) == (1, "authproxy: no-such-file: No such file or directory\n")


async def test_a_reload_changes_whom_the_admin_listener_answers(tmp_path: Path) -> None:
    path = write(tmp_path, config())
    async with httpx.AsyncClient(trust_env=False) as client:
        with running("run", "-c", path, environ=ENVIRON) as proxy:
            await asyncio.to_thread(lambda: proxy.address)
            page, host = f"http://{proxy.listening['admin']}/livez", {"Host": "status.test"}
            assert (await client.get(page, headers=host)).status_code == 421
            write(tmp_path, config().replace("server: {", "server: {allowed_hosts: [status.test], "))
            proxy.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(proxy.wait_for, "configuration reloaded")
            assert (await client.get(page, headers=host)).status_code == 200


def test_the_demo_without_its_extra_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "eth_account.py").write_text("raise ModuleNotFoundError(name='eth_account')")
    done = run("demo", environ={"PYTHONPATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "Error: the demo needs an extra: install authproxy[ethereum]\n")


def test_routes_are_listed_in_columns_however_long_the_names(tmp_path: Path) -> None:
    name = "a-provider-with-a-long-name"
    path = write(
        tmp_path, config().replace("acme: {base", f"{name}: {{base").replace("provider: acme", f"provider: {name}")
    )
    assert run("routes", "-c", path, environ=ENVIRON).stdout.split()[:2] == ["/acme", name]


async def test_a_reload_that_would_move_a_listener_is_refused_as_a_whole(tmp_path: Path) -> None:
    """Half of a configuration is none: with a wide listener that stays and a token that goes, it would be a hole."""
    path = write(tmp_path, config())
    with running("run", "-c", path, environ=ENVIRON) as proxy:
        address = await asyncio.to_thread(lambda: proxy.address)
        write(tmp_path, config(listen="127.0.0.1:1", admin="off").replace("/acme:", "/renamed:"))
        proxy.process.send_signal(signal.SIGHUP)
        line = await asyncio.to_thread(proxy.wait_for, "configuration not reloaded.*")
        assert f"{path}:2:18: server.listen: has changed, which takes a restart; and 1 more" in line[0]
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://{address}/renamed/x")).status_code == 404


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_serves_until_a_signal_and_ends_with_0(number: int, tmp_path: Path) -> None:
    path = write(tmp_path, config())
    with running("run", "-c", path, environ=ENVIRON, secrets=(SECRET,)) as proxy:
        assert httpx.get(f"http://{proxy.address}/none", trust_env=False).status_code == 404
        listening = proxy.listening
        assert proxy.stop(number) == 0
    assert listening["config"] == path
    assert listening["admin"].startswith("127.0.0.1:")


async def test_run_writes_one_json_line_a_request_and_no_query_body_or_credential(tmp_path: Path) -> None:
    async with RawUpstream() as vendor, httpx.AsyncClient(trust_env=False) as client:
        path = write(tmp_path, config(vendor.url))
        with running(
            "run", "-c", path, environ=ENVIRON, secrets=(SECRET, "CANARY-query-77", "CANARY-body-78")
        ) as proxy:
            address = await asyncio.to_thread(lambda: proxy.address)
            answer = await client.post(f"http://{address}/acme/x?q=CANARY-query-77", content="CANARY-body-78")
            assert answer.status_code == 200
            assert await asyncio.to_thread(proxy.stop) == 0
        line = next(json.loads(line) for line in proxy.err if '"request"' in line)
    assert vendor.requests[0].values("authorization") == [f"Bearer {SECRET}"]
    assert (line["route"], line["provider"], line["method"], line["status"]) == ("/acme", "acme", "POST", 200)
    assert (line["request_bytes"], line["response_bytes"], line["credential"]) == (14, 2, "static")
    assert line["duration_ms"] >= line["upstream_ms"] > 0


async def test_sighup_takes_the_new_configuration_and_keeps_the_old_one_when_the_new_is_wrong(tmp_path: Path) -> None:
    async with RawUpstream() as vendor, httpx.AsyncClient(trust_env=False) as client:
        path = write(tmp_path, config(vendor.url))
        with running("run", "-c", path, environ=ENVIRON, secrets=(SECRET,)) as proxy:
            address = await asyncio.to_thread(lambda: proxy.address)
            write(tmp_path, config(vendor.url).replace("/acme:", "/renamed:"))
            proxy.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(proxy.wait_for, "configuration reloaded")
            assert (await client.get(f"http://{address}/acme/x")).status_code == 404
            assert (await client.get(f"http://{address}/renamed/x")).status_code == 200
            write(tmp_path, "nonsense")
            proxy.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(proxy.wait_for, "configuration not reloaded")
            assert (await client.get(f"http://{address}/renamed/x")).status_code == 200
            metrics = (await client.get(f"http://{proxy.listening['admin']}/metrics")).text
    assert "authproxy_config_last_reload_successful 0.0" in metrics
    assert 'authproxy_config_reloads_total{outcome="ok"} 1.0' in metrics


def test_flags_beat_variables_which_beat_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, config(listen="127.0.0.1:1", admin="127.0.0.1:1"))
    environ = {**ENVIRON, "AUTHPROXY_LISTEN": "127.0.0.1:2", "AUTHPROXY_ADMIN": "off"}
    with running("run", "-c", path, "--listen", "127.0.0.1:0", environ=environ) as proxy:
        assert proxy.listening["admin"] == "off"
        assert not proxy.address.endswith((":1", ":2"))


def test_explain_shows_the_request_as_it_would_leave_with_secrets_masked(tmp_path: Path) -> None:
    path = write(tmp_path, config("http://127.0.0.1:1/v2"))
    arguments = ["explain", "-c", path, "GET", "/acme/x?a=%2F", "-H", "authorization: mine", "-H", "X-Kept: 1"]
    done = run(*arguments, environ=ENVIRON)
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:1/v2/x?a=%2F" in done.stdout
    assert "X-Kept: 1" in done.stdout
    assert "Authorization: Bearer ***" in done.stdout
    assert "mine" not in done.stdout
    assert SECRET not in done.stdout


def named(done: subprocess.CompletedProcess[str], name: str) -> list[str]:
    """What the lines of this name say."""
    assert done.returncode == 0, done.stderr
    return [line[16:] for line in done.stdout.splitlines() if line[:16].strip() == name]


def test_explain_shows_a_logins_body_with_secrets_masked_and_places_by_their_names(tmp_path: Path) -> None:
    """The form of a login is what a new provider most often gets wrong."""
    variables = 'variables: {user: me, key: {env: ACME_KEY}}, headers: {Authorization: "Bearer {{token}}"}'
    login = 'login: {path: /l, json: {user: "{{user}}", at: "{{timestamp}}", n: 5, keys: ["{{key}}", "${ACME_KEY}"]}}'
    refresh = 'refresh: {path: /r, form: {refresh_token: "{{refresh_token}}", key: "-{{key}}"}}'
    path = tmp_path / "a.yaml"
    auth = f"{{scheme: token_exchange, {variables}, {login}, {refresh}}}"
    path.write_text(f"providers: {{a: {{base_url: 'https://a.test', auth: {auth}}}}}\nroutes: {{/a: a}}\n")
    done = invoked("explain", "-c", str(path), "GET", "/a/x", environ={"ACME_KEY": SECRET})
    assert named(done, "login body") == ['{"user": "me", "at": "<timestamp>", "n": 5, "keys": ["***", "***"]}']
    assert named(done, "refresh body") == ["refresh_token=<refresh_token>&key=-***"]
    assert SECRET not in done.stdout


def test_explain_says_why_something_is_removed(tmp_path: Path) -> None:
    path = write(tmp_path, config().replace("auth:", "drop_query: [debug], drop_headers: [x-de*], auth:"))
    sent = ["Authorization: a", "Host: b", "Connection: close, X-Hop", "X-Hop: c", "X-AuthProxy-Token: d", "X-Debug: e",
            "X-Forwarded-For: f", "X-Kept: g"]  # fmt: skip
    fields = [word for field in sent for word in ("-H", field)]
    done = invoked("explain", "-c", path, "GET", "/acme/x?a=1&Debug=2&debug=3", *fields, environ=ENVIRON)
    assert named(done, "removed") == [
        "Authorization: the credential sets it",
        "Host: made anew for the vendor",
        "Connection: holds for the connection to the proxy only",
        "X-Hop: the Connection header keeps it to this hop",
        "X-AuthProxy-Token: meant for authproxy",
        "X-Debug: in the provider's drop_headers",
        "X-Forwarded-For: could change what the vendor reads as the caller, the path or the method",
        "?Debug=: in the provider's drop_query",
        "?debug=: in the provider's drop_query",
    ]
    assert named(done, "header") == ["Host: 127.0.0.1:1", "X-Kept: g"]


def test_explain_shows_what_the_route_adds_and_masks_what_is_a_secret(tmp_path: Path) -> None:
    text = config().replace("methods:", "query: {k: '${ACME}', p: a b}, headers: {X-K: '${ACME}', X-P: c}, methods:")
    done = invoked("explain", "-c", write(tmp_path, text), "GET", "/acme/x?q=1", environ=ENVIRON)
    assert named(done, "request") == ["GET http://127.0.0.1:1/x?q=1&k=***&p=a%20b"]
    assert [line.split("   ")[0] for line in named(done, "added")] == [
        "X-K: ***", "X-P: c", "Authorization: Bearer ***", "?k=***", "?p=a b",
    ]  # fmt: skip
    assert SECRET not in done.stdout


def test_explain_shows_what_becomes_of_a_trace(tmp_path: Path) -> None:
    sent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    fields = ("-H", f"Traceparent: {sent}", "-H", "tracestate: a=1")

    def explained(rule: str, *fields: str) -> tuple[list[str], list[str]]:
        path = write(tmp_path, config().replace("methods:", f"traceparent: {rule}, methods:"))
        done = invoked("explain", "-c", path, "GET", "/acme/x", *fields, environ=ENVIRON)
        return named(done, "header")[1:], named(done, "removed")

    assert explained("pass", *fields) == ([f"Traceparent: {sent}", "tracestate: a=1"], [])
    assert explained("make", *fields) == ([f"traceparent: {sent}", "tracestate: a=1"], [])
    assert explained("make") == (["traceparent: (made for each request)"], [])
    because = "the route has `traceparent: {}`"
    assert explained("drop", *fields)[1] == [
        f"{name}: {because.format('drop')}" for name in ("Traceparent", "tracestate")
    ]
    assert explained("make", "-H", "tracestate: a=1")[1] == [f"tracestate: {because.format('make')}"]


def test_explain_signs_what_it_shows_when_the_route_adds_a_secret(tmp_path: Path) -> None:
    auth = 'scheme: hmac_signature, key: {env: ACME}, message: "{{url}}{{nonce}}", headers: {S: "{{signature}}", N: "{{nonce}}"}'
    text = config().replace('scheme: static, headers: {Authorization: "Bearer ${ACME}"}', auth)
    done = invoked(
        "explain",
        "-c",
        write(tmp_path, text.replace("methods:", "query: {k: '${ACME}'}, methods:")),
        "GET",
        "/acme/x",
        environ=ENVIRON,
    )
    nonce = next(line for line in named(done, "added") if line.startswith("N: ")).split()[1]
    assert named(done, "string to sign") == [f"http://127.0.0.1:1/x?k=***{nonce}"]
    assert SECRET not in done.stdout


def test_explain_shows_a_websockets_handshake_and_what_its_first_message_gets(tmp_path: Path) -> None:
    path = write(tmp_path, config().replace("auth:", "graphql_subscriptions: true, auth:"))
    fields = ["-H", "Connection: Upgrade", "-H", "Upgrade: WebSocket", "-H", "Sec-WebSocket-Extensions: x"]
    done = invoked("explain", "-c", path, "GET", "/acme/x", *fields, environ=ENVIRON)
    assert named(done, "header") == ["Host: 127.0.0.1:1", "Connection: Upgrade", "Upgrade: websocket"]
    assert named(done, "added") == ["Authorization: Bearer ***   (by the credential)"]
    assert named(done, "removed") == [
        "Sec-WebSocket-Extensions: compressed messages could not be read, and the first one has to be"
    ]
    (first,) = named(done, "first message")
    assert first == "GraphQL's connection_init; into its payload.headers go Authorization: Bearer ***"
    no_handshake = invoked("explain", "-c", path, "POST", "/acme/x", *fields, environ=ENVIRON)
    assert named(no_handshake, "header") == ["Host: 127.0.0.1:1", "Sec-WebSocket-Extensions: x"]
    assert named(no_handshake, "first message") == []


def test_explain_speaks_json(tmp_path: Path) -> None:
    arguments = ["explain", "-c", write(tmp_path, config()), "--format", "json", "GET"]
    told = json.loads(invoked(*arguments, "/acme/x", "--compare", "Authorization: mine", environ=ENVIRON).stdout)
    assert (told["route"], told["provider"], told["url"]) == ("/acme", "acme", "http://127.0.0.1:1/x")
    assert {"name": "Authorization", "value": "Bearer ***", "by": "credential"} in told["headers"]
    assert told["comparison"]["fits"] == "mistakes"
    done = invoked(*arguments, "/none", environ=ENVIRON)
    assert (done.returncode, json.loads(done.stdout)["refused"]["code"]) == (1, "no_route")


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/none", "404 no_route: "),
        ("GET", "/Acme/x", "/acme: differs in upper and lower case"),
        ("GET", "/acmee", "/acme: the path goes on within the segment; /acme/ would fit"),
        ("GET", "/acne/x", "/acme: is nearly /acne"),
        ("GET", "acme/x", "/acme: a path begins with /"),
        (
            "DELETE",
            "/acme/x",
            "405 method_not_allowed: The route does not allow this method. Here it allows GET, POST.",
        ),
        ("GET", "/acme/../x", "400 bad_target: "),
        ("GET", "/acme/a b", "Here the character at position 8 has to be percent-encoded."),
        ("GET", "/acme/x?secret=1", "Here the route /acme denies parameter secret."),
    ],
)
def test_explain_says_how_a_request_would_be_refused_and_what_was_nearly_meant(
    method: str, path: str, words: str, tmp_path: Path
) -> None:
    text = config().replace("methods:", "deny_query: [secret], methods:")
    done = invoked("explain", "-c", write(tmp_path, text), method, path, environ=ENVIRON)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_explain_takes_a_whole_url_and_tells_of_other_routes_that_fit(tmp_path: Path) -> None:
    path = write(tmp_path, config("https://api.acme.test/v2") + "  /acme/deep: acme\n")
    for asked in ("http://localhost:8080/acme/deep/x?a=1", "/acme/deep/x?a=1"):
        done = invoked("explain", "-c", path, "GET", asked, environ=ENVIRON)
        assert named(done, "request") == ["GET https://api.acme.test/v2/x?a=1"]
        assert named(done, "not taken") == ["/acme: fits too, but the longest prefix wins"]
    done = invoked("explain", "-c", path, "GET", "https://api.acme.test/v2/x?a=1", environ=ENVIRON)
    assert named(done, "route") == ["/acme: the path begins with /acme/"]


def test_explain_compares_and_says_which_mistake_fits(tmp_path: Path) -> None:
    auth = 'scheme: hmac_signature, key: {env: ACME}, message: "{{url}}", headers: {X-Sign: "{{signature}}"}'
    path = write(tmp_path, config().replace('scheme: static, headers: {Authorization: "Bearer ${ACME}"}', auth))
    signature = hmac.new(SECRET.encode(), b"http://127.0.0.1:1/x?b=1&a=2", "sha256").hexdigest()
    arguments = ["explain", "-c", path, "GET", "/acme/x?a=2&b=1", "--compare", f"X-Sign: {signature}"]
    done = invoked(*arguments, environ=ENVIRON)
    assert named(done, "compared")[0] == "it fits if the query parameters are in the order b, a"
    assert SECRET not in done.stdout


def test_explain_logs_in_nowhere(tmp_path: Path) -> None:
    """The port is closed: an attempt would fail."""
    text = config().replace(
        'scheme: static, headers: {Authorization: "Bearer ${ACME}"}',
        'scheme: token_exchange, login: {json: {p: "${ACME}"}, path: /l}',
    )
    done = run("explain", "-c", write(tmp_path, text), "POST", "/acme/x", "-d", "body", environ=ENVIRON)
    assert done.returncode == 0, done.stderr
    assert "Authorization: Bearer <token>" in done.stdout


def test_presets_routes_and_schema_list_what_there_is(tmp_path: Path) -> None:
    listed = run("presets").stdout
    assert sorted(re.findall(r"^  (\S+)", listed, re.MULTILINE)) == list(preset_names())
    assert re.search(r"^  github-app +GitHub, as an App +app_id installation_id private_key$", listed, re.MULTILINE)
    assert re.search(r"^  defactor .* base_url domain uri private_key\|refresh_token$", listed, re.MULTILINE)
    shown = run("presets", "iofinnet").stdout
    assert re.search(r"^  client_secret +secret +required +the API key's client secret$", shown, re.MULTILINE)
    assert re.search(r"^  base_url +text +https://api.iofinnet.com$", shown, re.MULTILINE)
    assert "callers' own Stripe-Account, Stripe-Context are dropped" in run("presets", "stripe").stdout
    assert "did you mean `github`?" in run("presets", "gihtub").stderr
    assert "/acme" in run("routes", "-c", write(tmp_path, config()), environ=ENVIRON).stdout
    assert json.loads(run("schema").stdout)["$schema"]


def test_healthcheck_needs_neither_the_secrets_nor_a_right_configuration(tmp_path: Path) -> None:
    """It is asked every few seconds: no command is run for it, and a mistake that the proxy does not take ends nothing."""
    path, runs = tmp_path / "a.yaml", tmp_path / "runs"
    secret = f"{{exec: [sh, -c, 'echo >> {runs}; echo {SECRET}']}}"
    acme = f"{{base_url: 'https://a.test', auth: {{scheme: static, headers: {{X-Key: {secret}}}}}}}"
    server = "{listen: '127.0.0.1:0', admin: '127.0.0.1:0', watch: false}"
    path.write_text(f"server: {server}\nproviders: {{a: {acme}}}\nroutes: {{/a: a}}\n")
    with running("run", "-c", str(path), secrets=(SECRET,)) as proxy:
        admin = proxy.listening["admin"]
        assert run("healthcheck", "-c", str(path)).returncode == 0
        path.write_text(path.read_text().replace("static", "statc"))
        assert run("healthcheck", "-c", str(path)).returncode == 0
        nowhere = {"XDG_RUNTIME_DIR": str(tmp_path / "none"), "TMPDIR": str(tmp_path / "none")}
        path.write_text(path.read_text().replace("admin: '127.0.0.1:0'", f"admin: '{admin}'"))
        assert run("healthcheck", "-c", str(path), environ=nowhere).returncode == 0
        assert runs.read_text() == "\n"
    assert run("healthcheck", "-c", str(path), environ=nowhere).returncode == 1
    path.write_text("server: {admin: off}\n")
    assert "there is no admin listener" in run("healthcheck", "-c", str(path), environ=nowhere).stderr
    path.write_text("server: {admin")
    assert run("healthcheck", "-c", str(path), environ=nowhere).returncode == 78


def test_healthcheck_asks_the_admin_listener(tmp_path: Path) -> None:
    path = write(tmp_path, config())
    with running("run", "-c", path, environ=ENVIRON) as proxy:
        admin = proxy.listening["admin"]
        assert run("healthcheck", "--admin", admin).returncode == 0
        assert run("healthcheck", environ={"AUTHPROXY_ADMIN": admin}).returncode == 0
    dead = run("healthcheck", "--admin", admin)
    assert (dead.returncode, dead.stderr) == (1, f"authproxy: no proxy is alive at {admin}\n")
    assert run("healthcheck", "--admin", "nonsense").returncode == 2


def test_a_socket_file_serves_too_and_is_gone_afterwards(tmp_path: Path) -> None:
    socket_path = tmp_path / "proxy.sock"
    path = write(tmp_path, config(listen=f"unix:{socket_path}"))
    with running("run", "-c", path, environ=ENVIRON) as proxy:
        assert proxy.address == f"unix:{socket_path}"
        assert socket_path.stat().st_mode & 0o777 == 0o600
        transport = httpx.HTTPTransport(uds=str(socket_path))
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            assert client.get("/none").status_code == 404
    assert not socket_path.exists()


@pytest.mark.parametrize("wrong", WRONG_CONFIGS, ids=lambda wrong: wrong.name)
def test_run_and_check_end_with_78_at_the_place_of_each_mistake(wrong: WrongConfig, tmp_path: Path) -> None:
    path = write(tmp_path, wrong.text)
    environ = {**CONFIG_ENVIRON, "PATH": os.environ["PATH"]}
    for command in ("check", "run"):
        done = CliRunner().invoke(cli, [command, "-c", path], env=environ)
        assert done.exit_code == 78
        assert f"{path}:{wrong.line}:{wrong.column}: " in done.output
        assert wrong.fragment in done.output
        assert CANARY not in done.output
        assert "Traceback" not in done.output
