"""Trainings of surfaces that were killed end, bit for bit, as those that were not."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from rayfield.app.catalogue import load_method
from rayfield.data.load import load_scene
from rayfield.data.pixels import PixelSampler
from rayfield.studies.masks_or_not import own_photos
from rayfield.train.checkpoint import load_latest
from rayfield.train.loop import fit
from rayfield.train.optim import Adam
from rayfield.train.progress import Budget, Hooks
from rayfield.train.run import Record, create_run, describe_data, open_run

STEPS, KILLED = 8, 5
SMALL = {"levels": 4, "entries": 1 << 10, "finest": 64, "width": 16, "samples": 1 << 10,
         "occupancy": 16, "step": 1 / 16, "rays": 64, "places": 8, "layers": 3, "color_layers": 1,
         "trace": 4, "steps": STEPS}  # fmt: skip
CASES = [
    ("neus", "fast", "cut"), ("neus", "fast", "off"), ("neus", "laptop", "off"),
    ("volsdf", "fast", "cut"), ("volsdf", "fast", "off"), ("volsdf", "paper", "cut"),
    ("unisurf", "fast", "cut"), ("unisurf", "fast", "off"), ("unisurf", "laptop", "cut"),
    ("idr", "fast", "cut"), ("idr", "paper", "cut"),
]  # fmt: skip


class KilledError(Exception):
    """The process ends here, without saving."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Photos with masks that cut the subject out, and the same without masks."""
    root = own_photos(tmp_path_factory.mktemp("photos"))
    return {use: load_scene(root, downscale=8, masks=use) for use in ("cut", "off")}


def settings(method, preset, scene):
    """A small Config, with exposures where there are any to learn."""
    cfg = method.adapt(method.PRESETS[preset], scene.traits)
    names = {field.name for field in dataclasses.fields(cfg)}
    changed = {name: value for name, value in SMALL.items() if name in names}
    changed |= {"exposure": True} if "exposure" in names else {}
    changed |= {"samples": 16} if method.__name__.endswith("idr") else {}  # its are those of a ray
    changed |= {"layers": 0} if preset == "fast" else {"width": 48}
    return dataclasses.replace(cfg, **{k: v for k, v in changed.items() if k in names})


def trained(folder, method, cfg, scene, *, killed=None):
    """The newest checkpoint of a training, which goes on with what the folder holds."""

    def kill(step, seconds):
        raise KilledError

    model = method.build(cfg, generator=torch.Generator().manual_seed(0))
    if (folder / "run.json").exists():
        run = open_run(folder)
    else:
        data = describe_data(folder, folder, fingerprint="", splits={}, downscale=8)
        record = Record(
            method="x", config=dataclasses.asdict(cfg), data=data, traits={}, seed=0,
            world_from_scene=torch.eye(4).tolist(), budget={"steps": STEPS, "seconds": None},
        )  # fmt: skip
        run = create_run(folder, record)
    fit(
        method, model, cfg, sampler=PixelSampler(scene), run=run,
        optimiser=Adam(method.param_groups(model, cfg)),
        budget=Budget(STEPS, checkpoint_seconds=0.0),
        hooks=Hooks(preview_at=lambda step, seconds: step == killed, preview=kill),
    )  # fmt: skip
    return load_latest(run)


@pytest.mark.parametrize(("name", "preset", "masks"), CASES)
def test_what_was_killed_ends_as_what_was_not(name, preset, masks, scenes, tmp_path):
    method, scene = load_method(name), scenes[masks]
    cfg = settings(method, preset, scene)
    whole = trained(tmp_path / "whole", method, cfg, scene)
    with pytest.raises(KilledError):
        trained(tmp_path / "killed", method, cfg, scene, killed=KILLED)
    assert load_latest(open_run(tmp_path / "killed")).state["step"] == KILLED - 1
    resumed = trained(tmp_path / "killed", method, cfg, scene)
    assert whole.state["step"] == resumed.state["step"] == STEPS
    for a, b in ((whole.model, resumed.model), (whole.optim, resumed.optim)):
        assert a.keys() == b.keys()
        assert len(a) > 3
        for key, tensor in a.items():
            assert torch.equal(tensor, b[key]), key
