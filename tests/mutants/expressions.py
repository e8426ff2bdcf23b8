"""What an expression can be turned into by one plausible slip."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from tests.mutants.patterns import slips_of_pattern

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}  # fmt: skip
# Of text and bytes, without arguments: what is left out easily.
_NORMALIZING = frozenset({"lower", "upper", "casefold", "strip", "lstrip", "rstrip", "title"})


def slips(node: ast.expr) -> Iterator[ast.expr]:
    """Every other expression that may stand in the place of this one."""
    match node:
        case ast.Compare(left, operators, comparators):
            for index, operator in enumerate(operators):
                others = [*operators[:index], _COMPARISONS[type(operator)](), *operators[index + 1 :]]
                yield ast.Compare(left, others, comparators)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            for index in range(len(values)):
                rest = _without(values, index)
                yield rest[0] if len(rest) == 1 else ast.BoolOp(operator, rest)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(operator)](), right)
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.Constant(value):
            yield from map(ast.Constant, _other_values(value))
        case ast.Call():
            yield from _other_calls(node)
        case ast.Subscript(value, ast.Slice(lower, upper, step), context):
            for ends in ((None, upper), (lower, None)):
                if ends != (lower, upper):
                    yield ast.Subscript(value, ast.Slice(*ends, step), context)
        case ast.Set(elements) | ast.List(elements, ast.Load()) | ast.Tuple(elements, ast.Load()):
            yield from _fewer(node, elements)
        case ast.Dict(keys, values):
            for index in range(len(keys)):
                yield ast.Dict(_without(keys, index), _without(values, index))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            yield from _unfiltered(node)


def _other_values(value: object) -> Iterator[object]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str() if "\n" in value:
            yield from _fewer_lines(value)
        case str() if " " not in value:  # What has a blank in it is written for people, and may be put otherwise.
            yield value + "X"
        case bytes():
            yield value + b"X"


def _fewer_lines(text: str) -> Iterator[str]:
    """A script without one of its lines, where that line is a statement and not the beginning or end of one."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        words = line.split()
        opened = sum(words.count(word) for word in ("if", "for", "while", "function"))
        if words and not words[0].startswith("--") and opened == words.count("end") and words[0] != "else":
            yield "\n".join(_without(lines, index))


def _other_calls(call: ast.Call) -> Iterator[ast.expr]:
    for index in range(len(call.keywords)):
        yield ast.Call(call.func, call.args, _without(call.keywords, index))
    match call:
        case ast.Call(ast.Attribute(receiver, name), []) if name in _NORMALIZING:
            yield receiver
        case ast.Call(ast.Attribute(ast.Name("re"), "compile"), [ast.Constant(str(pattern)), *flags]):
            for other in slips_of_pattern(pattern):
                yield ast.Call(call.func, [ast.Constant(other), *flags], call.keywords)
            if flags:
                yield ast.Call(call.func, call.args[:1], call.keywords)
        case ast.Call(ast.Name("any"), arguments):
            yield ast.Call(ast.Name("all"), arguments, [])
        case ast.Call(ast.Name("all"), arguments):
            yield ast.Call(ast.Name("any"), arguments, [])
        case ast.Call(ast.Name("min"), [_, _, *_]):
            yield ast.Call(ast.Name("max"), call.args, call.keywords)
        case ast.Call(ast.Name("max"), [_, _, *_]):
            yield ast.Call(ast.Name("min"), call.args, call.keywords)


def _fewer(node: ast.Set | ast.List | ast.Tuple, elements: list[ast.expr]) -> Iterator[ast.expr]:
    for index in range(len(elements)):
        rest = _without(elements, index)
        if isinstance(node, ast.Set):
            yield ast.Set(rest) if rest else ast.Call(ast.Name("set"), [], [])
        else:
            yield type(node)(rest, ast.Load())


def _unfiltered(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[ast.expr]:
    for index, part in enumerate(node.generators):
        for condition in range(len(part.ifs)):
            freed = ast.comprehension(part.target, part.iter, _without(part.ifs, condition), part.is_async)
            parts = [*node.generators[:index], freed, *node.generators[index + 1 :]]
            if isinstance(node, ast.DictComp):
                yield ast.DictComp(node.key, node.value, parts)
            else:
                yield type(node)(node.elt, parts)


def _without(values: list[Any], index: int) -> list[Any]:
    return [*values[:index], *values[index + 1 :]]
