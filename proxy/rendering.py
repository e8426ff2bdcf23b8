"""Templates, filled in as far as they can be before the first request.

What is left are the places that differ from request to request, and secrets whose file may be written anew.
"""

from __future__ import annotations

from proxy.secret import Secret
from proxy.template import Place, Scope, Template, Value, text_of


class Rendering:
    """`known` are values that stay. Shows nothing of itself: what was filled in may be secret."""

    __slots__ = ("_is_lone", "_steps", "constant")

    def __init__(self, template: Template, known: Scope) -> None:
        # The name to look up, or what stands there anyway.
        steps: list[tuple[str | None, Value]] = []
        for part in template.parts:
            value = known.get(part, part) if isinstance(part, Place) else part
            if isinstance(value, Place):
                steps.append((str(value), ""))
            elif isinstance(value, Secret) and value.may_change:
                steps.append((None, value))
            elif steps and steps[-1][0] is None and isinstance(steps[-1][1], str):
                steps[-1] = (None, steps[-1][1] + text_of(value))
            else:
                steps.append((None, text_of(value)))
        self._steps = steps
        self._is_lone = len(steps) == 1 and steps[0][0] is not None
        # The text, where it is the same for every request.
        self.constant: str | None = None
        if not steps or (len(steps) == 1 and isinstance(steps[0][1], str) and not self._is_lone):
            self.constant = text_of(steps[0][1]) if steps else ""

    def text(self, scope: Scope) -> str:
        """The text with every place filled in. Raises KeyError for a name that the scope lacks."""
        if self.constant is not None:
            return self.constant
        if self._is_lone:
            value = scope[self._steps[0][0]]  # type: ignore[index]
            return value if type(value) is str else text_of(value)
        values = [part if name is None else scope[name] for name, part in self._steps]
        return "".join([value if type(value) is str else text_of(value) for value in values])

    def octets(self, scope: Scope) -> bytes:
        """As `text`, in UTF-8, for scopes in which some values are bytes (a request's body)."""
        values = [part if name is None else scope[name] for name, part in self._steps]
        return b"".join([value if type(value) is bytes else text_of(value).encode() for value in values])
