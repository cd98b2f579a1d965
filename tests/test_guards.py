"""Rules that are code: nothing unpickled, nothing probed, shapes and warnings really checked."""

from __future__ import annotations

import ast
import re
import tomllib
import warnings
from pathlib import Path

import jaxtyping
import pytest
import torch

from rayfield.math import quadrature

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "rayfield"
TEXT = {".py", ".md", ".toml", ".txt", ".cfg", ".json", ".yml", ".yaml", ".sh", ".html", ""}

PROBES = {"hasattr", "getattr", "setattr", "delattr"}
RUNS_DATA = {"eval", "exec", "compile", "__import__"}
UNPICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty"}
# starts this program anew where there is no fork, and so asks for guards in the users' scripts
NEEDS_GUARDS = {"multiprocessing"}
NOT_IMPORTED = UNPICKLES | UNIX_ONLY | NEEDS_GUARDS
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
LOADERS = {"torch.load", "torch.save", "np.load", "numpy.load"}


def findings(source: str, *, app: bool = False) -> list[str]:
    """What a source file does against the rules, as readable lines."""
    return [
        f"line {node.lineno}: {rule}"
        for node in ast.walk(ast.parse(source))
        for rule in _broken_by(node, app)
    ]


def _broken_by(node: ast.AST, app: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [f"imports {a.name}" for a in node.names if a.name.split(".")[0] in NOT_IMPORTED]
    if isinstance(node, ast.ImportFrom):
        first = (node.module or "").split(".")[0]
        return [f"imports {node.module}"] if first in NOT_IMPORTED else []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        public = node.args.kwarg and not node.name.startswith("_")
        return [f"{node.name} takes **{node.args.kwarg.arg}"] if public else []
    return _broken_by_call(node, app) if isinstance(node, ast.Call) else []


def _broken_by_call(node: ast.Call, app: bool) -> list[str]:
    name = ast.unparse(node.func)
    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
    if name in PROBES | RUNS_DATA or (name == "print" and not app):
        return [f"calls {name}"]
    if name in SHELLS or keywords.get("shell", "False") != "False":
        return [f"calls {name}, through a shell"]
    if name in LOADERS:
        safe = name in ("np.load", "numpy.load") and keywords.get("allow_pickle") == "False"
        return [] if safe else [f"calls {name}; arrays are read with allow_pickle=False"]
    return [f"{name} allows pickles"] if keywords.get("allow_pickle", "False") != "False" else []


def test_the_package_keeps_the_rules():
    found = [
        f"{path.relative_to(ROOT)} {line}"
        for path in sorted(SRC.rglob("*.py"))
        for line in findings(path.read_text(), app=path.relative_to(SRC).parts[0] == "app")
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "hasattr(x, 'y')",
        "getattr(x, 'y', None)",
        "setattr(x, 'y', 1)",
        "def render(**kwargs): ...",
        "class A:\n    def render(self, **options): ...",
        "print('hello')",
        "import pickle",
        "import pickle as safe",
        "from pickle import loads",
        "import numpy as np, dill",
        "torch.load('x')",
        "torch.load('x', weights_only=True)",
        "np.load('x.npy')",
        "np.load('x.npy', allow_pickle=True)",
        "np.lib.format.read_array(f, allow_pickle=True)",
        "eval('1')",
        "exec('1')",
        "import fcntl",
        "from multiprocessing import Pool",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_each_rule_fires(source):
    assert findings(source)


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "re.compile('x')",
        "torch.compile(f)",
        "def _inner(**kwargs): ...",
        "np.load('x.npy', allow_pickle=False)",
        "log.info('printed')",
    ],
)
def test_harmless_code_passes(source):
    assert findings(source) == []


def test_printing_is_allowed_in_the_app_alone():
    assert findings("print('hello')", app=True) == []


def test_warnings_are_errors():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert options["filterwarnings"][0] == "error"
    with pytest.raises(DeprecationWarning, match="switched on"):
        warnings.warn("switched on", DeprecationWarning, stacklevel=1)


def test_versions_are_bounded_below_and_not_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(name for extra in extras for name in extra)]
    assert len(asked) > 20
    for requirement in asked:
        assert re.fullmatch(r"[\w-]+>=[\d.]+(,<\d+)?", requirement), requirement


def test_a_wrong_shape_raises():
    """The annotations are checked in tests; without the hook this would broadcast silently."""
    with pytest.raises(jaxtyping.TypeCheckError, match="delta"):
        quadrature.weights(torch.ones(4, 3), torch.ones(3))


def test_a_wrong_dtype_raises():
    with pytest.raises(jaxtyping.TypeCheckError, match="sigma"):
        quadrature.weights(torch.ones(3, dtype=torch.int64), torch.ones(3))


def test_shape_checks_stay_out_of_ordinary_runs():
    """The hook belongs to the tests: the library neither installs it nor needs beartype."""
    for path in SRC.rglob("*.py"):
        text = path.read_text()
        assert "install_import_hook" not in text
        assert "beartype" not in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not any("beartype" in requirement for requirement in project["dependencies"])


# Folders of one machine or one person, as absolute paths.
PLACES = "|".join(("home", "Users", "root", "work", "tmp", "mnt", "scratch"))
MACHINE_PATH = re.compile(rf"(?<![\w./~$}}>*-])/(?:{PLACES})/\w|\b[A-Z]:\\(?:{PLACES})\\")


def project_files() -> list[Path]:
    skipped = {"__pycache__", "build", "dist", "demo-run"}
    return [
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file()
        and path.suffix in TEXT
        and path.name != ".git"  # in a linked worktree, a file that points at the repository
        and not path.name.startswith(".coverage")  # of a run of the tests before
        and not any(
            part in skipped or part.endswith(".egg-info") or (part[0] == "." and part != ".ci")
            for part in path.relative_to(ROOT).parts[:-1]
        )
    ]


def test_no_file_names_a_folder_of_one_machine():
    found = []
    for path in project_files():
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {m[0]}" for m in MACHINE_PATH.finditer(text)]
    assert not found, "\n".join(found)


def test_a_machine_path_is_recognised():
    for place in ("home", "Users", "work", "tmp"):
        assert MACHINE_PATH.search(f"see /{place}/someone/data")
        assert MACHINE_PATH.search(f'open("/{place}/x")')
        assert MACHINE_PATH.search(f"C:\\{place}\\x")
    for harmless in ("https://host/work/x", "src/work/x", "$HOME/work/x", "../tmp/x", "and/or"):
        assert not MACHINE_PATH.search(harmless)
