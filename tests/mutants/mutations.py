"""All mutants of a module: its source with one slip each.

Left alone is what no behaviour follows from: docstrings, annotations, assertions, `__slots__`, aliases of types, and
texts with a blank in them, which people read.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.mutants.expressions import OPERATORS, slips

# Letters of a change that are shown, and that are shown around a difference in something long.
_LONGEST = 110
_AROUND = 24


@dataclass(frozen=True)
class Mutant:
    """`name` says what was changed in which function; `first` to `last` are the lines of the statement."""

    name: str
    first: int
    last: int
    source: str


@dataclass(frozen=True)
class _Spot:
    """Where a node hangs: in `owner.field`, or in `owner.field[index]`."""

    owner: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.owner, self.field, node)
        else:
            getattr(self.owner, self.field)[self.index] = node


def mutants_of(source: str) -> Iterator[Mutant]:
    """In the order of the source."""
    tree = ast.parse(source)
    original = ast.unparse(tree)
    seen: Counter[str] = Counter()
    for spot, node, statement, around in _places(tree):
        for other in _alternatives(node, around):
            shown = _change(node, other)
            spot.put(ast.fix_missing_locations(ast.copy_location(other, node)))
            mutated = ast.unparse(tree)
            spot.put(node)
            if mutated == original:
                continue
            name = f"{_name_of(around)}: {shown}"
            seen[name] += 1
            times = f" ({seen[name]})" if seen[name] > 1 else ""
            yield Mutant(name + times, *_lines_of(statement), mutated)


def _name_of(around: tuple[Any, ...]) -> str:
    return ".".join(one.name for one in around if not isinstance(one, ast.Module)) or "module"


def _lines_of(statement: ast.stmt) -> tuple[int, int]:
    """Those that belong to it alone: of an `if` the condition, of a function its head."""
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else statement.end_lineno
    return statement.lineno, max(statement.lineno, last or 0)


def _places(tree: ast.Module) -> Iterator[tuple[_Spot, ast.AST, ast.stmt, tuple[Any, ...]]]:
    """Each node that may be changed: where it hangs, its statement, and the functions and classes around it."""

    def walk(node: ast.AST, statement: ast.stmt, around: tuple[Any, ...]) -> Iterator[Any]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "bases"):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or _is_left_alone(child, around):
                    continue
                own = child if isinstance(child, ast.stmt) else statement
                # A default value belongs to the definition, which runs at import.
                is_scope = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                inner = (*around, child) if is_scope else around
                yield _Spot(node, name, index), child, own, around
                yield from walk(child, own, inner)

    if tree.body:
        yield from walk(tree, tree.body[0], (tree,))


def _is_left_alone(node: ast.AST, around: tuple[Any, ...]) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
            return True
        case ast.Assign([ast.Name("__slots__" | "__all__")]):
            return True
        case ast.Assign([ast.Name()], ast.Subscript() | ast.BinOp(op=ast.BitOr(), left=ast.Subscript())):
            return len(around) == 1  # An alias of a type.
        case ast.If(ast.Name("TYPE_CHECKING")):
            return True
    return False


def _alternatives(node: ast.AST, around: tuple[Any, ...]) -> Iterator[ast.AST]:
    match node:
        case ast.expr():
            yield from slips(node)
        case ast.Expr() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets) if _is_state(targets) and getattr(around[-1], "name", "") != "__init__":
            yield ast.Pass()
        case ast.AugAssign(target, operator, value):
            if type(operator) in OPERATORS:
                yield ast.AugAssign(target, OPERATORS[type(operator)](), value)
            yield ast.Pass()
        case ast.Return(value) if value is not None and not _is_falsy(value):
            yield ast.Return(None)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.While(test, body, orelse) if not isinstance(test, ast.Compare | ast.UnaryOp | ast.Constant):
            yield ast.While(ast.UnaryOp(ast.Not(), test), body, orelse)


def _is_state(targets: list[ast.expr]) -> bool:
    return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)


def _is_falsy(value: ast.expr) -> bool:
    """None in the place of these is the type checker's to notice."""
    return isinstance(value, ast.Constant) and not value.value


def _change(before: ast.AST, after: ast.AST) -> str:
    if isinstance(after, ast.Pass):
        return f"without `{_shortened(_text(before))}`"
    if isinstance(before, ast.If | ast.While) and isinstance(after, ast.If | ast.While):
        return f"`{_shortened(_text(before.test))}` turned round"
    return "`{}` as `{}`".format(*_difference(_text(before), _text(after)))


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split()).replace("`", "'")


def _difference(before: str, after: str) -> tuple[str, str]:
    """Both, and of long ones what differs with a little around it."""
    if max(len(before), len(after)) <= _LONGEST:
        return before, after
    same = _length_in_common(before, after)
    same_end = min(_length_in_common(before[::-1], after[::-1]), len(before) - same, len(after) - same)
    begin, end = max(0, same - _AROUND), max(0, same_end - _AROUND)
    return _shortened(before[begin : len(before) - end]), _shortened(after[begin : len(after) - end])


def _length_in_common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
