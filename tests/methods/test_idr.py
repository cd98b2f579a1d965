"""IDR finds a ball from photos and masks, and asks for the masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rayfield.core.check import UsageError
from rayfield.core.types import RayBatch, Rays, SceneTraits
from rayfield.methods import idr

OBJECT = SceneTraits(bounded=True, alpha=True, images=3, near=0.05)
SMALL = {"steps": 150, "levels": 4, "entries": 1 << 12, "finest": 64, "width": 32, "rays": 512}


@pytest.mark.parametrize("radius", [0.8, 0.3])
def test_a_ball_is_found_from_a_larger_and_from_a_smaller_one(radius, find_a_ball):
    """Masks alone shrink what is seen beside the subject, and grow what is not seen of it."""
    find_a_ball(idr, idr.adapt(replace(idr.Config(), radius=radius, **SMALL), OBJECT))


def test_rays_beside_the_cube_teach_nothing(generator, photo_of_a_ball):
    """There is no field where they are; with nothing but such rays training goes on."""
    cfg = idr.adapt(replace(idr.Config(), **SMALL), OBJECT)
    model = idr.build(cfg, generator=generator)
    batch = photo_of_a_ball(64, 0)
    beside = Rays(*batch.rays)._replace(origins=batch.rays.origins * 5)
    beside = beside._replace(near=torch.zeros(64), far=torch.zeros(64))
    both = Rays(*(torch.cat([a, b]) for a, b in zip(batch.rays, beside, strict=True)))
    mixed = RayBatch(both, torch.cat([batch.rgba, batch.rgba * 0]))
    alone = idr.loss(model, batch, cfg, 0, generator=torch.Generator().manual_seed(1))
    found = idr.loss(model, mixed, cfg, 0, generator=torch.Generator().manual_seed(1))
    for name in ("color", "mask"):
        assert found[name].item() == pytest.approx(alone[name].item() / 2, rel=1e-5)
    assert found["eikonal"].item() == pytest.approx(alone["eikonal"].item(), rel=1e-5)
    nothing = idr.loss(model, RayBatch(beside, batch.rgba), cfg, 0, generator=generator)
    assert all(torch.isfinite(term) for term in nothing.values())


def test_masks_grow_sharper_when_they_did_as_published():
    """At epochs 250, 500, 750, 1000 and 1250 of 2000; by default as often within the steps."""
    paper = idr.PRESETS["paper"]
    epochs = (0, 249, 250, 500, 750, 1000, 1250, 2000)
    found = [idr.softness_at(paper, epoch / 2000) for epoch in epochs]
    assert found == [50, 50, 100, 200, 400, 800, 1600, 1600]
    last = [idr.softness_at(idr.Config(), done) for done in (0.0, 1 / 6, 5 / 6, 1.0)]
    assert last == [50, 100, 1600, 1600]


def test_photos_without_masks_are_refused():
    with pytest.raises(UsageError, match="idr needs photos with alpha or masks"):
        idr.adapt(idr.Config(), OBJECT._replace(bounded=False, alpha=False))
    with pytest.raises(UsageError, match="takes 3 training photos or more"):
        idr.adapt(idr.Config(), OBJECT._replace(images=1))
