"""The networks of Occupancy Networks: their starts, sizes, and how they depend on codes."""

from __future__ import annotations

import pytest
import torch

from rayfield.fields.image_encoder import ImageEncoder
from rayfield.fields.occupancy import (
    ConditionalDecoder,
    ConditionalNorm,
    OccupancyNetwork,
    ResidualBlock,
    ResidualDecoder,
)
from rayfield.fields.point_encoder import PointEncoder
from rayfield.fields.voxel_encoder import SigmoidVoxelEncoder, VoxelEncoder


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_a_residual_block_starts_as_the_identity_plus_a_constant(generator):
    block = ResidualBlock(8, 8, hidden=8, generator=generator)
    x = torch.randn(50, 8, generator=generator)
    torch.testing.assert_close(block(x) - x, block.second.bias.expand(50, 8))
    assert block.second.bias.any()


def test_common_inputs_are_as_if_joined_to_every_row(generator):
    block = ResidualBlock(9, 5, hidden=4, generator=generator)
    with torch.no_grad():
        block.second.weight.normal_(generator=generator)
    x = torch.randn(3, 7, 6, generator=generator)
    common = torch.randn(3, 1, 3, generator=generator)
    found = []
    for values in (block(x, common), block(torch.cat([x, common.expand(3, 7, 3)], dim=-1))):
        found.append((values, *torch.autograd.grad(values.square().sum(), [*block.parameters()])))
    for ours, twin in zip(*found, strict=True):
        torch.testing.assert_close(ours, twin, rtol=1e-4, atol=1e-5)


def test_conditional_norm_starts_as_batch_norm_whatever_the_code(generator):
    norm = ConditionalNorm(6, 4)
    x = torch.randn(3, 20, 6, generator=generator) * 5 + 2
    codes = [torch.randn(3, 4, generator=generator) for _ in range(2)]
    first, second = (norm(x, code) for code in codes)
    torch.testing.assert_close(first, second)
    flat = x.flatten(0, 1)
    plain = (flat - flat.mean(dim=0)) / (flat.var(dim=0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(first.flatten(0, 1), plain, rtol=1e-4, atol=1e-5)


def test_conditional_norm_scales_and_shifts_by_the_code(generator):
    norm = ConditionalNorm(6, 4)
    with torch.no_grad():
        for layer in (norm.scale, norm.shift):
            layer.weight.normal_(generator=generator)
    x = torch.randn(2, 30, 6, generator=generator)
    codes = torch.randn(2, 4, generator=generator)
    plain = norm.norm(x.flatten(0, 1)).view_as(x)
    expected = norm.scale(codes)[:, None] * plain + norm.shift(codes)[:, None]
    torch.testing.assert_close(norm(x, codes), expected)


def test_the_decoder_has_the_papers_number_of_parameters():
    assert count(ConditionalDecoder(256, 5, code=256)) == 2_106_625


def test_the_image_model_has_the_papers_number_of_parameters():
    encoder = ImageEncoder(256)
    assert count(encoder) - count(encoder.output) == 11_176_512
    model = OccupancyNetwork(ConditionalDecoder(256, 5, code=256), encoder, threshold=0.2)
    assert count(model) == 13_414_465


def test_a_code_of_points_does_not_depend_on_their_order(generator):
    encoder = PointEncoder(5, hidden=8, generator=generator)
    points = torch.randn(2, 30, 3, generator=generator)
    shuffled = points[:, torch.randperm(30, generator=generator)]
    torch.testing.assert_close(encoder(points), encoder(shuffled))
    assert not torch.allclose(encoder(points)[0], encoder(points)[1])


@pytest.mark.parametrize("kind", ["voxels", "sigmoid", "image"])
def test_encoders_tell_observations_apart_and_learn(kind, generator):
    if kind == "image":
        encoder = ImageEncoder(6, base=4, generator=generator)
        seen = torch.rand(3, 32, 40, generator=generator)
    else:
        seen = torch.rand(3, 32, 32, 32, generator=generator) < 0.3
        encoder = (
            VoxelEncoder(6, base=2, generator=generator)
            if kind == "voxels"
            else SigmoidVoxelEncoder(6, base=2, resolution=32, generator=generator)
        )
    codes = encoder(seen)
    assert codes.shape == (3, 6)
    assert not torch.allclose(codes[0], codes[1])
    codes.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())
    if kind == "sigmoid":
        assert ((codes > 0) & (codes < 1)).all()


@pytest.mark.parametrize("resolution", [4, 12, 33])
def test_a_grid_that_cannot_be_halved_to_4_is_refused(resolution):
    with pytest.raises(ValueError, match="power of two"):
        SigmoidVoxelEncoder(4, base=2, resolution=resolution)


def test_the_decoder_of_one_shape_is_a_function_of_each_point_alone(generator):
    decoder = ResidualDecoder(8, 2, features=4, generator=generator)
    points = torch.randn(20, 3, generator=generator)
    torch.testing.assert_close(decoder(points)[3:5], decoder(points[3:5]))
    assert ResidualDecoder(8, 2, generator=generator)(points).shape == (20,)


def test_in_use_each_shape_is_told_apart_from_its_company(generator):
    """Batch statistics belong to training alone."""
    decoder = ConditionalDecoder(8, 2, code=4, generator=generator)
    points = torch.randn(3, 20, 3, generator=generator)
    codes = torch.randn(3, 4, generator=generator)
    decoder(points, codes)
    decoder.eval()
    torch.testing.assert_close(decoder(points, codes)[1:2], decoder(points[1:2], codes[1:2]))
