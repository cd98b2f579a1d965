from __future__ import annotations

import torch

from rayfield.objectives.chamfer import chamfer


def test_it_is_that_of_all_pairs(generator):
    a, b = torch.randn(40, 3, generator=generator), torch.randn(70, 3, generator=generator)
    square = torch.cdist(a.double(), b.double()).square()
    exact = square.amin(1).mean() + square.amin(0).mean()
    torch.testing.assert_close(chamfer(a, b).double(), exact, rtol=1e-5, atol=0)
    assert chamfer(a, a) == 0


def test_f12_the_gradient_of_a_point_with_one_neighbour_is_twice_the_way_to_it(generator):
    target = torch.tensor([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    found = (target + 0.1 * torch.randn(3, 3, generator=generator)).requires_grad_()
    chamfer(found, target).backward()
    # one term in each direction, each a mean over three points
    torch.testing.assert_close(found.grad, 2 * 2 * (found.detach() - target) / 3)


def test_f12_it_does_not_depend_on_the_order_of_points(generator):
    a, b = torch.randn(30, 3, generator=generator), torch.randn(20, 3, generator=generator)
    order = torch.randperm(30, generator=generator)
    torch.testing.assert_close(chamfer(a[order], b), chamfer(a, b))
