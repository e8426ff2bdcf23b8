"""What is written down of requests, however many kinds of them there are."""

from __future__ import annotations

import io
import json
import time

from proxy.gateway.passage import Passage
from proxy.gateway.route import Route
from proxy.journal.journal import Journal
from proxy.ledger import _MOST_KINDS, Ledger
from proxy.logs import Log
from proxy.metrics import Metrics
from tests.served import provider


async def test_a_vendor_with_ever_new_statuses_fills_no_memory_and_each_is_told() -> None:
    out = io.StringIO()
    ledger = Ledger(Metrics("0"), Log(out, json=True, wall=time.time), Journal())
    route = Route.to(provider("https://vendor.test"), "/a")
    ledger.expect(route)
    for status in range(200, 1000):
        passage = Passage("GET", 0.0)
        passage.route, passage.status = route, status
        ledger.ended(passage, 1.0)
    ledger.settle()
    assert len(ledger._accounts[id(route)].lines) <= _MOST_KINDS
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["status"] for line in told if line["event"] == "request"] == list(range(200, 1000))
