from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from rayfield.fields.free_mesh import FreeMesh
from rayfield.geometry.icosphere import icosphere
from rayfield.geometry.mesh import edge_uses


def test_it_starts_as_the_mesh_it_was_given():
    colors = np.arange(126, dtype=np.uint8).reshape(42, 3) + 60
    mesh = replace(icosphere(1, radius=0.6), colors=colors)
    for strength in (0.0, 19.0):
        found = FreeMesh(mesh, strength=strength).mesh()
        np.testing.assert_allclose(found.vertices, mesh.vertices, atol=1e-6)
        np.testing.assert_array_equal(found.faces, mesh.faces)
        np.testing.assert_array_equal(found.colors, colors)
    grey = FreeMesh(icosphere(0), strength=1.0).colors()
    torch.testing.assert_close(grey, torch.full((12, 3), 0.5))


def test_gradients_pass_the_solve_as_finite_differences_say(generator):
    free = FreeMesh(icosphere(1), strength=5.0).double()
    mix = torch.randn(42, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda latent: (FreeMesh.vertices(_with(free, latent)) * mix).sum(), free.latent
    )


def _with(free: FreeMesh, latent: torch.Tensor) -> FreeMesh:
    del free.latent
    free.latent = latent
    return free


def test_one_step_of_a_single_vertex_moves_its_neighbourhood():
    free = FreeMesh(icosphere(2), strength=19.0)
    before = free.vertices().detach()
    with torch.no_grad():
        free.latent[0] += 1.0
    moved = (free.vertices().detach() - before).norm(dim=1)
    assert (moved > 0.001).sum() > 20
    assert moved.argmax() == 0


def test_edges_are_those_of_the_mesh():
    mesh = icosphere(1)
    found = FreeMesh(mesh, strength=1.0).edges.numpy()
    np.testing.assert_array_equal(found, edge_uses(mesh)[0])
