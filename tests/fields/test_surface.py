from __future__ import annotations

import pytest
import torch
from torch import nn

from rayfield.fields.hashgrid import HashGrid
from rayfield.fields.sdf_grid import Distance
from rayfield.fields.surface import CODE, SurfaceField


def made() -> SurfaceField:
    generator = torch.Generator().manual_seed(0)
    grid = HashGrid(levels=4, features=4, entries=1 << 12, base=4, finest=16, generator=generator)
    grid.table.data.mul_(1e3)  # features that matter
    return SurfaceField(grid, 16, radius=0.3, generator=generator)


def some(count: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    along = nn.functional.normalize(torch.randn(count, 3, generator=generator))
    return torch.rand(count, 3, generator=generator), along


def test_compiled_colours_and_their_gradients_are_those_of_the_readable_field():
    answers, (points, along) = [], some()
    for readable in (False, True):
        field = made()
        found = field.sdf.twin(points) if readable else field(points)
        color = field.color(found, along)
        (color * torch.tensor([1.0, -2.0, 3.0])).sum().backward()
        assert all(p.grad is not None for p in field.parameters())
        answers.append([color.detach(), *(p.grad for p in field.parameters())])
    for ours, theirs in zip(*answers, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-4)


def test_colour_follows_code_normal_and_direction_but_not_the_gradients_length():
    field, (_, along) = made(), some()
    generator = torch.Generator().manual_seed(2)
    gradient = torch.randn(200, 3, generator=generator)
    found = Distance(torch.zeros(200), gradient, torch.randn(200, CODE, generator=generator))
    color = field.color(found, along)
    assert color.shape == (200, 3)
    assert ((color > 0) & (color < 1)).all()
    torch.testing.assert_close(field.color(found._replace(gradient=3 * gradient), along), color)
    torch.testing.assert_close(field.color(found._replace(value=found.value + 1), along), color)
    for other in (
        field.color(found, -along),
        field.color(found._replace(gradient=-gradient), along),
        field.color(found._replace(features=-found.features), along),
    ):
        assert (other - color).abs().max() > 0.01


def test_a_point_without_a_normal_has_a_colour():
    field = made()
    found = Distance(torch.zeros(1), torch.zeros(1, 3, requires_grad=True), torch.zeros(1, CODE))
    color = field.color(found, torch.tensor([[0.0, 0.0, 1.0]]))
    (slope,) = torch.autograd.grad(color.sum(), found.gradient)
    assert torch.isfinite(color).all()
    assert torch.isfinite(slope).all()


def test_matrices_are_all_but_the_table():
    field = made()
    others = {id(p) for p in field.parameters()} - {id(field.sdf.grid.table)}
    assert {id(p) for p in field.matrices()} == others


@pytest.mark.parametrize("levels", [1, 4])
def test_finest_cell_is_that_of_the_last_active_level(levels):
    field = made()
    field.sdf.activate(levels)
    assert field.sdf.finest_cell() == 1 / field.sdf.grid.resolutions[levels - 1]
