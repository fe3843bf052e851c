"""The value of an arithmetic expression, and nothing but: names, calls and sizes are bounded."""

from __future__ import annotations

import ast
import math
import operator


class NotArithmetic(ValueError):
    """An expression that is none, or whose numbers grow too large; the message says what to do."""


_OPERATORS = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow, ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}  # fmt: skip
_NAMES = {"pi": math.pi, "e": math.e}
_CALLS = {
    "round": lambda *given: _rounded(*given),
    "abs": abs, "min": min, "max": max, "sum": lambda *v: sum(v), "sqrt": math.sqrt, "log": math.log,
    "log10": math.log10, "log2": math.log2, "exp": math.exp, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "floor": math.floor, "ceil": math.ceil, "int": int, "float": float, "gcd": math.gcd,
}  # fmt: skip
_MOST_BITS = 4_096


def calculate(expression: str) -> str:
    """The value of an arithmetic expression as text. Raises NotArithmetic.

    >>> calculate("round(10 / 4, 1)")
    '2.5'
    """
    text = expression.strip().replace("^", "**").replace("×", "*").replace("÷", "/").replace("−", "-")
    if len(text) > 1_000:
        raise NotArithmetic("the expression is over 1,000 characters; use run_python")
    try:
        value = _value(ast.parse(text, mode="eval").body)
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            value = int(value)
        return str(value)
    except NotArithmetic:
        raise
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise NotArithmetic(f"{expression[:200]!r}: {type(error).__name__}: {error}") from None


def _value(node: ast.expr) -> int | float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return _small(node.value)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and isinstance(left, int) and isinstance(right, int) and right > 0:
            _bits(abs(left).bit_length() * right)
        return _small(_OPERATORS[type(node.op)](left, right))
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords and node.func.id in _CALLS:
        return _small(_CALLS[node.func.id](*[_value(part) for part in node.args]))
    raise NotArithmetic(f"{ast.unparse(node)[:80]!r} is no arithmetic; use run_python for programs")


def _small(value: object) -> int | float:
    if type(value) not in (int, float):
        raise NotArithmetic("only real numbers")
    if isinstance(value, int):
        _bits(value.bit_length())
    return value


def _rounded(value: int | float, digits: int | None = None) -> int | float:
    if digits is not None and abs(digits) > 400:
        raise NotArithmetic(f"round to {digits} digits is out of range; use -400 to 400")
    return round(value, digits)


def _bits(bits: int) -> None:
    if bits > _MOST_BITS:
        raise NotArithmetic(f"a number of {bits:,} bits is too large")
