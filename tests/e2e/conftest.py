"""A tiny training on the scene that comes with rayfield, shared by the tests here."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import rayfield
from rayfield.app.command import cli

# Photos of 25x25 pixels and small tables: a training of seconds, of a field good enough to mesh.
DOWNSCALE = 8
TINY = {"entries": 2**14, "finest": 128, "samples": 2**12, "occupancy": 32}
SETTINGS = tuple(f"--set={name}={value}" for name, value in TINY.items())
STEPS = 60


class Command:
    """Runs commands in this process; with --json, what they print is parsed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self._capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return code, *self._capsys.readouterr()

    def json(self, *words: object) -> dict[str, Any]:
        """The one object printed by a command that must succeed."""
        code, out, err = self(*words, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


@pytest.fixture(scope="session")
def train_tiny() -> Callable[..., int]:
    """Train into a folder; the exit code. More words are put at the end."""

    def train(out: Path, *words: object) -> int:
        start = ["train", "instant", str(rayfield.demo_photos()), "-o", str(out), *SETTINGS]
        steps = [] if "--steps" in words else ["--steps", str(STEPS)]
        return cli.main([*start, "--downscale", str(DOWNSCALE), *steps, *map(str, words)])

    return train


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, train_tiny: Callable[..., int]) -> Path:
    """A trained run; leave it as it is."""
    path = tmp_path_factory.mktemp("e2e") / "tiny run é"
    assert train_tiny(path) == 0
    return path


@pytest.fixture(scope="session")
def chromium() -> ModuleType:
    """tests/e2e/chromium.py; the tests are skipped where there is no browser."""
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).parent / "chromium.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.find_chromium()
    return module
