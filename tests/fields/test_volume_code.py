"""Volumes of features: what is told to which cell, where it is read, and the hourglass between."""

from __future__ import annotations

import pytest
import torch

from rayfield.fields.class_networks import by_volume
from rayfield.fields.volume_code import (
    SIDE,
    Hourglass,
    PointCells,
    VolumeDecoder,
    greatest,
    mirrored,
)
from rayfield.geometry.voxels import centres, interpolated

HALF = 0.8


def points_in_cells(generator: torch.Generator) -> torch.Tensor:
    """Two sets of 40 points, several in some cells, some beyond the volume."""
    points = torch.randn(2, 40, 3, generator=generator) * 0.4
    points[:, 10:30] = points[:, :1] + 0.01 * torch.rand(2, 20, 3, generator=generator)
    points[0, 0] = torch.tensor([0.9, -1.2, 0.8])
    return points


def cell_by_cell(cells: PointCells, points: torch.Tensor) -> torch.Tensor:
    """The readable twin: a PointNet for the points of one cell after the other."""
    volume = torch.zeros(len(points), cells.output.out_features, SIDE, SIDE, SIDE)
    for number, of_shape in enumerate(points):
        place = (of_shape + HALF) / (2 * HALF / SIDE)
        index = place.floor().clamp(0, SIDE - 1)
        for cell in index.unique(dim=0):
            mine = (index == cell).all(dim=1)
            x = torch.cat([of_shape[mine], place[mine] - cell - 0.5], dim=1)
            x = cells.blocks[0](cells.input(x))
            for block in cells.blocks[1:]:
                x = block(torch.cat([x, x.amax(dim=0).expand_as(x)], dim=1))
            i, j, k = cell.long().tolist()
            volume[number, :, i, j, k] = cells.output(torch.relu(x.amax(dim=0)))
    return volume


def test_points_are_told_to_their_cells_as_one_cell_after_the_other(generator):
    cells = PointCells(5, hidden=6, half=HALF, generator=generator)
    with torch.no_grad():
        for block in cells.blocks:
            block.second.weight.normal_(generator=generator)
    points = points_in_cells(generator)
    found = []
    for volume in (cells(points), cell_by_cell(cells, points)):
        found.append((volume, *torch.autograd.grad(volume.square().sum(), [*cells.parameters()])))
    for ours, twin in zip(*found, strict=True):
        torch.testing.assert_close(ours, twin, rtol=1e-4, atol=1e-5)
    assert 30 < (found[0][0] != 0).any(dim=1).sum() < 80


def test_the_order_of_points_does_not_matter(generator):
    cells = PointCells(4, hidden=6, half=HALF, generator=generator)
    points = points_in_cells(generator)
    order = torch.randperm(40, generator=generator)
    torch.testing.assert_close(cells(points), cells(points[:, order]))


def test_the_greatest_of_each_group_is_that_of_a_loop(generator):
    rows = torch.randn(30, 4, generator=generator) - 3
    group = torch.arange(30) % 7
    loop = torch.stack([rows[group == g].amax(dim=0) for g in range(7)])
    torch.testing.assert_close(greatest(rows, group, 7), loop, rtol=0, atol=0)


def test_features_are_read_trilinearly_at_points_and_beyond_at_the_rim(generator):
    decoder = VolumeDecoder(8, 1, channels=3, half=HALF, generator=generator)
    codes = torch.randn(2, 3 * SIDE**3, generator=generator)
    points = torch.rand(2, 50, 3, generator=generator) * 2 - 1
    found = decoder.features(points, codes)
    for number, volumes in enumerate(codes.view(2, 3, SIDE, SIDE, SIDE)):
        twin = [interpolated(volume, points[number], half=HALF) for volume in volumes]
        torch.testing.assert_close(found[number], torch.stack(twin, dim=-1))
    middle = centres(SIDE, half=HALF)[None]
    whole = decoder.features(middle, codes[:1])[0].T.flatten()
    torch.testing.assert_close(whole, codes[0], rtol=1e-4, atol=1e-4)


def test_a_decoder_tells_the_place_within_the_cell_as_sine_and_cosine(generator):
    """The same place of another cell with the same features differs by the coordinates alone."""
    decoder = VolumeDecoder(8, 2, channels=2, half=HALF, generator=generator)
    with torch.no_grad():
        decoder.input.weight[:, :3] = 0
    codes = torch.ones(1, 2 * SIDE**3)
    points = torch.rand(1, 40, 3, generator=generator) - 0.5
    cell = 2 * HALF / SIDE
    found = decoder(points, codes)
    torch.testing.assert_close(decoder(points + 3 * cell, codes), found, rtol=1e-3, atol=1e-4)
    assert (decoder(points + 0.5 * cell, codes) - found).abs().max() > 0.01


def test_the_hourglass_carries_what_one_cell_tells_to_every_other(generator):
    glass = Hourglass(8, generator=generator)
    volume = 9 * torch.randn(1, 8, SIDE, SIDE, SIDE, generator=generator)
    changed = volume.clone()
    changed[0, :, 3, 4, 5] += 99
    moved = (glass(changed) - glass(volume)).abs().sum(dim=1)[0]
    assert moved.shape == (SIDE,) * 3
    assert (moved > 0).float().mean() > 0.9
    assert moved[3, 4, 5] > 10 * moved[28:, 28:, 28:].mean()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_points_and_grids_are_mirrored_alike(axis, generator):
    points = torch.rand(1, 30, 3, generator=generator) - 0.5
    cells = ((points + 0.5) * 8).long()[0]
    grid = torch.zeros(1, 8, 8, 8)
    grid[0, cells[:, 0], cells[:, 1], cells[:, 2]] = 1
    turned, other = mirrored(points, axis), mirrored(grid, axis)
    i, j, k = ((turned + 0.5) * 8).long()[0].T
    assert (other[0, i, j, k] == 1).all()
    assert other.sum() == grid.sum()
    torch.testing.assert_close(mirrored(turned, axis), points)


def test_the_mirror_image_is_told_as_another(generator):
    """Where nothing was seen, the mirror image of what was tells something."""
    half = {"channels": 4, "hidden": 6, "half": HALF, "generator": generator}
    _, encoder = by_volume("points", 12, 2, mirror=0, **half)
    seen = torch.rand(1, 20, 3, generator=generator) * 0.3 + 0.2
    empty = encoder.cells(-seen)[0, :, SIDE // 2 :].abs().sum()
    told = encoder.others(mirrored(seen, 0))[0, :, : SIDE // 2].abs().sum()
    assert empty == 0
    assert told > 0
    assert not torch.allclose(encoder(seen), encoder(mirrored(seen, 0)))


@pytest.mark.parametrize("kind", ["points", "voxels"])
def test_a_trained_class_tells_mirror_images_as_mirror_images(kind, generator):
    decoder, encoder = by_volume(
        kind, 12, 2, channels=4, hidden=6, half=HALF, mirror=1, generator=generator
    )
    seen = torch.rand(2, 50, 3, generator=generator) - 0.5
    if kind == "voxels":
        seen = torch.rand(2, 16, 16, 16, generator=generator) < 0.3
    points = torch.rand(2, 30, 3, generator=generator) - 0.5
    turned = (mirrored(points, 1), mirrored(seen, 1))
    alone = decoder(points, encoder(seen))
    assert not torch.allclose(alone, decoder(turned[0], encoder(turned[1])), atol=1e-3)
    encoder.eval()
    both = decoder(points, encoder(seen))
    torch.testing.assert_close(both, decoder(turned[0], encoder(turned[1])), rtol=1e-4, atol=1e-5)
    encoder.train()
    mean = (alone + decoder(turned[0], encoder(turned[1]))) / 2
    torch.testing.assert_close(both, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mirror", [None, 0])
@pytest.mark.parametrize("kind", ["points", "voxels"])
def test_volumes_tell_observations_apart_and_every_parameter_learns(kind, mirror, generator):
    sizes = {"channels": 4, "hidden": 6, "half": HALF, "mirror": mirror}
    decoder, encoder = by_volume(kind, 12, 2, **sizes, generator=generator)
    with torch.no_grad():
        for name, parameter in (*decoder.named_parameters(), *encoder.named_parameters()):
            if name.endswith("second.weight"):
                parameter.normal_(generator=generator)
    seen = points_in_cells(generator)
    if kind == "voxels":
        seen = torch.rand(2, 16, 16, 16, generator=generator) < 0.3
    codes = encoder(seen)
    assert codes.shape == (2, 4 * SIDE**3)
    assert not torch.allclose(codes[0], codes[1])
    decoder(torch.rand(2, 300, 3, generator=generator) - 0.5, codes).square().sum().backward()
    for part in (decoder, encoder):
        assert all(p.grad is not None and p.grad.any() for p in part.parameters())
