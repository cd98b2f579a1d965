"""What other tests have, for hostile use: a ball behind a viewer, and the toy of tests/train."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

APP = Path(__file__).parents[1] / "app"
TRAIN = Path(__file__).parents[1] / "train"


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


_app = _load("app_fixtures", APP / "conftest.py")
_viewer = _load("viewer_fixtures", APP / "viewer" / "conftest.py")

ball, lens = _app.ball, _app.lens
viewer, words, opened = _viewer.viewer, _viewer.words, _viewer.opened


@pytest.fixture(scope="module")
def toy() -> Iterator[ModuleType]:
    """The tiny training of tests/train/toy.py, on one thread."""
    module = _load("toy", TRAIN / "toy.py")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield module
    torch.set_num_threads(threads)
