"""Puts a mutant's code into functions that are already imported, so that nothing needs to be imported again."""

from __future__ import annotations

import gc
from inspect import CO_NEWLOCALS
from types import CodeType, FunctionType
from typing import Any


def functions_of(path: str) -> list[FunctionType]:
    """All functions that were made from a file, wherever they are held."""
    return [one for one in gc.get_objects() if isinstance(one, FunctionType) and one.__code__.co_filename == path]


def swap(held: list[FunctionType], path: str, original: str, mutated: str) -> bool:
    """Give those functions of a file that a mutant differs in its code; False if what differs runs at import."""
    before, after = (compile(source, path, "exec") for source in (original, mutated))
    old, new = _functions(before), _functions(after)
    changed = {name: code for name, code in new.items() if name in old and _content(code) != _content(old[name])}
    if not changed or _content(before, functions=False) != _content(after, functions=False):
        return False
    for name, code in changed.items():
        functions = [one for one in held if one.__code__.co_qualname == name]
        if not functions or any(one.__code__.co_freevars != code.co_freevars for one in functions):
            return False
        for function in functions:
            function.__code__ = code
    return True


def _functions(code: CodeType) -> dict[str, CodeType]:
    """The outermost functions of a module and of its classes, but those that share a name: a property and its setter."""
    found: dict[str, CodeType | None] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            parts = {inner.co_qualname: inner} if inner.co_flags & CO_NEWLOCALS else _functions(inner)
            found |= {name: None if name in found else one for name, one in parts.items()}
    return {name: one for name, one in found.items() if one is not None}


def _content(code: CodeType, *, functions: bool = True) -> Any:
    """What makes code do what it does: all but the lines it stands in."""
    constants = [
        _constant(one)
        if not isinstance(one, CodeType)
        else one.co_qualname
        if one.co_flags & CO_NEWLOCALS and not functions
        else _content(one, functions=functions)
        for one in code.co_consts
    ]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags


def _constant(value: object) -> Any:
    """A set's members come in any order."""
    if isinstance(value, frozenset | tuple):
        members = [_constant(member) for member in value]
        return type(value), sorted(members, key=repr) if isinstance(value, frozenset) else members
    return type(value), repr(value)
