"""The scene that comes with the package."""

from __future__ import annotations

import rayfield
from rayfield.data.demo import demo_photos


def test_it_holds_photos_and_the_exact_mesh():
    folder = demo_photos()
    assert (folder / "transforms_train.json").is_file()
    assert (folder / "mesh.ply").is_file()
    assert rayfield.demo_photos() == folder
