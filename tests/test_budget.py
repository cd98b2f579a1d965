"""Sizes that keep the code readable: files, functions, parameters, class chains.

Parameters after the third are keyword-only in what others call; helpers named _like_this are free.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "rayfield"
FILE, METHOD_FILE, BODY, PARAMETERS, POSITIONAL, CHAIN = 250, 150, 40, 8, 3, 2

# What may exceed its budget, with the reason: {(rule, "path::name"): "reason"}; the place may be
# a pattern. Rules: file, body, parameters, positional, chain.
ALLOWED: dict[tuple[str, str], str] = {
    ("positional", "kernels/*"): "compiled functions take no keyword-only parameters",
    ("parameters", "kernels/*"): "compiled functions take plain arrays and sizes, one by one",
    ("body", "kernels/gemm.py::_micro_kernel*"): "one block of vector IR, read from top to bottom",
    ("parameters", "__init__.py::train"): "each is a choice of the user, as in the command line",
    ("file", "methods/instant_ngp.py"): "a quarter of it is the Config, each default visible",
    ("file", "methods/nerf.py"): "its Config shows every default and every switch of the ablations",
    (
        "file",
        "methods/voxel_optimisation.py",
    ): "it fits photos and points; its Config shows all defaults",
    ("positional", "*loss"): "the methods' contract: loss(model, batch, cfg, step, *, generator)",
}

Excess = tuple[str, str, str]  # rule, place, what is too much


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef, bool]]:
    """Every function with its dotted name and whether it is a method."""
    for node in ast.iter_child_nodes(tree):
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        name = f"{prefix}{node.name}" if named else prefix
        if named and not isinstance(node, ast.ClassDef):
            decorators = {ast.unparse(d) for d in node.decorator_list}
            method = isinstance(tree, ast.ClassDef) and "staticmethod" not in decorators
            yield name, node, method
        yield from functions(node, f"{name}." if named else prefix)


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function after its signature and docstring."""
    first = function.body[1:] if ast.get_docstring(function) else function.body
    return first[-1].end_lineno - first[0].lineno + 1 if first else 0


def function_excesses(source: str, path: str) -> Iterator[Excess]:
    for name, function, method in functions(ast.parse(source)):
        place = f"{path}::{name}"
        if (lines := body_lines(function)) > BODY:
            yield "body", place, f"{lines} lines"
        positional = [*function.args.posonlyargs, *function.args.args][method:]
        total = len(positional) + len(function.args.kwonlyargs)
        if total > PARAMETERS:
            yield "parameters", place, f"{total} parameters"
        private = name.split(".")[-1].startswith("_") and not name.endswith("__")
        if len(positional) > POSITIONAL and not private:
            yield "positional", place, f"{len(positional)} positional parameters"


def class_chains(sources: dict[str, str]) -> Iterator[Excess]:
    """Chains of our own classes and nn.Module; the language's own bases do not count."""
    classes = {
        node.name: (path, [ast.unparse(base).split(".")[-1] for base in node.bases])
        for path, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    }

    def depth(name: str) -> int:
        if name in classes:
            return 1 + max((depth(base) for base in classes[name][1]), default=0)
        return 1 if name == "Module" else 0

    for name, (path, _) in classes.items():
        if depth(name) > CHAIN:
            yield "chain", f"{path}::{name}", f"{depth(name)} classes deep"


def excesses(sources: dict[str, str]) -> list[Excess]:
    """Everything over budget in these files (paths relative to the package)."""
    found = list(class_chains(sources))
    for path, source in sources.items():
        lines = len(source.splitlines())
        if lines > (METHOD_FILE if path.startswith("methods/") else FILE):
            found.append(("file", path, f"{lines} lines"))
        found += function_excesses(source, path)
    return found


def allowed(excess: Excess) -> list[tuple[str, str]]:
    return [key for key in ALLOWED if key[0] == excess[0] and fnmatch(excess[1], key[1])]


def project() -> dict[str, str]:
    return {p.relative_to(SRC).as_posix(): p.read_text() for p in sorted(SRC.rglob("*.py"))}


def test_the_package_keeps_its_budget():
    over = [excess for excess in excesses(project()) if not allowed(excess)]
    assert not over, "\n".join(f"{place}: {what} ({rule})" for rule, place, what in over)


def test_every_allowance_has_a_reason_and_is_still_needed():
    used = {key for excess in excesses(project()) for key in allowed(excess)}
    assert all(len(reason) > 20 for reason in ALLOWED.values())
    assert set(ALLOWED) <= used, f"no longer needed: {sorted(set(ALLOWED) - used)}"


LONG = "def f():\n    '''Doc.'''\n" + "    x = 1\n" * 41


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        ("file", "math/a.py", "x = 1\n" * 251),
        ("file", "methods/a.py", "x = 1\n" * 151),
        ("body", "math/a.py", LONG),
        ("body", "math/a.py", "class A:\n" + "    ".join(("\n" + LONG).splitlines(keepends=True))),
        ("parameters", "math/a.py", "def f(a, b, c, *, d, e, f, g, h, i): ..."),
        ("positional", "math/a.py", "def f(a, b, c, d): ..."),
        ("positional", "math/a.py", "class A:\n    def f(self, a, b, c, d): ..."),
        ("positional", "math/a.py", "class A:\n    def __init__(self, a, b, c, d): ..."),
        ("positional", "math/a.py", "class A:\n    @staticmethod\n    def f(a, b, c, d): ..."),
        ("chain", "fields/a.py", "class A(nn.Module): ...\nclass B(A): ..."),
        ("chain", "math/a.py", "class A: ...\nclass B(A): ...\nclass C(B): ..."),
    ],
)
def test_each_rule_fires(rule, path, source):
    assert [found[0] for found in excesses({path: source})] == [rule]


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * 250,
        LONG.replace("    x = 1\n", "", 1),
        "def f(a, b, c, *, d, e, f, g, h): ...",
        "def _f(a, b, c, d): ...",
        "class A:\n    def f(self, a, b, c): ...",
        "class A(Exception): ...\nclass B(A): ...",
        "class A(nn.Module): ...\nclass B(NamedTuple): ...",
    ],
)
def test_sizes_within_budget_pass(source):
    assert excesses({"math/a.py": source}) == []
