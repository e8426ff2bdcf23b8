"""Validation by pydantic, as strict as a configuration has to be: `"yes"` is no boolean and 5 is no text.

Pydantic's own strict mode would also refuse a list for a tuple and a mapping for a dataclass, and a
dataclass of another room cannot be told to forbid unknown keys. So both are set where it matters, in the
core schema that pydantic built.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator, ValidationError

from proxy.config.nodes import AnyNode, plain
from proxy.config.problems import Report
from proxy.config.sources import Sources
from proxy.config.wording import tell

T = TypeVar("T")
_SCALARS = frozenset({"bool", "int", "float", "str"})


def validated(kind: type[T], node: AnyNode, sources: Sources, report: Report) -> T | None:
    """The node as this type, or None after its mistakes went to the report."""
    try:
        return cast(T, _validator(cast(Hashable, kind)).validate_python(plain(node), context=sources))
    except ValidationError as error:
        tell(error.errors(include_url=False, include_input=False), kind, node, report)
        return None


@cache
def _validator(kind: Any) -> SchemaValidator:
    return SchemaValidator(_exact(TypeAdapter(kind).core_schema))


def _exact(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_exact(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    stricter = {key: part if key in ("metadata", "default") else _exact(part) for key, part in schema.items()}
    if schema.get("type") in _SCALARS:
        stricter["strict"] = True
    elif schema.get("type") == "dataclass-args":
        stricter["extra_behavior"] = "forbid"
    return stricter
