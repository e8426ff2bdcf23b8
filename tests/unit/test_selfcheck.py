"""The canary: what the data path leans on inside aiohttp, and that a version without it is refused at start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp import http_parser
from aiohttp.web import RequestHandler

from proxy.errors import CannotStart
from proxy.wire import selfcheck
from proxy.wire.selfcheck import check_aiohttp


def test_this_aiohttp_is_one_that_we_can_work_with(loop: asyncio.AbstractEventLoop) -> None:
    check_aiohttp(loop=loop)


def test_every_rule_is_looked_at_by_itself(loop: asyncio.AbstractEventLoop) -> None:
    assert all(holds is True for _, holds in selfcheck._rules(loop))


def test_the_pure_python_parser_is_refused(loop: asyncio.AbstractEventLoop) -> None:
    parsers = SimpleNamespace(HttpRequestParser=http_parser.HttpRequestParserPy)
    with pytest.raises(CannotStart, match="C parser"):
        check_aiohttp(parsers, loop=loop)


def test_a_connection_without_a_name_that_we_use_is_refused_by_that_name(loop: asyncio.AbstractEventLoop) -> None:
    class Moved:
        pass

    for name in dir(RequestHandler):
        if name not in ("_waiter", "__dict__", "__class__", "__weakref__"):
            try:
                setattr(Moved, name, None)
            except (AttributeError, TypeError):
                pass
    with pytest.raises(CannotStart, match=r"can work with: _waiter$"):
        check_aiohttp(connection=Moved, loop=loop)
