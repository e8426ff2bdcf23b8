"""What the benchmark makes of what it sees. Nothing here is timed: figures belong to the benchmark."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench import open_loop
from bench.answers import Answer
from bench.cases import CASES
from bench.contender import CALLERS_OWN, CREDENTIAL
from bench.contenders import contenders
from bench.figures import Figure, figure, paired_difference, paired_ratio, percentile
from bench.in_process import CALLERS, KINDS
from bench.installed import ROOT
from bench.machine import described
from bench.readme import BEGIN, END, MissingMarkers, replaced, summary
from bench.rounds import Extent, Rows, in_turn
from bench.servers import busy_ticks
from bench.table import CASE_TITLES, busy, related, relation, tables
from bench.verification import NotAuthenticated, problem_of, request_head, verify
from bench.wrk import WrkReport, report_of

README = Path(__file__).parents[2] / "README.md"
REPORT = """Running 3s test @ http://127.0.0.1:1/plain/small
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.40ms  700.99us  18.53ms   94.71%
    Req/Sec    46.74k     3.13k   50.26k    86.67%
  Latency Distribution
     50%    1.28ms
     75%    1.50ms
     90%    1.81ms
     99%    {p99}
  139477 requests in 3.00s, 160.09MB read
{trouble}Requests/sec:  46466.60
"""


@pytest.mark.parametrize(
    ("p99", "milliseconds"), [("810.00us", 0.81), ("4.31ms", 4.31), ("1.25s", 1250.0), ("1.50m", 90_000.0)]
)
def test_wrks_report_is_read_whatever_its_units(p99: str, milliseconds: float) -> None:
    assert report_of(REPORT.format(p99=p99, trouble="")) == WrkReport(139477, 0, 0, 3.0, milliseconds)


def test_failures_and_broken_connections_are_seen() -> None:
    """A proxy that answers 502 quickly would look fast."""
    trouble = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 17\n"
    report = report_of(REPORT.format(p99="4.31ms", trouble=trouble))
    assert (report.failures, report.broken) == (17, 10)


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        report_of("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_a_figure_is_the_median_with_its_spread() -> None:
    assert figure([3.0, 9.0, 1.0]) == Figure(3.0, 1.0, 9.0)


def test_ratios_and_differences_are_taken_round_by_round() -> None:
    """A machine that is twice as slow in one round makes no contender look better than another."""
    base, other = [10.0, 20.0, 10.0], [5.0, 10.0, 5.0]
    assert paired_ratio(base, other) == Figure(2.0, 2.0, 2.0)
    assert paired_difference(base, [one + 1 for one in base]) == Figure(1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="shorter"):
        paired_ratio(base, other[:2])


def test_a_percentile_is_a_value_that_was_seen() -> None:
    samples = [float(number) for number in range(100, 0, -1)]
    assert [percentile(samples, percent) for percent in (1, 50, 99, 100)] == [1.0, 50.0, 99.0, 100.0]
    assert percentile([7.0], 99) == 7.0
    assert percentile(samples + samples[:50], 99) == 100.0  # the 149th of 150, not the 148th


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_an_answer_ends_where_it_ends_however_it_is_cut(answer: bytes) -> None:
    for size in range(1, len(answer) + 1):
        pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
        read = Answer()
        assert [read.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert read.status == 200 and read.is_kept


def test_an_answer_may_close_its_connection_and_must_have_a_length() -> None:
    closing = Answer()
    assert closing.feed(b"HTTP/1.1 401 No\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n")
    assert (closing.status, closing.is_kept) == (401, False)
    with pytest.raises(ValueError, match="without a length"):
        Answer().feed(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([f"authorization: {CREDENTIAL}"], None),
        ([], "0 Authorization"),
        (["Authorization: Bearer something-else"], "not the credential"),
        ([f"Authorization: {CREDENTIAL}", f"Authorization: {CREDENTIAL}"], "2 Authorization"),
        ([f"Authorization: {CREDENTIAL}", f"Authorization: {CALLERS_OWN}"], "caller's"),
        ([f"Authorization: {CREDENTIAL}", f"X-Original-Authorization: {CALLERS_OWN}"], "caller's"),
    ],
)
def test_a_contender_has_to_send_the_credential_alone(fields: list[str], problem: str | None) -> None:
    found = problem_of(200, "\r\n".join(["GET /head HTTP/1.1", "Host: x", *fields]))
    assert found is None if problem is None else problem in str(found)
    assert problem_of(502, "") == "answered 502"


class Vendor:
    """Answers every request, once so many of them have come."""

    def __init__(self, wait_for: int, status: bytes = b"200 OK") -> None:
        self._status = status
        self._barrier = threading.Event()
        self._wait_for = wait_for
        self._seen = 0
        self._lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                with self._lock:
                    self._seen += 1
                    if self._seen >= self._wait_for:
                        self._barrier.set()
                self._barrier.wait(20)
                connection.sendall(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % self._status)


def test_load_at_a_rate_does_not_wait_for_answers() -> None:
    """Nothing is answered until more requests came than there were connections: a closed loop would wait for ever."""
    vendor = Vendor(wait_for=open_loop.KEPT_AT_FIRST * 2)
    with vendor.listener:
        head = request_head(vendor.port, "/small", CREDENTIAL)
        report = open_loop.run(vendor.port, head, rate=1000, seconds=0.2, warm_up=0)
    assert report.failures == 0
    assert report.requests == len(list(open_loop.due_times(1000, 0.2))) > open_loop.KEPT_AT_FIRST * 2
    assert report.p50_ms <= report.p99_ms <= report.worst_ms


def test_a_refusal_and_silence_are_failures() -> None:
    """Whoever answers 401 quickly, or not at all, has no good latency."""
    refusing, silent = Vendor(1, b"401 Unauthorized"), Vendor(10_000)
    with refusing.listener, silent.listener:
        head = request_head(1, "/small", CREDENTIAL)
        refused = open_loop.run(refusing.port, head, rate=200, seconds=0.1, warm_up=0)
        assert refused.failures == refused.asked > 0
        unanswered = open_loop.run(silent.port, head, rate=200, seconds=0.1, warm_up=0, patience=0.1)
        assert (unanswered.failures, unanswered.requests) == (unanswered.asked, 0)


def test_what_is_due_in_the_warm_up_is_asked_but_not_counted() -> None:
    vendor = Vendor(wait_for=1)
    with vendor.listener:
        report = open_loop.run(vendor.port, request_head(1, "/", CREDENTIAL), rate=200, seconds=0.1, warm_up=0.1)
    due = list(open_loop.due_times(200, 0.2))
    assert (report.asked, report.requests) == (len(due), len([one for one in due if one >= 0.1]))
    assert 0 < report.requests < report.asked


def test_every_contender_meets_the_same_schedule() -> None:
    assert list(open_loop.due_times(500, 1)) == list(open_loop.due_times(500, 1))


def test_verification_asks_the_contender() -> None:
    """A server that answers 200 with something else has shown nothing."""
    vendor = Vendor(wait_for=1)
    with vendor.listener, pytest.raises(NotAuthenticated, match=r"^Somebody: .*not the credential alone"):
        verify("Somebody", vendor.port, "/plain/head")


def test_a_contender_that_is_not_here_says_how_to_get_it() -> None:
    known = contenders({})
    assert len({one.key for one in known}) == len(known)
    assert [one.key for one in known if one.program is None and not one.install] == []


def rows_of(quantity: str, **rounds: list[float]) -> Rows:
    return {row.replace("_", "-"): {quantity: values, "rps": [1e4]} for row, values in rounds.items()}


MEASURED = {
    "get": rows_of("cpu_us", ours=[50.0, 40.0, 60.0], nginx=[20.0, 20.0, 20.0], direct=[0.0, 0.0, 0.0]),
    "rate": rows_of("p99_ms", ours=[1.5, 1.75], nginx=[0.5, 0.5], direct=[0.25, 0.5]),
    "down": rows_of("cpu_ms", ours=[80.0], nginx_large=[40.0]),
    "credentials": {
        "GET, fixed header": {"cpu_us": [50.0]},
        "POST, fixed header": {"cpu_us": [80.0]},
        "POST, HMAC over URL and body": {"cpu_us": [100.0]},
    },
    "memory": {"ours": {"idle_mib": [40.0], "connections": [10_000.0]}},
    "tls": {},
}
TITLES = {"ours": "authproxy", "nginx": "nginx", "nginx-large": "nginx, large buffers", "direct": "no proxy"}


@pytest.mark.parametrize(
    ("case", "row", "expected"),
    [
        ("get", "ours", "0.40 × (0.33–0.50)"),
        ("get", "nginx", ""),
        ("get", "direct", ""),
        ("rate", "ours", "+1.25 ms (+1.25–+1.25)"),
        ("rate", "nginx", "+0.12 ms (+0.00–+0.25)"),
        ("down", "ours", "0.50 × (0.50–0.50)"),
        ("credentials", "POST, HMAC over URL and body", "0.80 × (0.80–0.80)"),
        ("memory", "ours", ""),
    ],
)
def test_each_row_is_compared_with_the_base_of_its_case(case: str, row: str, expected: str) -> None:
    """Cost as a ratio, latency as a difference; signing a POST with a POST, and nothing at all with no proxy."""
    assert related(case, relation(case, row, MEASURED[case])) == expected


def test_without_its_base_a_case_compares_nothing() -> None:
    rows = {"ours": MEASURED["get"]["ours"]}
    assert relation("get", "ours", rows) is None
    assert "| authproxy | 50.0 | 10,000 |  |" in tables({"get": rows}, TITLES)


def test_every_case_has_a_title_and_every_table_its_columns() -> None:
    assert set(CASES) == set(CASE_TITLES)
    for table in tables(MEASURED, TITLES).split("\n\n"):
        assert len({line.count("|") for line in table.splitlines()}) == 1, table


def test_the_summary_has_one_row_for_nginx_whatever_its_buffers() -> None:
    lines = summary(MEASURED, TITLES, "two cores").splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("| ")] == [
        "",
        "---",
        "authproxy",
        "nginx",
        "no proxy",
    ]
    assert "an HMAC for each request 0.80 × (0.80–0.80)" in lines[-3]
    assert lines[-1] == "two cores"


def test_a_busy_core_is_told() -> None:
    quiet, loud = {"ours": {"others": [0.01, 0.02]}}, {"ours": {"others": [0.0]}, "nginx": {"others": [0.3, 0.4]}}
    assert busy({"get": quiet, "tls": loud, "memory": {"ours": {"idle_mib": [40.0]}}}) == ["tls"]


def test_what_a_core_did_is_read_without_its_idling() -> None:
    text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 1 2 3 100 200 4 5 6 7 8\ncpu10 1 1 1 1 1 1 1 1 1 1\nintr 5\n"
    assert [busy_ticks(text, core) for core in ("1", "10", "2")] == [1 + 2 + 3 + 4 + 5 + 6, 6, 0]


def test_only_what_is_between_the_markers_is_replaced() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = replaced(text, "new")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replaced(once, "new") == once


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"])
def test_a_text_without_its_markers_is_left_alone(text: str) -> None:
    with pytest.raises(MissingMarkers):
        replaced(text, "new")


def test_the_readme_has_its_markers() -> None:
    assert "new" in replaced(README.read_text(), "new")


def test_a_row_is_measured_once_a_round_and_the_first_rounds_are_dropped() -> None:
    asked: list[str] = []

    def measure(row: str) -> dict[str, float]:
        asked.append(row)
        return {"at": float(len(asked))}

    assert in_turn(["a", "b"], 2, measure) == {"a": {"at": [3.0, 5.0]}, "b": {"at": [4.0, 6.0]}}
    assert asked == ["a", "b"] * 3
    assert in_turn(["a"], 1, measure, warm_up=0) == {"a": {"at": [7.0]}}


def test_where_it_was_measured_is_told_without_a_name() -> None:
    said = described([], Extent(1, 3))
    assert "3 paired rounds of 1 s" in said and platform.python_version() in said
    assert platform.node() not in said


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_request_can_be_counted_in_process(kind: str) -> None:
    """The stand-ins give every request an answer; one that had none ends it with an error."""
    command = [sys.executable, "-m", "bench.in_process", kind, str(2 * CALLERS)]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == 0
