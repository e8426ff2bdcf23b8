"""Named clients of the whole proxy: their routes, their name in the log, their token nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process import run
from tests.proxied import proxied
from tests.raw_upstream import RawUpstream

BILLING, REPORTS, OPERATOR = "CANARY-bil-9c31", "CANARY-rep-77d0", "CANARY-all-e28b"
KEY = "CANARY-key-0d1e-of-the-vendor"
SERVER = {
    "token": {"value": OPERATOR},
    "clients": {
        "billing": {"token": {"value": BILLING}, "routes": ["/io"]},
        "reports": {"token": {"value": REPORTS}, "routes": ["/io", "/io/inner"]},
    },
}


async def test_a_client_reaches_its_routes_and_gets_one_answer_for_all_else() -> None:
    async with RawUpstream() as vendor:
        providers = {"a": {"base_url": vendor.url, "auth": {"scheme": "static", "headers": {"X-Key": {"value": KEY}}}}}
        routes = {"/io": "a", "/io/inner": "a", "/wyre": "a"}
        secrets = (BILLING, REPORTS, OPERATOR, KEY)
        async with proxied(providers, routes, secrets=secrets, server=SERVER) as proxy:
            asked = {
                BILLING: {"/io": 200, "/io/x?y": 200, "/io/inner": 403, "/wyre": 403, "/none": 403, "/iox": 403},
                REPORTS: {"/io/inner/x": 200, "/wyre/x": 403, "/": 403},
                OPERATOR: {"/io": 200, "/wyre": 200, "/none": 404},
                "CANARY-xxx-9c31": {"/io": 403, "/none": 403},
            }
            refused = set()
            for token, expected in asked.items():
                for target, status in expected.items():
                    answer = await proxy.client.get(target, headers={"X-AuthProxy-Token": token})
                    assert answer.status_code == status, (token, target)
                    if answer.headers.get("X-AuthProxy-Error") == "client_not_allowed":
                        refused.add(answer.content)
            assert (await proxy.client.get("/io")).status_code == 403
            assert len(refused) == 1
            lines = [line for line in proxy.log_lines if line["event"] == "request"]
            assert await proxy.metric("authproxy_rejections_total", reason="client_not_allowed", route="/wyre") == 0
    assert [(line.get("client"), line["status"]) for line in lines[:2]] == [("billing", 200)] * 2
    assert {line.get("client") for line in lines} == {"billing", "reports", None}
    assert len(vendor.requests) == 5
    assert not any(request.values("x-authproxy-token") for request in vendor.requests)


@pytest.mark.parametrize("server", ["listen: 0.0.0.0:0", "listen: '[::]:0'", "listen: 192.0.2.1:80"])
def test_beyond_loopback_nobody_is_served_without_a_token(server: str, tmp_path: Path) -> None:
    config = tmp_path / "authproxy.yaml"
    config.write_text(
        f"server: {{{server}}}\n"
        "providers: {a: {base_url: http://127.0.0.1:1, auth: {scheme: static, headers: {X-Key: {value: k}}}}}\n"
        "routes: {/a: a}\n"
    )
    done = run("run", "-c", str(config))
    assert done.returncode == 78
    assert "set `server.token` or `server.clients`" in done.stderr
