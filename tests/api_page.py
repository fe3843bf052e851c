"""Write API.md, every public name with its signature and docstring: `make api`."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap

import fgo_kit as fgo
from fgo_kit.algorithm.settings import Settings
from fgo_kit.calls.limits import Limits
from fgo_kit.calls.roles import Roles

HEAD = """# The public names of `fgo_kit`

Written by `make api` from the docstrings. `import fgo_kit as fgo` gives them all; a notebook shows the same by `?`.
"""
SHOWN = ("report",)
"""Modules whose functions are listed too."""
CHOICES = (Settings, Limits, Roles)
"""What the choices of `run` and `compare` mean."""


def page() -> str:
    """The whole page, the same on every machine."""
    names = [(name, getattr(fgo, name)) for name in dir(fgo) if name not in SHOWN]
    names += [(f"{module}.{name}", getattr(getattr(fgo, module), name)) for module in SHOWN for name in dir_of(module)]
    names += [(f"{kind.__name__}, choices of run", kind) for kind in CHOICES]
    return "\n".join([HEAD, *(entry(name, thing) for name, thing in names)])


def dir_of(module: str) -> list[str]:
    """The functions that a module of the package offers."""
    held = getattr(fgo, module)
    return [name for name in sorted(held.__all__) if callable(getattr(held, name))]


def entry(name: str, thing: object) -> str:
    """One name: its call, its docstring, and the methods of a class."""
    if not callable(thing):
        return f"## `{name}`\n\nA {type(thing).__name__}: {', '.join(map(repr, thing))}.\n"
    lines = [f"## `{name}`\n", f"```python\n{call(name.partition(',')[0], thing)}\n```\n", documented(thing)]
    if inspect.isclass(thing):
        own = [(of, held) for of, held in vars(thing).items() if not of.startswith("_") and inspect.isfunction(held)]
        lines += [f"- `{call(of, held)}`: {first_line(held)}" for of, held in own if held.__doc__]
    return "\n".join([*lines, ""])


def call(name: str, thing: object) -> str:
    """The name with its parameters; annotations are left to the docstring."""
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return name
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    written = str(signature.replace(parameters=plain, return_annotation=signature.empty))
    return textwrap.fill(re.sub(r" at 0x[0-9a-f]+", "", f"{name}{written}"), 110, subsequent_indent="    ")


def documented(thing: object) -> str:
    """The docstring with its examples as code."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"(?:^>>> .*\n?(?:^(?!\n).*\n?)*)", lambda code: f"```python\n{code[0].strip()}\n```\n", text, flags=re.M)


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


if __name__ == "__main__":
    sys.stdout.write(page())
