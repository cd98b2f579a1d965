"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]

# Side by side, tests share the cores out: threads of two that wait for the same core waste it.
if (worker := os.environ.get("PYTEST_XDIST_WORKER", "")) and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
    torch.set_num_threads(1)

# Started in the background, a shell may have this ignored, and so what tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real captures; tests that need it skip where it is absent."""
    path = Path(os.environ.get("RAYFIELD_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data not found at {path}; set RAYFIELD_DATA to its folder")
    return path


@pytest.fixture
def generator() -> torch.Generator:
    """A seeded source of randomness."""
    return torch.Generator().manual_seed(0)
