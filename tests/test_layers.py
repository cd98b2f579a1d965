"""Packages import only packages of strictly lower rank, and nothing inside a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src" / "rayfield"
RANKS = {
    "core": 0,
    "math": 1,
    "kernels": 1,
    "geometry": 2,
    "fields": 2,
    "render": 3,
    "objectives": 3,
    "data": 3,
    "methods": 4,
    "train": 4,
    "studies": 5,
    "app": 5,
}
FACE = "rayfield"  # the package's own __init__ and __main__: above everything
CONSTANTS = {"rayfield.__version__"}  # of the face, free to all
MAY_IMPORT_LATE = {"app", "data", FACE}  # optional or heavy dependencies


def package_of(module: str) -> str:
    """The package that a dotted module name belongs to: rayfield.math.sh -> math."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in RANKS else FACE


def rayfield_imports(tree: ast.AST, module: str) -> set[str]:
    """Dotted names of everything of ours that a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "rayfield"} - CONSTANTS


def violations(source: str, module: str) -> list[str]:
    """What a module's imports do against the layers, as readable lines."""
    tree = ast.parse(source)
    own = package_of(module)
    rank = RANKS.get(own, len(RANKS))
    found = []
    for name in sorted(rayfield_imports(tree, module)):
        other = package_of(name)
        if other != own and RANKS.get(other, len(RANKS)) >= rank:
            found.append(f"{module}: {own} may not import {name}")
    if own not in MAY_IMPORT_LATE:
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda)]
        late = {n.lineno for f in functions for n in ast.walk(f) if is_import(n)}
        found += [f"{module}:{line}: import inside a function" for line in sorted(late)]
    return found


def is_import(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("__import__", "importlib.import_module", "import_module")
    return isinstance(node, ast.Import | ast.ImportFrom)


def modules() -> list[tuple[str, Path]]:
    paths = sorted(SRC.rglob("*.py"))
    return [(".".join(p.relative_to(SRC.parent).with_suffix("").parts), p) for p in paths]


def test_every_package_has_a_rank():
    packages = {p.parent.name for p in SRC.glob("*/__init__.py")}
    assert packages <= set(RANKS), f"give a rank to {sorted(packages - set(RANKS))}"
    stray = {p.name for p in SRC.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert not stray, f"move {sorted(stray)} into a package"


def test_imports_follow_the_layers():
    found = [line for name, path in modules() for line in violations(path.read_text(), name)]
    assert not found, "\n".join(found)


def test_no_method_imports_another_method():
    found = [
        f"{name} imports {other}"
        for name, path in modules()
        if package_of(name) == "methods"
        for other in sorted(rayfield_imports(ast.parse(path.read_text()), name))
        if package_of(other) == "methods"
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rayfield.core.types", "from rayfield.math import sh"),
        ("rayfield.math.sh", "import rayfield.kernels.march"),
        ("rayfield.kernels.march", "from rayfield.math.rays import pinhole"),
        ("rayfield.geometry.mesh", "from rayfield import fields"),
        ("rayfield.geometry.mesh", "from rayfield import train_scene"),
        ("rayfield.geometry.mesh", "from ..fields import mlp"),
        ("rayfield.train.loop", "from rayfield.methods import instant_ngp"),
        ("rayfield.methods.instant_ngp", "import rayfield.train.loop as loop"),
        ("rayfield.fields.mlp", "if TYPE_CHECKING:\n    from rayfield.render import volume"),
        ("rayfield.math.sh", "def f():\n    import numpy"),
        ("rayfield.train.loop", "class A:\n    def f(self):\n        from os import path"),
        ("rayfield.math.sh", "def f():\n    importlib.import_module('scipy')"),
    ],
)
def test_a_bad_import_is_caught(module, source):
    assert violations(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rayfield.math.sh", "import torch\nfrom rayfield.core import types"),
        ("rayfield.train.run", "from rayfield import __version__"),
        ("rayfield.math.packed", "from rayfield.math import quadrature"),
        ("rayfield.geometry.marching", "from .mesh import area\nfrom ..core.types import Mesh"),
        ("rayfield.app.command.cli", "def f():\n    import matplotlib"),
        ("rayfield.__init__", "def __getattr__(n):\n    from rayfield.app import api"),
    ],
)
def test_a_good_import_passes(module, source):
    assert violations(source, module) == []
