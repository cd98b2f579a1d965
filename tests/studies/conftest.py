"""A field trained for a moment, shared by the tests of studies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rayfield.methods import instant_ngp
from rayfield.studies import views


@pytest.fixture(scope="session", autouse=True)
def small_tables() -> Iterator[None]:
    """Studies train small fields here."""
    adapt = instant_ngp.adapt
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            instant_ngp,
            "adapt",
            lambda cfg, traits: replace(
                adapt(cfg, traits), entries=1 << 12, finest=128, samples=1 << 12, occupancy=32
            ),
        )
        yield


@pytest.fixture(scope="session")
def scene():
    """The demo scene with photos of 25x25 pixels."""
    return views.load(None, downscale=8)


@pytest.fixture(scope="session")
def field(scene, tmp_path_factory):
    """What the fast method learns of it in a second."""
    folder = tmp_path_factory.mktemp("studies") / "field"
    return views.learn(folder, scene, steps=60, report=lambda done, what: None)
