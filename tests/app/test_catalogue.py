"""The catalogue of methods."""

from __future__ import annotations

import pytest

from rayfield.app.catalogue import METHODS, load_method, suggestion
from rayfield.core.check import UsageError

CONTRACT = [
    "Config",
    "adapt",
    "build",
    "loss",
    "batch_size",
    "param_groups",
    "lr_factor",
    "PRESETS",
]
COMPUTED = ["Config", "build", "construct", "remarks", "PRESETS"]  # of methods that are not trained
ANSWERS = {  # by what it learns from, and by the verbs it offers
    "photos": {"eval": ["render"], "render": ["render"], "view": ["render"], "export": ["color"]},
    "scenes": {"eval": ["render"], "render": ["render"], "view": ["render"]},
    "samples": {"eval": ["field", "image"], "render": ["image"], "export": ["field"]},
    "shapes": {"eval": ["surface", "infer"], "render": ["surface"], "export": ["surface", "known"]},
    "picture": {"eval": ["image"], "render": ["image"]},
    "points": {"eval": ["surface"], "render": ["surface"], "export": ["surface"]},
    "solid": {"eval": ["surface"], "render": ["surface"], "export": ["surface"]},
    "target": {"eval": ["render"], "render": ["render"], "view": ["render"], "export": []},
}
EXPORTED = {  # what is exported
    "instant": ["density"],
    "nerf": ["density"],
    "idr": ["surface"],
    "neus": ["surface"],
    "unisurf": ["surface"],
    "volsdf": ["surface"],
    "mesh_optimisation": ["mesh"],
    "point_optimisation": ["cloud"],
    "voxel_optimisation": ["density", "color", "surface"],
}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_entry_loads_and_keeps_the_contract(name):
    method = load_method(name)
    entry = METHODS[name]
    answers = [part for verb in entry.offers for part in ANSWERS[entry.learns][verb]]
    answers += EXPORTED.get(name, [])
    assert answers
    contract = COMPUTED if entry.learns == "solid" else CONTRACT
    missing = [part for part in [*contract, *answers] if part not in vars(method)]
    assert not missing
    assert method.__doc__
    assert entry.summary
    assert method.Config() in method.PRESETS.values()


def test_an_unknown_method_is_answered_with_the_nearest_name():
    with pytest.raises(UsageError, match="did you mean 'instant'"):
        load_method("instnat")
    with pytest.raises(UsageError, match="there are: instant, nerf"):
        load_method("zzz")


def test_a_suggestion_does_not_list_hundreds():
    known = [f"scene_{index}" for index in range(500)]
    assert suggestion("zzz", known).endswith(", scene_19 ...")
