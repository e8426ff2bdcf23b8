"""Who may ask what: the guard and the routes, and what they say of one request.

What follows from a request's head alone is remembered with that head. Who calls is checked each time.
"""

from __future__ import annotations

from proxy.gateway.caller_head import CallerHeads
from proxy.gateway.decision import Decision, asked_route, decide
from proxy.gateway.guard import Guard, check_client
from proxy.gateway.passage import Passage
from proxy.gateway.route import RouteTable


class Admission:
    """`guard` and `routes` may be replaced at any time. `heads` are those that callers sent lately."""

    def __init__(self, guard: Guard, routes: RouteTable) -> None:
        self.guard = guard
        self.heads = CallerHeads()
        self._routes = routes

    @property
    def routes(self) -> RouteTable:
        return self._routes

    @routes.setter
    def routes(self, routes: RouteTable) -> None:
        self._routes = routes
        self.heads.forget_decisions()

    def decision(self, passage: Passage) -> Decision:
        """What is to become of a request. Raises a CallerError.

        The passage learns of client and route as soon as they are known, also of a request that is refused then.
        """
        head, guard, routes = passage.head, self.guard, self._routes
        assert head is not None
        decision: Decision | None = head.decision
        if decision is not None and (decision.guard is not guard or decision.routes is not routes):
            decision = None
        if decision is not None and not guard.wants_tokens:
            passage.route = decision.route
            return decision
        client = guard.check_caller(head.method, head.fields)
        if client is not None:
            passage.client = client.name
        route = asked_route(head, routes) if decision is None else decision.route
        check_client(client, None if route is None else route.prefix)
        passage.route = route
        if decision is None:
            decision = decide(head, guard, routes, route)
            if decision.route.is_constant:
                head.decision = decision
        return decision
